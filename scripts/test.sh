#!/usr/bin/env bash
# The whole test run: the release build and all its tests, then the unit tests under AddressSanitizer and UBSan, then
# the tests of the layers that differ without oneDNN. Closes with the line `N passed, N failed`.
#   scripts/test.sh [JOBS]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${1:-$(nproc)}
passed=0 failed=0 broken=0

# stage NAME PRESET TARGET CTEST-ARGUMENTS...: a build that fails counts as one failed test.
stage() {
  local name=$1 preset=$2 target=$3 log total bad start=$SECONDS
  shift 3
  printf '== %s: build\n' "$name"
  if ! scripts/configure.sh "$preset" || ! cmake --build --preset "$preset" -j "$jobs" --target "$target"; then
    broken=1 failed=$((failed + 1))
    return
  fi
  printf '== %s: built in %d s, tests\n' "$name" $((SECONDS - start))
  start=$SECONDS
  log=$(mktemp)
  ctest --preset "$preset" -j "$jobs" "$@" | tee "$log"
  read -r bad total < <(sed -nE 's/^.*, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log")
  rm -f "$log"
  if [ -z "${total:-}" ]; then
    broken=1 failed=$((failed + 1))
    return
  fi
  passed=$((passed + total - bad)) failed=$((failed + bad))
  printf '== %s: %d of %d passed in %d s\n' "$name" $((total - bad)) "$total" $((SECONDS - start))
}

stage release release all
stage sanitizers asan unit_tests -L unit
stage no-onednn no-onednn unit_tests -L unit -R '^(backends|select|runtime|builder)$'

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$broken" = 0 ]
