#!/usr/bin/env bash
# Installs TensorFlow and tf2onnx into .venv-tf, once, and runs the tests of tenon.tensorflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .cache
exec 9>.cache/tf.lock
flock 9
want=$(sha256sum <scripts/requirements-tf.txt)
if [ "$(cat .venv-tf/tenon-requirements 2>/dev/null)" != "$want" ]; then
  rm -rf .venv-tf
  python3 -m venv .venv-tf
  .venv-tf/bin/python -m pip install -q --disable-pip-version-check -r scripts/requirements-tf.txt
  printf '%s\n' "$want" >.venv-tf/tenon-requirements
fi
exec 9>&-
PYTHONPATH=build/python TF_CPP_MIN_LOG_LEVEL=3 .venv-tf/bin/python -m pytest -q python/tests/test_tensorflow.py
