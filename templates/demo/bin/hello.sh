#!/bin/sh
# Greets whoever is named.
[ "${1:-}" = --self-test ] && exec test "$(sh "$0" you)" = "Hello, you!"
printf 'Hello, %s!\n' "${1:-world}"
