#!/usr/bin/env bash
# Check, measure and train on a machine with a CUDA device that is there for a quarter of an hour.
#
#   tools/gpu_run.sh pack [DATA_FOLDER]   here, before: pack what travels beside the tree into .gpu
#   tools/gpu_run.sh PART ... [--dry-run] there: run parts, each within its own time limit
#
# PART: correct (90 s), fast (240 s), train (480 s), or any of them with its own limit in seconds
# (train=500). `correct` runs beside a `train` that follows it. Results go to $OUT (./gpu_out), at
# most 8 files of under 16 MiB; a part that fails leaves those of the others alone. --dry-run tries
# all of it in a minute on a CPU, with tiny sizes and synthetic data.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=${OUT:-$PWD/gpu_out}
here=.gpu
work=${GPU_WORK:-/tmp/gpu_run}
started=$SECONDS
say() { printf '== %4ds  %s\n' $((SECONDS - started)) "$*"; }

pack() {
  mkdir -p $here/wheels
  local python=${PYTHON:-.venv/bin/python}
  "$python" tools/packed_data.py pack "${1:-../shared/data/train}" $here/data.tar
  # what a bare machine with PyTorch and transformers lacks of the reference
  SAM2_BUILD_CUDA=0 "$python" -m pip wheel -q --no-deps --no-build-isolation -w $here/wheels \
    -c constraints.txt sam2
  "$python" -m pip wheel -q --no-deps -w $here/wheels \
    hydra-core==1.3.8 omegaconf==2.3.1 antlr4-python3-runtime==4.9.3 iopath==0.1.10 \
    platformdirs==4.14.8
  du -shc $here
}

prepare() {
  mkdir -p "$OUT" "$work"
  if [ -d $here/wheels ]; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade \
      --target "$work/site" $here/wheels/*.whl
    export PYTHONPATH=$work/site:$PYTHONPATH
  fi
  if [ -f $here/data.tar ] && [ ! -d "$work/data" ]; then
    "$python" tools/packed_data.py unpack $here/data.tar "$work/data"
  fi
  "$python" -c 'import torch; print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name())'
}

correct() {
  # the machine need not have Qt, which pytest's GUI plugins want
  local marks=gpu
  [ "$device" = cuda ] || marks="gpu or not slow"
  local tests=(tests/gpu tests/sam2_torch)
  [ "$device" = cuda ] || tests=(tests/gpu)
  PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 timeout "$1" "$python" -m pytest -p pytest_timeout -rsP -q \
    -p no:cacheprovider -m "$marks" "${tests[@]}"
}

fast() {
  local limit=$1 json=$OUT/compare.json
  if [ "$device" = cpu ]; then
    timeout "$limit" "$python" benchmarks/compare.py --plan quick --limit 1 --json "$json"
    return
  fi
  timeout "$limit" "$python" benchmarks/compare.py --device cuda --limit $((limit - 40)) --json "$json"
}

train() {
  local minutes run=$work/run
  minutes=$(awk "BEGIN {print ($1 - 25) / 60}") # it has to start, and to write what it leaves
  local sizes=(--frames 1,1,4,6 --clips 16 --images 48 --objects 8 --synthetic 0.4
    --learning-rate 3e-4 --warmup 50 --average 0.998 --loss-stride 2
    --save-every 500 --log-every 20 --picture-every 500 --instances --workers 8)
  local data=(--data "$work/data")
  if [ "$device" = cpu ]; then
    minutes=10
    data=()
    sizes=(--frames 1,2 --clips 1 --images 2 --objects 2 --synthetic 1 --loss-stride 4 --steps 2
      --save-every 2 --log-every 1 --picture-every 2 --workers 1 --instances)
  fi
  # batches wait in shared memory, of which some machines have little
  df -h /dev/shm || true
  [ "$device" = cpu ] || mount -o remount,size=48G /dev/shm || true
  [ "$device" = cpu ] || nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader \
    -l 10 >"$work/gpu_load.log" 2>&1 & local load=$!
  PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True \
  timeout "$1" "$python" tools/train_in_slices.py train "${data[@]}" --run "$run" --device "$device" \
    --minutes "$minutes" --slice "$minutes" "${sizes[@]}" ${TRAIN_OPTIONS:-} --pack "$OUT"
  local code=$?
  kill $load 2>/dev/null
  return $code
}

run_part() {
  local part=${1%%=*} limit=${1#*=}
  [ "$limit" != "$part" ] || limit=${limits[$part]}
  say "$part, at most $limit s"
  "$part" "$limit" >"$work/$part.log" 2>&1
  local code=$?
  say "$part ended with exit code $code"
  tail -n "${TAIL:-25}" "$work/$part.log"
  return $code
}

declare -A limits=([correct]=90 [fast]=240 [train]=480)
if [ "${1:-}" = pack ]; then
  pack "${2:-}"
  exit
fi
device=cuda
parts=()
for word in "$@"; do
  case $word in
    --dry-run) device=cpu ;;
    *) [ -n "${limits[${word%%=*}]:-}" ] || { echo "expected pack, correct, fast or train, found $word" >&2; exit 2; }
       parts+=("$word") ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(correct fast train)
if [ "$device" = cpu ]; then
  here=/nothing # no wheels, no data: what a test environment has
  python=${PYTHON:-.venv/bin/python}
else
  python=${PYTHON:-python3}
fi
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/model:$PWD/src${PYTHONPATH:+:$PYTHONPATH}
prepare || exit
failed=0
beside=
for part in "${parts[@]}"; do
  if [ "${part%%=*}" = correct ] && [[ " ${parts[*]} " == *" train"* ]]; then
    run_part "$part" & beside=$!
  else
    run_part "$part" || failed=1
  fi
done
[ -z "$beside" ] || wait "$beside" || failed=1
tar -C "$work" -czf "$OUT/logs.tar.gz" $(cd "$work" && ls ./*.log)
ls -l "$OUT"
exit $failed
