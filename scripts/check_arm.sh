#!/usr/bin/env bash
# Cross-compiles for aarch64 and runs the unit tests under qemu-user.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/configure.sh aarch64
cmake --build --preset aarch64 -j "${1:-$(nproc)}" --target unit_tests
ctest --preset aarch64 -j "${1:-$(nproc)}" -L unit
