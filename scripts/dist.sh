#!/usr/bin/env bash
# Makes dist/tenon-<version>-<system>-<processor>.tar.gz from the release build: lib, include, bin, samples, data and
# python/*.whl, laid out as TensorRT's archives are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -nE 's/^project\(tenon VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
name=tenon-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
rm -rf "dist/$name"
cmake --install build --prefix "dist/$name" --strip >/dev/null
# The compiler by the name that the release build calls it, so that ccache has every object.
CC=cc CXX=c++ .venv/bin/python -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w "dist/$name/python" .
tar -C dist -czf "dist/$name.tar.gz" "$name"
printf 'dist/%s.tar.gz: %s\n' "$name" "$(du -h "dist/$name.tar.gz" | cut -f1)"
