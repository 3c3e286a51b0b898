#!/usr/bin/env bash
# Installs torch, torchvision, timm and transformers into .venv-torch, once, and runs its Python with the arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .cache
exec 9>.cache/torch.lock
flock 9
want=$(sha256sum <scripts/requirements-torch.txt)
if [ "$(cat .venv-torch/tenon-requirements 2>/dev/null)" != "$want" ]; then
  rm -rf .venv-torch
  python3 -m venv .venv-torch
  .venv-torch/bin/python -m pip install -q --disable-pip-version-check -r scripts/requirements-torch.txt
  # They would replace torch by another build.
  .venv-torch/bin/python -m pip install -q --disable-pip-version-check --no-deps torchvision==0.28.0 timm==1.0.31
  printf '%s\n' "$want" >.venv-torch/tenon-requirements
fi
exec 9>&-
PYTHONPATH=build/python exec .venv-torch/bin/python "$@"
