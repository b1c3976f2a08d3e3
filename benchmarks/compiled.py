"""The compiled predictor of the `sam2` package, in a process of its own.

It compiles for a minute or for many, and may fail: the comparison gives it a time limit.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from figures import Figures
from references import builder
from references.protocol import Setting
from scenarios import Arena, measure_tracking
from timing import TOO_LATE, Deadline, allow_tf32

SIDE, N_OBJECTS = "vos", 1
FIGURES = ("ms_per_frame", "object_fps")


def measure_compiled(arena: Arena, frames: range, limit_s: float) -> None:
    """Measure how fast the compiled predictor follows one object, as the others did."""
    scope = f"{arena.model}.n{N_OBJECTS}"
    if limit_s <= 0:
        arena.figures.miss(scope, SIDE, FIGURES, "not tried here: it compiles for minutes")
        return
    limit_s = min(limit_s, arena.deadline.left())
    if limit_s <= 0:
        arena.figures.miss(scope, SIDE, FIGURES, TOO_LATE)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        why = _run(_command(arena.setting, frames, file), limit_s)
        if file.is_file():
            values = json.loads(file.read_text())
            arena.figures.read(values, scope, SIDE)
            why = values.get("reason", why)
    if arena.figures.get(scope, SIDE, FIGURES[0]) is None:
        arena.figures.miss(scope, SIDE, FIGURES, why or "it ended without a figure")
    arena.figures.compare(scope, "object_fps", "ratio", higher_is_better=True)


def _command(setting: Setting, frames: range, file: Path) -> list[str]:
    options = {
        "--model": setting.model,
        "--device": setting.device,
        "--dtype": str(setting.dtype).removeprefix("torch."),
        "--threads": torch.get_num_threads(),
        "--first": frames.start,
        "--stop": frames.stop,
        "--json": file,
    }
    return [sys.executable, __file__, *(str(word) for pair in options.items() for word in pair)]


def _run(command: list[str], limit_s: float) -> str | None:
    """Run a command; why it gave nothing, or None."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=os.name == "posix",  # the compiler starts processes of its own
    )
    try:
        _, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _stop(process)
        return f"did not finish within {limit_s:.0f} s, compilation included"
    if process.returncode == 0:
        return None
    lines = errors.strip().splitlines() or ["no message"]
    return f"ended with exit code {process.returncode}: {lines[-1][:160]}"


def _stop(process: "subprocess.Popen[str]") -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--stop", type=int, required=True)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    allow_tf32(device)
    setting = Setting(options.model, device, getattr(torch, options.dtype))
    figures = Figures()
    arena = Arena(setting, {SIDE: builder(SIDE)(setting)}, figures, Deadline(None))
    measure_tracking(arena, N_OBJECTS, range(options.first, options.stop), repeats=2)
    reason = {"reason": next(iter(figures.reasons.values()))} if figures.reasons else {}
    options.json.write_text(json.dumps({**figures.flat(), **reason}))


if __name__ == "__main__":
    main()
