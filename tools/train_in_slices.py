"""Train a network for its embedding in the package, in slices of a machine's time.

    python tools/train_in_slices.py train --data FOLDER --run RUN --minutes 28 [--pack OUT]
    python tools/train_in_slices.py export OUT/pack.* -o cells_nano.safetensors --data FOLDER

`train` goes on where the last slice of RUN paused; on a machine that has no RUN, from `--unpack`.
`docs/training.md` tells it all. For tuning a model to one's own images there is
`napari-sam2 train`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path

import torch
from data_items import HELD_OUT, taught_instances
from file_pieces import cut_file, join_file
from instance_loss import INSTANCES, InstanceLoss, attach_decoder, write_decoder
from packed_state import pack_state, unpack_state
from synthetic import draw_movie

import sam2_torch
from sam2_torch.checkpoints.loading import load_sam2
from sam2_torch.config import CELLS_NANO
from sam2_torch.runtime.devices import choose_device, fast_dtype
from sam2_torch.sam2 import SAM2
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.data.labelled_movies import LabelledMovie, Split, hold_out, read_dataset
from sam2_torch.training.evaluation import evaluate
from sam2_torch.training.finetuning import NewModel, prepare_folder, save_model
from sam2_torch.training.loop import Budget, Run, StepReport
from sam2_torch.training.optimizer import merged_state
from sam2_torch.training.run_state import LOG_FILE, STATE_FILE, RunState

EMBEDDED = Path(sam2_torch.__file__).parent / "weights" / "cells_nano.safetensors"
SCRATCH = "scratch"

RECIPE = TrainingConfig(
    trained="everything",
    steps=1_000_000,
    minutes=28.0,
    frames=(1, 4, 4, 6),
    clips=8,
    images=48,
    objects=8,
    synthetic=0.5,
    learning_rate=3e-4,
    warmup=100,
    layer_decay=0.9,
    encoder_scale=0.7,
    weight_decay=0.05,
    average=0.999,
    max_clicks=3,
    save_every=200,
    log_every=10,
    picture_every=200,
)


def train(arguments: argparse.Namespace) -> None:
    """Run one slice."""
    started = time.monotonic() - arguments.elapsed
    device = choose_device(arguments.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    config = choose_config(arguments, device)
    prepare_folder(arguments.run, config)
    split = _split(arguments)
    model = _start(config.model, device)
    extra_loss = None
    if arguments.instances:
        taught = {name for folder in arguments.data for name in taught_instances(folder)}
        extra_loss = InstanceLoss(attach_decoder(model), taught)
    state = RunState.begin(model, config)
    movies, workers = split.training, arguments.workers
    run = Run(arguments.run, config, state, movies, workers, draw_movie, extra_loss)
    if not run.resume() and arguments.unpack:
        _unpack(state, arguments.unpack)
    print(f"step {state.step} on {device}, {len(split.training)} items", flush=True)
    first = state.step, time.monotonic()
    ending = run.go(Budget(arguments.slice, started), _print_step)
    pace = (state.step - first[0]) / (time.monotonic() - first[1])
    print(
        f"{ending} after step {state.step}; {pace:.2f} steps/s in this slice, "
        f"{run.waited_s:.0f} s of it without clips",
        flush=True,
    )
    if arguments.pack:
        _pack(run, arguments.pack)
    if arguments.measure:
        with state.average.in_place():
            print(json.dumps(evaluate(state.model.eval(), split.held_out), indent=1))


def export(arguments: argparse.Namespace) -> None:
    """Make a checkpoint of what a slice packed, and measure it if there are data."""
    device = choose_device(arguments.device)
    config = TrainingConfig.read(arguments.config) if arguments.config else RECIPE
    model = _start(config.model, device)
    decoder = attach_decoder(model) if arguments.instances else None
    state = RunState.begin(model, config)
    begun = dict(state.average.values)
    _unpack(state, arguments.pieces)
    state.average.blend(begun, arguments.blend)
    split = _split(arguments)
    with state.average.in_place():
        scores = evaluate(state.model.eval(), split.held_out) if split.held_out else {}
        product = NewModel(arguments.output, arguments.name, arguments.licence, arguments.notes)
        about = {
            "version": arguments.version,
            "blend": arguments.blend,
            "iou_after": scores,
            "steps": state.step,
            "minutes": state.seconds / 60,
        }
        if decoder is not None:
            path = arguments.output.with_stem(f"{arguments.output.stem}_instances")
            write_decoder(
                decoder, model, path, {"steps": str(state.step), "licence": product.licence}
            )
            delattr(model, INSTANCES)
        save_model(model, product, config, split, about)
    n = sum(tensor.numel() for tensor in merged_state(state.model).values())
    print(f"{arguments.output}: {n / 1e6:.2f} M numbers, step {state.step}")
    for key, value in scores.items():
        print(f"{key:20s} {value:.3f}")


def choose_config(arguments: argparse.Namespace, device: torch.device) -> TrainingConfig:
    """Take the recipe, and what the command line changes of it."""
    changes = {
        name: value
        for name in asdict(RECIPE)
        if (value := getattr(arguments, name, None)) is not None
    }
    return replace(RECIPE, half=fast_dtype(device) == torch.bfloat16, **changes)


def _start(name: str, device: torch.device) -> SAM2:
    """Make the network to begin with."""
    if name == SCRATCH:
        torch.manual_seed(0)
        return SAM2(CELLS_NANO).to(device)
    # by its path: a bare machine needs nothing of what looks models up
    path = EMBEDDED if name == "cells_nano" else Path(name)
    return load_sam2(path if path.is_file() else name, device, torch.float32)


def _split(arguments: argparse.Namespace) -> Split:
    movies: list[LabelledMovie] = [m for folder in arguments.data for m in read_dataset(folder)]
    if not movies:
        return Split((), ())
    patterns = arguments.hold_out.split(",")
    are_packed = not any(fnmatch(movie.name, name) for movie in movies for name in patterns)
    if arguments.hold_out == HELD_OUT and are_packed:
        return Split(tuple(movies), ())  # what is held out was left out of the archive
    return hold_out(movies, patterns)


def _print_step(report: StepReport) -> None:
    print(
        f"step {report.step:6d}  {100 * report.progress:5.1f} %  {report.seconds:7.1f} s  "
        f"loss {report.loss:.4f}",
        flush=True,
    )


def _pack(run: Run, folder: Path) -> None:
    """Bring what another machine needs into a folder, in pieces, with log and newest picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for piece in cut_file(pack_state(run.state, run.folder), folder):
        print(piece, flush=True)
    (folder / LOG_FILE).write_bytes((run.folder / LOG_FILE).read_bytes())
    run.config.write(folder / "config.json")
    pictures = sorted((run.folder / "pictures").glob("*.png"))
    if pictures:
        (folder / pictures[-1].name).write_bytes(pictures[-1].read_bytes())


def _unpack(state: RunState, pieces: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pack.safetensors"
        join_file(pieces, path)
        unpack_state(state, path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tools/train_in_slices.py", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    slices = commands.add_parser("train", help="run one slice")
    _add_slice(slices)
    _add_recipe(slices)
    exports = commands.add_parser("export", help="make a checkpoint of a pack")
    exports.add_argument("pieces", type=Path, nargs="+")
    exports.add_argument("-o", "--output", type=Path, required=True)
    exports.add_argument("--config", type=Path, help="the run's config.json")
    exports.add_argument(
        "--blend",
        type=float,
        default=1.0,
        help="share of the way from the weights that the run began with to the new ones",
    )
    exports.add_argument("--name", default="cells_nano")
    exports.add_argument("--version", default="", help="of the model")
    exports.add_argument("--licence", default="BSD-3-Clause")
    exports.add_argument("--notes", default="see ATTRIBUTION.md for the data")
    exports.set_defaults(call=export)
    for command in (slices, exports):
        command.add_argument("--data", type=Path, nargs="*", default=[], help="folders")
        command.add_argument("--hold-out", default=HELD_OUT, help="names, with * and ?")
        command.add_argument("--device", default="auto")
        command.add_argument(
            "--instances", action="store_true", help="train the instance decoder with it"
        )
    return parser


def _add_slice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--slice", type=float, help="minutes, after which to pause")
    parser.add_argument(
        "--elapsed", type=float, default=0.0, help="seconds of the slice that are over already"
    )
    parser.add_argument("--pack", type=Path, help=f"folder for what travels, beside {STATE_FILE}")
    parser.add_argument("--unpack", type=Path, nargs="+", help="pieces to go on from")
    parser.add_argument("--measure", action="store_true", help="on the held-out part, at the end")
    parser.add_argument("--workers", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    parser.set_defaults(call=train)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add what may differ from the recipe."""
    numbers = ("steps", "clips", "images", "objects", "max_clicks", "loss_stride", "warmup", "seed")
    intervals = ("save_every", "log_every", "picture_every")
    for name in (*numbers, *intervals):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    for name in ("minutes", "synthetic", "learning_rate", "average", "encoder_scale"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    parser.add_argument("--frames", type=lambda text: tuple(int(n) for n in text.split(",")))
    parser.add_argument("--from", dest="model", help=f"name, file or {SCRATCH} (cells_nano)")
    parser.add_argument("--by-image-size", dest="by_object_size", action="store_const", const=False)
    parser.add_argument("--compiled", action="store_const", const=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 for wrong use."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.call(arguments)
    except (ValueError, FileNotFoundError) as error:
        print(f"train_in_slices: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
