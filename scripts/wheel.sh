#!/usr/bin/env bash
# Build sdist and wheel, check their metadata, and use the wheel in an empty environment with
# napari: scripts/wheel.sh [FOLDER]. Both are left in FOLDER (dist/ by default).
set -euo pipefail
folder=$(realpath -m "${1:-dist}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
VENV=$scratch/empty
source scripts/environment.sh
source scripts/screen.sh
install_libraries
install build twine

mkdir -p "$scratch/tree"
"$venv/bin/python" -m build --wheel --outdir "$scratch/tree" . >/dev/null
"$venv/bin/python" -m build --outdir "$folder" . >/dev/null # the sdist, and the wheel from it
wheel=("$folder"/*.whl)
cmp "$scratch"/tree/*.whl "${wheel[-1]}" # the sdist has all that the wheel is built from
"$venv/bin/python" -m twine check --strict "$folder"/*

install "${wheel[-1]}[all]"
find_screen
cp scripts/walk_installed.py "$scratch" # away from the sources
cd "$scratch"
export NAPARI_CONFIG=$scratch/settings.yaml NAPARI_SAM2_SESSIONS=$scratch/sessions
xvfb=()
[ "${QT_QPA_PLATFORM:-}" != xcb ] || xvfb=(xvfb-run -a -s "-screen 0 1280x720x24")
"$venv/bin/napari-sam2" doctor
"${xvfb[@]}" "$venv/bin/python" walk_installed.py
