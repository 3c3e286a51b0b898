#!/usr/bin/env bash
# Configures a CMake preset quietly: its output is shown only when it fails, has a warning or leaves a part out.
#   scripts/configure.sh PRESET [-DNAME=VALUE ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -E 'oneDNN|CUDA: |Warning' "$log" || true
