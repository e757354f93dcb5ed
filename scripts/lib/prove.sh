# For the scripts in prove.d: runs the tests of a proof and prints their figures in one line.
#
#   prove_tests NAME FILTER [--full]
#
# NAME is the word that the tests tell their figures under, FILTER nextest's filter expression.

prove_tests() {
  local name=$1 filter=$2 mode=sample figures
  local profile=default
  [[ "${3:-}" == --full ]] && mode=full profile=prove
  mkdir -p target/prove
  figures=$PWD/target/prove/$name.figures
  rm -f "$figures"
  DIVISI_PROVE=$mode DIVISI_FIGURES=$figures \
    cargo nextest run --locked --profile "$profile" --no-tests fail ${PROVE_PROFILE:+--cargo-profile "$PROVE_PROFILE"} -E "$filter"
  [[ -s "$figures" ]] || { echo "prove $name: the tests told no figures" >&2; return 1; }
  echo "prove $name ($mode): $(grep "^$name: " "$figures" | sed "s/^$name: //" | paste -sd ';' | sed 's/;/; /g')"
}
