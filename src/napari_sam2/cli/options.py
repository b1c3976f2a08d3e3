"""Options that several commands share, and their values."""

import argparse
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from napari_sam2.batch.items import parse_channel
from napari_sam2.batch.jobs import Job, plan_jobs
from napari_sam2.cli.jobs import print_status
from napari_sam2.cli.models import download_bar
from napari_sam2.io.tracks.formats import FORMATS
from napari_sam2.movies.appearance import USUAL, Appearance, Resolution
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Movie

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from sam2_torch import SAM2, EmbeddingStore

AUTO = "auto"
SEVERAL = """\
Several inputs, a pattern in quotes, a plate, a store with several positions, or a job table (a
.csv with the columns input, and where wanted prompts, channel, model, outputs): -o is a folder that
gets an output for each input, named like it, and a log of each in its folder logs. Outputs that are
there already are skipped, so the same command goes on after a stop.
"""
_Number = TypeVar("_Number", int, float)


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the options for inputs, the part of them that is read, and outputs."""
    parser.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="TIFF, Zarr, OME-Zarr, NPY, PNG, JPEG, video, or a folder of images",
    )
    add_output(parser)
    parser.add_argument(
        "--frames", metavar="A:B", type=frame_range, help="frames A to B, without B"
    )
    parser.add_argument(
        "--axes", help="of the input, for example TYX, ZYX or TZCYX (default: those of the file)"
    )
    parser.add_argument(
        "--channel",
        metavar="C",
        type=channels,
        help="channel (default: 0), or two or three that become red, green and blue: 2,0,1",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is written, and for several inputs at once."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        action="append",
        default=[],
        help=f"{', '.join(FORMATS)}, a folder, or a path with {{name}} for the name of each "
        "input; may be given several times",
    )
    parser.add_argument(
        "--formats",
        metavar="F",
        type=lambda text: text.split(","),
        default=(),
        help="formats of the outputs in the folder, for example csv,geff,ome.zarr (default: tif)",
    )
    add_overwrite(parser)
    add_workers(parser)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the options for where several inputs are worked on."""
    group = parser.add_argument_group(
        "several inputs at once", "needs: pip install napari-sam2[cluster]"
    )
    group.add_argument(
        "--workers",
        metavar="N",
        type=positive,
        help="processes on this machine; they share its GPUs and cores (default: 1)",
    )
    place = group.add_mutually_exclusive_group()
    place.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler: tcp://host:8786"
    )
    place.add_argument(
        "--cluster",
        metavar="FILE",
        type=Path,
        help="start workers on a cluster (SLURM, LSF, PBS, SGE, …) with the settings of a YAML "
        "file",
    )


def positive(text: str) -> int:
    """Read a number from 1.

    Parameters
    ----------
    text
        A whole number.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a number from 1, found {text!r}")
    return int(text)


def jobs_of(
    arguments: argparse.Namespace,
    prompts: str | None = None,
    beside: "Callable[[Path], Sequence[Path]]" = lambda _: (),
) -> list[Job]:
    """Plan the jobs of a command.

    Parameters
    ----------
    arguments
        Of the command line.
    prompts, beside
        As for `plan_jobs`.
    """
    _load.cache_clear()  # of another command in this process
    return plan_jobs(
        arguments.inputs,
        prompts,
        arguments.output,
        arguments.overwrite,
        beside,
        arguments.formats,
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option that allows to replace files of others."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that napari-sam2 did not write, and make finished outputs again; "
        "inputs, folders and Zarr stores of others are never replaced",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and the device."""
    parser.add_argument(
        "--model", default="cells_nano", help="name or checkpoint file (default: cells_nano)"
    )
    add_place(parser)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options for device, precision and network access."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: what the device is fastest in; float32 is the same everywhere (default: auto)",
    )
    parser.add_argument(
        "--local-only", action="store_true", help="fail rather than download the model"
    )


def frame_range(text: str) -> tuple[int, int | None]:
    """Read A:B; either may be left out.

    Parameters
    ----------
    text
        For example 0:10, 5: or :10.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    first, stop = read_range(text, int, "0:10 or 5:")
    return first or 0, stop


def read_range(
    text: str, kind: type[_Number], example: str
) -> tuple[_Number | None, _Number | None]:
    """Read A:B as two numbers, None for one that is left out.

    Parameters
    ----------
    text, kind
        The range, and the type of its numbers.
    example
        For the message.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    first, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return kind(first) if first else None, kind(stop) if stop else None
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected A:B, for example {example}, found {text!r}"
        ) from None


def channels(text: str) -> Channel:
    """Read one channel, or several with commas between them.

    Parameters
    ----------
    text
        For example 1, or 2,0,1.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    try:
        return parse_channel(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def resolved_frames(frames: tuple[int, int | None] | None, movie: Movie) -> tuple[int, int] | None:
    """Resolve `--frames A:B`; None for all.

    Parameters
    ----------
    frames
        First frame, and the one to stop before (None for the end).
    movie
        Its time points are counted.
    """
    if frames is None:
        return None
    first, stop = frames
    return first, movie.n_frames // movie.n_planes if stop is None else stop


def load_model(arguments: argparse.Namespace) -> "SAM2":
    """Load the network that the options name.

    Parameters
    ----------
    arguments
        Of the command line.
    """
    names = ("model", "device", "precision", "local_only")
    return _load(*(getattr(arguments, name) for name in names))


@lru_cache(maxsize=1)  # for all jobs of a process
def _load(model: str, device: str, precision: str, local_only: bool) -> "SAM2":
    from sam2_torch.checkpoints import loading

    with download_bar(model) as progress:
        loaded = loading.load_model(
            model, device, chosen_dtype(precision), local_only=local_only, progress=progress
        )
    precision = str(loaded.dtype).removeprefix("torch.")
    print_status(f"model {model} on {loaded.device} in {precision}")
    return cast("SAM2", loaded)  # all that is called here, SAM 1 has, too


def chosen_dtype(precision: str) -> "torch.dtype | Literal['fast']":
    """Resolve `--precision`."""
    import torch

    if precision == "auto":
        return "fast"
    return torch.float32 if precision == "float32" else torch.bfloat16


def add_appearance(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser; one that is not given is None."""
    group = parser.add_argument_group("what the network sees")
    group.add_argument(
        "--contrast",
        metavar="LOW:HIGH",
        type=contrast,
        help="intensities that become black and white; auto: percentiles of a few frames "
        "(default: auto)",
    )
    group.add_argument(
        "--contrast-per-frame",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="percentiles of each frame: for movies that bleach or flicker",
    )
    group.add_argument("--gamma", type=float, help="below 1 brightens what is dark (default: 1)")
    group.add_argument(
        "--resolution",
        metavar="R",
        type=resolution,
        help="whole: each frame squeezed into the network's input; a number: windows around the "
        "objects, with so many pixels of the input for one of the image; auto: whole up to 2048 "
        "rows or columns, else 1 (default: auto)",
    )


def appearance_of(arguments: argparse.Namespace, usual: Appearance = USUAL) -> Appearance:
    """Return the appearance that the options describe.

    Parameters
    ----------
    arguments
        Of the command line.
    usual
        Values of the options that are not given: those of a session, for example.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """
    given: dict[str, Any] = {
        "contrast": arguments.contrast,
        "gamma": arguments.gamma,
        "per_frame": arguments.contrast_per_frame,
        "resolution": arguments.resolution,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if "contrast" in chosen:  # it takes the place of what each frame is stretched by
        chosen = {"per_frame": False} | chosen
    if chosen.get("contrast") == AUTO:
        chosen["contrast"] = None
    return replace(usual, **chosen)


def contrast(text: str) -> tuple[float, float] | str:
    """Read LOW:HIGH, or auto.

    Parameters
    ----------
    text
        For example 100:4000.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if text == AUTO:
        return text
    low, _, high = text.partition(":")
    try:
        numbers = float(low), float(high)
    except ValueError:
        numbers = (1.0, 0.0)
    if not numbers[0] < numbers[1]:
        raise argparse.ArgumentTypeError(
            f"expected LOW:HIGH with LOW below HIGH, for example 100:4000, or auto, found {text!r}"
        )
    return numbers


def resolution(text: str) -> Resolution:
    """Read a number, auto or whole.

    Parameters
    ----------
    text
        auto, whole, or a number of pixels.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if text in (AUTO, "whole"):
        return cast("Resolution", text)
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected auto, whole or a number, found {text!r}"
        ) from None
    return number


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of embeddings."""
    parser.add_argument(
        "--embeddings",
        metavar="FOLDER",
        nargs="?",
        const="",
        help="keep what the network makes of each frame on disk, for the next time; in the "
        "user's cache if no folder is given",
    )


def store_of(arguments: argparse.Namespace) -> "EmbeddingStore | None":
    """Open the folder that the option names; None if it was not given.

    Raises
    ------
    NotADirectoryError
        If it is a file.
    """
    from sam2_torch import EmbeddingStore

    if arguments.embeddings is None:
        return None
    folder = Path(arguments.embeddings) if arguments.embeddings else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder for embeddings, found a file")
    return EmbeddingStore(folder)
