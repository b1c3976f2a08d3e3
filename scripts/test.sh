#!/usr/bin/env bash
# Install what the tests need, and run them: scripts/test.sh [PYTEST ARGUMENTS]
# Python packages go into .venv alone. What Qt needs of the system is installed with apt-get if
# this is run by root or if sudo asks for no password; else the tests that need it are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
source scripts/screen.sh
install_libraries
install -e . --group test --group parity
# the reference that the network is compared with: without its torchvision and CUDA extension
SAM2_BUILD_CUDA=0 install --no-deps --no-build-isolation sam2
find_screen
export NO_AT_BRIDGE=1
unset PYTHONDONTWRITEBYTECODE # or each start of napari costs seconds more
# two processes with one thread each: a file stays in one of them, as it shares networks
"$venv/bin/python" -m pytest -n 2 --dist loadfile "${screen_options[@]}" "$@"
