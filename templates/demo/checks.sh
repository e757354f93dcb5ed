#!/bin/sh
# Every script must parse and pass its own test.
status=0
for script in bin/*.sh; do
  if sh -n "$script" && sh "$script" --self-test; then
    echo "ok   $script"
  else
    echo "FAIL $script"
    status=1
  fi
done
exit $status
