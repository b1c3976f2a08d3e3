#!/usr/bin/env bash
# One SLURM task for each movie, without Dask: sbatch --array=1-$(ls data/*.tif | wc -l) sbatch_array.sh
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=08:00:00
set -euo pipefail
movie=$(printf '%s\n' data/*.tif | sed -n "${SLURM_ARRAY_TASK_ID}p")
napari-sam2 track "$movie" --prompts prompts -o out/
