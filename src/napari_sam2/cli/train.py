"""`napari-sam2 train`: tune a model to labelled data of one's own."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from napari_sam2.cli.errors import DONE
from napari_sam2.cli.jobs import print_status
from napari_sam2.io.training_data import DATA, read_labelled

if TYPE_CHECKING:
    import torch

    from sam2_torch.training.config import TrainingConfig
    from sam2_torch.training.data.labelled_movies import LabelledMovie, Split
    from sam2_torch.training.finetuning import Result, Stage, Watcher, Workshop
    from sam2_torch.training.loop import StepReport

TRAINED = ("decoder", "everything", "adapters")
RATES = {"decoder": 1e-4, "everything": 2e-4, "adapters": 5e-4}
HOLD_OUT = 0.2
NO_LIMIT = 1_000_000  # of steps, where minutes limit the run

HELP = "tune a model to images with labels"
DESCRIPTION = "Tune a model to your own images with labels, and measure what it gained."

EPILOG = f"""\
DATA: {DATA}.
Each object has a number of its own, 0 is background; a movie's labels are a movie in which an
object keeps its number.

A part is held out to measure on: whole movies or images, or the last frames of a single movie.
Ctrl+C ends the training after the step that it is at and saves the model as it is then; the same
command continues from there, unless --name differs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("data", metavar="DATA", nargs="+", type=Path, help="folders, see below")
    parser.add_argument("--name", required=True, help="of the new model, for model menus")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: the folder of your own models"
    )
    parser.add_argument(
        "--model", default="cells_nano", help="name or file to begin with (default: cells_nano)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument(
        "--train",
        choices=TRAINED,
        default="decoder",
        help="what learns: all but the image encoder (decoder, the default), everything, or "
        "low-rank adapters",
    )
    _add_length(parser)
    _add_details(parser)


def _add_length(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, help="length of the training (default: 10)")
    parser.add_argument("--steps", type=int, help="length in steps, beside or instead of minutes")
    parser.add_argument(
        "--slice", metavar="MINUTES", type=float, help="pause after so many; run again to continue"
    )
    parser.add_argument(
        "--hold-out",
        metavar="SHARE",
        default=str(HOLD_OUT),
        help="share to measure on, or names with * of what to measure on (default: 0.2)",
    )


def _add_details(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, help="learning rate (default: by what learns)")
    parser.add_argument("--workers", type=int, help="processes that make clips (default: by CPU)")
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default: 0)")
    parser.add_argument("--licence", default="", help="of the new weights, for their file")
    parser.add_argument("--notes", default="", help="on the data, for the file")
    parser.add_argument(
        "--run-folder", metavar="FOLDER", type=Path, help="for log, pictures and checkpoints"
    )
    parser.add_argument(
        "--nice", action="store_true", help="leave a core and the right of way to other programs"
    )
    parser.add_argument(
        "--json", action="store_true", help="print progress as JSON, a line for each event"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 train`."""
    started = time.monotonic()
    if arguments.nice:
        _make_way()
    product_path, folder = _places(arguments)
    movies = [movie for data in arguments.data for movie in read_labelled(data)]
    split = _split(movies, arguments.hold_out)

    from sam2_torch.runtime.devices import choose_device
    from sam2_torch.training.finetuning import NewModel, Workshop, tune
    from sam2_torch.training.loop import Budget

    device = choose_device(arguments.device)
    config = choose_config(arguments, device)
    workers = _workers(device.type) if arguments.workers is None else arguments.workers
    workshop = Workshop(folder, str(device), workers)
    product = NewModel(product_path, arguments.name, arguments.licence, arguments.notes)
    if not arguments.json:
        print_status(_plan(split, config, workshop))
    with _stopping() as should_stop, _watcher(arguments.json) as watcher:
        budget = Budget(arguments.slice, started, should_stop)
        result = tune(split, config, workshop, product, budget, watcher)
    if result.ending == "finished":
        from sam2_torch.training.run_state import STATE_FILE

        (folder / STATE_FILE).unlink(missing_ok=True)  # there is nothing to continue
    _report(result, folder, arguments.json)
    return DONE


def choose_config(arguments: argparse.Namespace, device: "torch.device") -> "TrainingConfig":
    """Return sizes that suit the device: a CPU makes some clips in a minute, a GPU hundreds."""
    import torch

    from sam2_torch.runtime.devices import fast_dtype
    from sam2_torch.training.config import TrainingConfig

    steps = arguments.steps or NO_LIMIT
    minutes = 10.0 if arguments.minutes is None and not arguments.steps else arguments.minutes
    quick = device.type == "cuda"
    return TrainingConfig(
        model=arguments.model,
        trained=arguments.train,
        steps=steps,
        minutes=minutes,
        frames=(1, 4, 6) if quick else (1, 3),
        clips=4 if quick else 1,
        images=16 if quick else 2,
        objects=6 if quick else 3,
        max_clicks=3 if quick else 2,
        learning_rate=arguments.rate or RATES[arguments.train],
        warmup=50 if quick else 10,
        average=0.998 if quick else 0.98,
        loss_stride=2 if quick else 4,
        half=fast_dtype(device) == torch.bfloat16,
        seed=arguments.seed,
        save_every=100 if quick else 20,
        log_every=10 if quick else 2,
        picture_every=200 if quick else 50,
    )


def _places(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Return the files of the model and of the run; refuse to overwrite another model."""
    from sam2_torch.models.registry import models_folder, read_registry
    from sam2_torch.models.user_models import NAME, SUFFIX

    name = arguments.name
    if not NAME.fullmatch(name):
        raise ValueError(f"--name: expected letters, digits and . _ + -, found {name!r}")
    folder = arguments.run_folder or models_folder().parent / "runs" / name
    path = arguments.output or models_folder() / f"{name}{SUFFIX}"
    if path.suffix != SUFFIX:
        raise ValueError(f"-o: expected a file that ends in {SUFFIX}, found {path}")
    unfinished = (folder / "state.pt").is_file()
    if path.exists() and not unfinished:
        raise ValueError(f"{path}: expected a new file, found one; give another --name or -o")
    entry = read_registry().entries.get(name)
    if arguments.output is None and entry is not None and entry.path != path:
        raise ValueError(f"--name: {name} is the name of another model; give a new one")
    return path, folder


def _split(movies: "list[LabelledMovie]", wanted: str) -> "Split":
    from sam2_torch.training.data.labelled_movies import check_enough, hold_out, split_by_source
    from sam2_torch.training.finetuning import LEAST_MASKS

    check_enough(movies, LEAST_MASKS + 1)
    try:
        share = float(wanted)
    except ValueError:
        return hold_out(movies, wanted.split(","))
    if not 0 < share < 1:
        raise ValueError(f"--hold-out: expected a share between 0 and 1, found {wanted}")
    return split_by_source(movies, share)


def _workers(device_type: str) -> int:
    """Return how many processes make clips; on a CPU the network itself needs the cores."""
    return 0 if device_type == "cpu" else max(1, min(16, (os.cpu_count() or 2) - 1))


def _make_way() -> None:
    """Set a low priority, so that other programs, napari among them, run first."""
    import torch

    if hasattr(os, "nice"):
        os.nice(10)
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))


def _plan(split: "Split", config: "TrainingConfig", workshop: "Workshop") -> str:
    masks, held = (sum(m.count_masks() for m in part) for part in (split.training, split.held_out))
    length = f"{config.minutes:g} minutes" if config.minutes else f"{config.steps} steps"
    return (
        f"{masks} masks in {len(split.training)} items to learn from, {held} in "
        f"{len(split.held_out)} to measure on; {config.model}, {config.trained}, {length} "
        f"on {workshop.device}"
    )


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Handle Ctrl+C: the first ends the training after its step, the second at once."""
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        print_status("\nstopping after this step; once more to give up at once")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _watcher(as_json: bool) -> "Iterator[Watcher]":
    from sam2_torch.training.finetuning import Watcher

    if as_json:
        yield Watcher(
            lambda stage: _print_event({"event": "stage", **asdict(stage)}),
            lambda step: _print_event({"event": "step", **asdict(step)}),
        )
        return
    bars: list[tqdm[Any]] = []

    def show_stage(stage: "Stage") -> None:
        if not bars or bars[-1].desc != f"{stage.name}: ":
            for bar in bars:
                bar.close()
            bars.append(tqdm(desc=stage.name, total=100, file=sys.stderr, dynamic_ncols=True))
        if stage.name != "training":
            bars[-1].total = stage.total
            bars[-1].update(stage.done - bars[-1].n)

    def show_step(step: "StepReport") -> None:
        bars[-1].update(round(100 * step.progress) - bars[-1].n)
        bars[-1].set_postfix_str(f"step {step.step}, loss {step.loss:.3f}")

    try:
        yield Watcher(show_stage, show_step)
    finally:
        for bar in bars:
            bar.close()


def _print_event(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _report(result: "Result", folder: Path, as_json: bool) -> None:
    if as_json:
        values = {**asdict(result), "checkpoint": str(result.checkpoint), "folder": str(folder)}
        _print_event({"event": "result", **values})
        return
    print(f"{'mean IoU on the held-out part':32s} {'before':>8s} {'after':>8s}")
    for key, before in result.before.items():
        print(f"{key:32s} {before:8.3f} {result.after.get(key, float('nan')):8.3f}")
    print(f"{result.checkpoint}: {result.steps} steps, {result.ending}; pictures in {folder}")
