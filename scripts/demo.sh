#!/usr/bin/env bash
# Install the project and track a movie with the embedded model: scripts/demo.sh [MOVIE.tif]
# Without MOVIE a synthetic one of dividing nuclei is made. Leaves ./demo/ with the label movie
# and a picture of it.
set -euo pipefail
movie=${1:+$(realpath "$1")}
out=$PWD/demo
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install -e .
"$venv/bin/napari-sam2" demo ${movie:+"$movie"} -o "$out"
