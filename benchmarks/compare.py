"""Compare this engine's speed and memory with the `sam2` and `transformers` packages.

    python benchmarks/compare.py [--quick] [--device D] [--dtype T] [--objects N] [--json F]

All run in one process, in turns, on the same movie with the same random weights: figures
tell of speed and memory, not of quality. A reference that is not installed or does not run
is reported as missing.
"""

import argparse
import os
import platform
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from compiled import measure_compiled
from figures import Figures
from references import OURS, ROOMS, builder
from references.protocol import MODELS, Setting, Side
from scenarios import (
    Arena,
    measure_click,
    measure_correction,
    measure_encoding,
    measure_growth,
    measure_tracking,
)
from timing import FAILURES, TOO_LATE, Deadline, allow_tf32, reason

from sam2_torch.checkpoints.loading import choose_device, fast_dtype

SIDES = (OURS, "sam2", "legacy", "transformers")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Track:
    """How many objects are followed, which frames count, passes after the first."""

    n_objects: int
    frames: range
    repeats: int


@dataclass(frozen=True)
class Plan:
    """What is measured on one model.

    Parameters
    ----------
    model
        A key of `MODELS`.
    tracks
        In order; small ones first, they warm up the larger ones.
    clicks
        How many clicks count.
    batches, encodings
        Sizes of the encoder's batches, and how often each counts.
    correction
        Objects, frames, how many corrections count.
    growth
        Two lengths of a movie with one object whose peaks of memory are compared.
    vos_limit_s
        Time limit of the compiled predictor; 0 if it is not tried.
    share
        Part of the time left that the model may take, where there is a limit.
    """

    model: str
    tracks: tuple[Track, ...]
    clicks: int
    batches: tuple[int, ...]
    encodings: int
    correction: tuple[int, int, int] | None = None
    growth: tuple[int, int] | None = None
    vos_limit_s: float = 0.0
    share: float = 1.0


QUICK = (
    Plan(
        "cells_nano",
        (Track(1, range(1, 4), 1), Track(4, range(1, 4), 1)),
        clicks=4,
        batches=(1, 4),
        encodings=1,
        correction=(4, 6, 1),
        share=0.3,
    ),
    # enough for the ratios on two cores: one pass each, which the smaller network warmed up
    Plan(
        "tiny",
        (Track(1, range(1, 2), 0), Track(4, range(1, 3), 0)),
        clicks=2,
        batches=(1,),
        encodings=0,
    ),
)
ON_CPU = (
    Plan(
        "cells_nano",
        (Track(1, range(1, 16), 2), Track(4, range(1, 16), 1), Track(16, range(1, 12), 1)),
        clicks=20,
        batches=(1, 4, 16),
        encodings=3,
        correction=(16, 28, 3),
        growth=(20, 60),
    ),
    Plan(
        "tiny",
        (Track(1, range(8, 12), 0), Track(4, range(8, 10), 0)),
        clicks=10,
        batches=(1, 4),
        encodings=2,
        vos_limit_s=600,
    ),
)
ON_CUDA = (
    Plan(
        "tiny",
        (
            # memories are full from frame 8 on, pointers from 16 on: then shapes repeat, and
            # graphs are recorded soon after
            Track(1, range(24, 56), 3),
            Track(4, range(24, 48), 2),
            Track(16, range(24, 40), 1),
            Track(64, range(8, 16), 1),
            Track(256, range(8, 12), 0),
        ),
        clicks=30,
        batches=(1, 4, 16),
        encodings=10,
        correction=(16, 28, 2),
        growth=(100, 200),
        vos_limit_s=120,
        share=0.8,
    ),
    Plan(
        "cells_nano",
        (Track(1, range(24, 56), 1), Track(16, range(24, 40), 0)),
        clicks=30,
        batches=(1, 4, 16),
        encodings=10,
    ),
)


PLANS = {"quick": QUICK, "cpu": ON_CPU, "cuda": ON_CUDA}
LIMITS_S = {"quick": 100.0, "cpu": None, "cuda": 460.0}


def plan_for(device: torch.device) -> str:
    """Choose what is measured on a device where nothing else was asked for."""
    return "cuda" if device.type == "cuda" else "cpu"


def run_plan(
    plan: Plan, setting: Setting, sides: Sequence[str], figures: Figures, deadline: Deadline
) -> None:
    """Measure one model on all sides that can be built."""
    if deadline.left() <= 0:
        figures.absent(setting.model, "all", TOO_LATE)
        return
    arena = Arena(setting, build(setting, sides, figures), figures, deadline)
    measure_tracks(arena, plan.tracks)
    if plan.clicks:
        measure_click(arena, plan.clicks)
    for batch in plan.batches:
        measure_encoding(arena, batch, plan.encodings)
    if plan.correction is not None:
        measure_correction(arena, *plan.correction)
    if plan.growth is not None:
        measure_growth(arena, 1, plan.growth)


def run_compiled(plan: Plan, setting: Setting, figures: Figures, deadline: Deadline) -> None:
    """Measure the compiled predictor, which takes minutes, in the time that is left."""
    arena = Arena(setting, {}, figures, deadline)
    measure_compiled(arena, plan.tracks[0].frames, plan.vos_limit_s)


def only_tracking(plan: Plan, n_objects: Sequence[int]) -> Plan:
    """Leave of a plan how so many objects are followed, and nothing else."""
    tracks = tuple(track for track in plan.tracks if track.n_objects in n_objects)
    return Plan(plan.model, tracks, clicks=0, batches=(), encodings=0)


def measure_tracks(arena: Arena, tracks: Sequence[Track]) -> None:
    """Measure tracks."""
    for track in tracks:
        measure_tracking(arena, track.n_objects, track.frames, track.repeats)


def build(setting: Setting, sides: Sequence[str], figures: Figures) -> dict[str, Side]:
    """Build those sides that take part; what is not there is noted as missing."""
    built = {}
    for name in SIDES:
        if name not in sides:
            continue
        try:
            built[name] = builder(name)(setting)
        except FAILURES as error:
            if name == OURS:
                raise
            figures.absent(setting.name, name, f"cannot be built here ({reason(error)})")
    return built


def facts(device: torch.device, dtype: str) -> dict[str, str | float]:
    """Tell what the figures depend on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    values: dict[str, str | float] = {
        "run.date": date.today().isoformat(),
        "run.command": shlex.join(["python", *sys.argv]),
        "run.device": f"{device}: {name}",
        "run.cores": os.cpu_count() or 0,
        "run.dtype": dtype,
        "run.threads": torch.get_num_threads(),
    }
    for package in ("torch", "sam2", "transformers"):
        try:
            values[f"run.{package}"] = version(package)
        except PackageNotFoundError:
            values[f"run.{package}"] = "missing"
    return values


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison that the command line asks for."""
    options = _parser().parse_args(arguments)
    device = choose_device(options.device)
    dtype = options.dtype or str(fast_dtype(device)).removeprefix("torch.")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    allow_tf32(device)
    warnings.simplefilter("ignore")  # of the references: deprecations, and missing extensions
    figures = Figures(options.json)
    figures.facts.update(facts(device, dtype))
    name = "quick" if options.quick else options.plan or plan_for(device)
    deadline = Deadline(options.limit if options.limit is not None else LIMITS_S[name])
    chosen = [plan for plan in PLANS[name] if plan.model in options.models]
    if options.objects:
        chosen = [only_tracking(plan, options.objects) for plan in chosen]
    settings = [Setting(plan.model, device, DTYPES[dtype]) for plan in chosen]
    for plan, setting in zip(chosen, settings, strict=True):
        run_plan(plan, setting, options.sides, figures, deadline.part(plan.share))
    for plan, setting in zip(chosen, settings, strict=True):
        if plan.vos_limit_s and "vos" in options.sides:
            run_compiled(plan, setting, figures, deadline)
    print(figures.table(options.sides))
    figures.save()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few figures within two minutes")
    parser.add_argument(
        "--plan", choices=PLANS, help="what is measured; by default that of the device"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--dtype", choices=DTYPES, help="of all sides; by default what the device is fastest in"
    )
    parser.add_argument("--threads", type=int, help="CPU threads of all sides")
    parser.add_argument(
        "--sides", nargs="+", choices=ROOMS, default=list(ROOMS), help="who takes part"
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), help="which networks"
    )
    parser.add_argument(
        "--objects", type=int, nargs="+", help="follow so many objects, measure nothing else"
    )
    parser.add_argument("--limit", type=float, help="seconds after which nothing new is begun")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser


if __name__ == "__main__":
    main()
