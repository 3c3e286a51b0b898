#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks: Debian/Ubuntu packages (as root or with sudo) and
# the Python packages of requirements.txt into .venv. Does nothing, and asks no registry, when all is there.
#   scripts/setup.sh [--arm]     --arm adds the aarch64 cross compiler and qemu-user
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }

# probe package: the package is wanted unless the program or header exists.
packages=()
want_program() { command -v "$1" >/dev/null || packages+=("$2"); }
want_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ] || packages+=("$2"); }

find_packages() {
  packages=()
  want_program g++ g++
  want_program make make
  want_program git git
  want_program cmake cmake
  want_program ninja ninja-build
  want_program ccache ccache
  want_program flock util-linux
  want_program readelf binutils
  want_header protozero/pbf_reader.hpp libprotozero-dev
  want_header doctest/doctest.h doctest-dev
  want_header nlohmann/json.hpp nlohmann-json3-dev
  want_header CLI/CLI.hpp libcli11-dev
  if ! command -v python3 >/dev/null; then
    packages+=(python3 python3-venv python3-dev)
  else
    python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
    python3 -c 'import os, sysconfig as s; assert os.path.exists(s.get_paths()["include"] + "/Python.h")' 2>/dev/null ||
      packages+=(python3-dev)
  fi
  if [ "${1:-}" = --arm ]; then
    want_program aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
    want_program qemu-aarch64-static qemu-user-static
  fi
}

install_packages() {
  command -v apt-get >/dev/null || { say "missing, and there is no apt-get: ${packages[*]}" >&2; exit 1; }
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { say "run as root: apt-get install ${packages[*]}" >&2; exit 1; }
    root=(sudo)
  fi
  say "apt-get install ${packages[*]}"
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update >/dev/null || say "apt-get update failed; trying the lists at hand"
  "${apt[@]}" install --no-install-recommends "${packages[@]}"
}

install_python_packages() {
  local stamp=.venv/tenon-requirements want
  want=$( (python3 -c 'import sys; print(sys.base_prefix, sys.version)'; cat scripts/requirements.txt) | sha256sum)
  if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$want" ]; then return; fi
  if ! .venv/bin/python -c 'import sys' 2>/dev/null; then
    say "creating .venv"
    rm -rf .venv
    python3 -m venv .venv
  fi
  say "installing the packages of scripts/requirements.txt into .venv"
  .venv/bin/python -m pip install -q --disable-pip-version-check -r scripts/requirements.txt
  printf '%s\n' "$want" >$stamp
}

find_packages "${1:-}"
if [ ${#packages[@]} -gt 0 ]; then install_packages; fi
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9
install_python_packages
