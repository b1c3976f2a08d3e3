#!/usr/bin/env bash
# Install what the tests need, into .venv alone, and run them: scripts/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install -e . --group test --group parity
# the reference that the network is compared with: without its torchvision and CUDA extension
SAM2_BUILD_CUDA=0 install --no-deps --no-build-isolation sam2
unset PYTHONDONTWRITEBYTECODE # or each start of napari costs seconds more
# two processes with one thread each: a file stays in one of them, as it shares networks
"$venv/bin/python" -m pytest -n 2 --dist loadfile "$@"
