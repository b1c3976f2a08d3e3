"""`napari-sam2 track` and `napari-sam2 segment`."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from napari_sam2.api import prompted
from napari_sam2.cli.appearance import add_appearance, appearance_of
from napari_sam2.cli.embedding_folder import add_store, store_of
from napari_sam2.cli.errors import DONE, EXPECTED, report
from napari_sam2.cli.jobs import Job, plan_jobs
from napari_sam2.cli.models import download_bar
from napari_sam2.io.read import read_movie, read_prompts
from napari_sam2.io.sessions.session_prompts import settings_of
from napari_sam2.io.tracks.formats import FORMS, export
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    import torch

    from sam2_torch import SAM2
    from sam2_torch.sessions.run_estimate import Estimate

_PROMPTS_HELP = """\
prompts: a CSV file with the header
  object,frame,kind,y,x,label,y1,x1
  1,0,point,120,85,1,,              label 1: inside, 0: outside
  2,4,box,40,60,,75,102             corners y, x and y1, x1
in pixels (the centre of the first one is 0, 0), frames counted from 0 (a movie of stacks needs
a column z, too, for the plane); or a label image, of
which each label on a frame is the mask of an object; or a session of the plugin (.jsonl), whose
prompts are replayed on this movie, with its network and as it was seen there; each option that is
given holds in place of what the session says.

Several inputs, or a pattern in quotes: -o is a folder that gets one output for each input, named
like it. --prompts is then one file for all, or a folder with one file for each, named like it.
Outputs that are there already are skipped.
"""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser."""
    track = commands.add_parser(
        "track",
        help="follow prompted objects through movies or stacks",
        description="Follow objects through a movie or stack from prompts on any frame.",
        epilog=_PROMPTS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(track)
    track.add_argument(
        "--direction",
        choices=("forward", "backward", "both"),
        default="both",
        help="which way from each object's own prompted frames (default: both)",
    )
    add_store(track)
    track.set_defaults(run=run_track)
    segment = commands.add_parser(
        "segment",
        help="segment prompted objects of single images",
        description="Segment objects of an image, or of a movie's prompted frames, each on its "
        "own.",
        epilog=_PROMPTS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(segment)
    segment.set_defaults(run=run_segment)


def _add_files(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument("--prompts", metavar="P", required=True, help="see below")
    add_appearance(parser)
    add_model(parser)
    parser.set_defaults(model=None, precision=None)  # a session's, or the usual


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is read, which part of it, and what is written."""
    parser.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="TIFF, Zarr, OME-Zarr, NPY, PNG, JPEG, video, or a folder of images",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help=f"{', '.join(FORMS)}, or a folder"
    )
    parser.add_argument(
        "--frames", metavar="A:B", type=frame_range, help="from frame A up to, without, frame B"
    )
    parser.add_argument(
        "--axes", help="of the input, for example TYX, ZYX or TZCYX (default: what the file says)"
    )
    parser.add_argument(
        "--channel",
        metavar="C",
        type=channels,
        help="which channel (default: 0), or two or three to be red, green and blue: 2,0,1",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what computes, and where."""
    parser.add_argument(
        "--model", default="cells_nano", help="name or checkpoint file (default: cells_nano)"
    )
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

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    first, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return int(first or 0), int(stop) if stop else None
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected A:B, for example 0:10 or 5:, found {text!r}"
        ) from None


def channels(text: str) -> Channel:
    """Read one channel, or several with commas between them.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a channel, or two or three with commas, for example 2,0,1; found {text!r}"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def run_track(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 track`."""
    verb = partial(
        prompted.track,
        direction=arguments.direction,
        announce=_announce,
        embeddings=store_of(arguments),
    )
    return _run(arguments, verb)


def run_segment(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 segment`."""
    return _run(arguments, prompted.segment)


def _run(arguments: argparse.Namespace, verb: Callable[..., Masklets]) -> int:
    jobs = plan_jobs(arguments.inputs, arguments.prompts, arguments.output)
    model = lru_cache(maxsize=1)(partial(_load_named, arguments))
    return run_all(jobs, partial(_run_job, arguments=arguments, verb=verb, model=model))


def run_all(jobs: Sequence[Job], run: Callable[[Job, str], None]) -> int:
    """Do all jobs; where there are several, one that fails does not stop the others.

    Parameters
    ----------
    jobs
        Finished ones are left out.
    run
        Gets a job and what to call it, "[2/3] ", where there are several.

    Returns
    -------
    The exit code.
    """
    code = DONE
    for number, job in enumerate(jobs, start=1):
        which = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        if job.finished:
            tell(f"{which}{job.output} is there already: skipped (delete it to make it anew)")
            continue
        try:
            run(job, which)
        except EXPECTED as error:
            if len(jobs) == 1:
                raise
            code = code or report(error, about=str(job.source))
    return code


def _run_job(
    job: Job,
    which: str,
    arguments: argparse.Namespace,
    verb: Callable[..., Masklets],
    model: "Callable[[str, str], SAM2]",
) -> None:
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    assert job.prompts is not None, "these commands need prompts"
    prompts = read_prompts(job.prompts, movie)
    frames = resolved_frames(arguments.frames, movie)
    settings = settings_of(job.prompts)
    # channels are those of a layer; here --channel says which ones are read
    look = appearance_of(arguments, replace(Appearance(**settings.appearance), channels=None))
    tell(f"{which}{job.source}: {movie}")
    network = model(settings.model, settings.precision)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        masklets = verb(network, movie, prompts, frames=frames, progress=progress, appearance=look)
    export(job.output, Tracked.of(movie, masklets))
    n = len(masklets.object_ids)
    print(f"{job.output}: {n} object{'s' * (n != 1)} in {movie.n_frames} frames", flush=True)


def _announce(estimate: "Estimate") -> None:
    """Say what is to come."""
    tell(str(estimate))
    if estimate.seconds is None:
        tell("(how long, is told once `napari-sam2 models speed MODEL` has measured it)")


def resolved_frames(frames: tuple[int, int | None] | None, movie: Movie) -> tuple[int, int] | None:
    """Resolve `--frames A:B`; None for all."""
    if frames is None:
        return None
    first, stop = frames
    return first, movie.n_frames // movie.n_planes if stop is None else stop


def _load_named(arguments: argparse.Namespace, name: str, precision: str) -> "SAM2":
    """Load the network that the options name, or else the one that a session was made with."""
    chosen = argparse.Namespace(**vars(arguments))
    # "auto" is bfloat16 wherever that is no slower, but never in place of a session's float32
    is_exact = chosen.model is None and precision == "float32"
    chosen.precision = chosen.precision or ("float32" if is_exact else "auto")
    chosen.model = chosen.model or name or "cells_nano"
    return load_model(chosen)


def load_model(arguments: argparse.Namespace) -> "SAM2":
    """Load the network that the options name."""
    from sam2_torch import load_sam2

    with download_bar(arguments.model) as progress:
        model = load_sam2(
            arguments.model,
            arguments.device,
            chosen_dtype(arguments.precision),
            local_only=arguments.local_only,
            progress=progress,
        )
    precision = str(model.dtype).removeprefix("torch.")
    tell(f"model {arguments.model} on {model.device} in {precision}")
    return model


def chosen_dtype(precision: str) -> "torch.dtype | Literal['fast']":
    """Resolve `--precision`."""
    import torch

    if precision == "auto":
        return "fast"
    return torch.float32 if precision == "float32" else torch.bfloat16


def tell(text: str) -> None:
    """Say on stderr what is going on: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress_bar(unit: str = "frame") -> Iterator[prompted.Progress]:
    """Show a bar on stderr while frames, or what else there is, are done."""
    with tqdm(unit=unit, file=sys.stderr, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
