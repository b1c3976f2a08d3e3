"""`napari-sam2 track`, and what `napari-sam2 segment` shares with it."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_sam2.api import prompted
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs, write_output
from napari_sam2.cli.options import (
    SEVERAL,
    add_appearance,
    add_input,
    add_model,
    add_store,
    appearance_of,
    jobs_of,
    load_model,
    resolved_frames,
    store_of,
)
from napari_sam2.io.label_images import LARGEST_ID
from napari_sam2.io.read import read_movie, read_prompts
from napari_sam2.io.sessions.session_prompts import settings_of
from napari_sam2.io.tracks.formats import check_holds, find_format
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    from sam2_torch import SAM2
    from sam2_torch.sessions.run_estimate import Estimate

HELP = "track prompted objects through movies or stacks"
DESCRIPTION = "Track objects through a movie or stack from prompts on any frame."

EPILOG = (
    """\
prompts: a CSV file with the header
  object,frame,kind,y,x,label,y1,x1
  1,0,point,120,85,1,,              label 1: inside, 0: outside
  2,4,box,40,60,,75,102             corners y, x and y1, x1
in pixels (the centre of the first one is 0, 0), frames counted from 0 (a movie of stacks needs
a column z, too, for the plane); or a label image, of
which each label on a frame is the mask of an object; or a session of the plugin (.jsonl), whose
prompts are replayed on this movie, with its network and appearance; each option that is
given replaces that of the session.

--prompts is one file for all inputs, or a folder with one file for each, named like it.

"""
    + SEVERAL
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_files(parser)
    parser.add_argument(
        "--direction",
        choices=("forward", "backward", "both"),
        default="both",
        help="direction of propagation from each object's own prompted frames (default: both)",
    )
    add_store(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for inputs, prompts, outputs and the network."""
    add_input(parser)
    parser.add_argument("--prompts", metavar="P", help="see below")
    add_appearance(parser)
    group = parser.add_argument_group("masks of prompted frames")
    group.add_argument(
        "--plain", action="store_true", help="the network's masks as they are, as SAM 2 gives them"
    )
    group.add_argument(
        "--flips",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="average over mirrored frames, which are encoded four times then (default: on GPUs)",
    )
    add_model(parser)
    parser.set_defaults(model=None, precision=None)  # a session's, or the usual


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 track`."""
    store_of(arguments)  # a wrong one is found before any work
    return run_jobs(prompted_jobs(arguments), arguments, track)


def prompted_jobs(arguments: argparse.Namespace) -> list[Job]:
    """Plan the jobs of a command that needs prompts for each input."""
    jobs = jobs_of(arguments, arguments.prompts)
    for job in jobs:
        if job.prompts is None:
            raise ValueError(
                f"{job.source}: expected prompts, in --prompts or in the job table, found none"
            )
    return jobs


def track(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Track the prompted objects of one input; return the line about its result."""
    verb = partial(
        prompted.track,
        direction=arguments.direction,
        announce=partial(_announce, report),
        embeddings=store_of(arguments),
    )
    return run_verb(job, arguments, report, verb)


def run_verb(
    job: Job, arguments: argparse.Namespace, report: Report, verb: Callable[..., Masklets]
) -> str:
    """Run a function of the API that takes prompts on one input; return the line about it."""
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    assert job.prompts is not None, "prompted_jobs checks it"
    prompts = read_prompts(job.prompts, movie)
    for output in job.outputs:
        few_ids = find_format(output).largest_id < LARGEST_ID
        ids = (each.object_id for each in prompts) if few_ids else ()
        check_holds(output, movie.layout.label_axes, ids)
    frames = resolved_frames(arguments.frames, movie)
    settings = settings_of(job.prompts)
    # channels are those of a layer; here --channel selects them
    look = appearance_of(arguments, replace(Appearance(**settings.appearance), channels=None))
    report.write(f"{job.source}: {movie}")
    network = _load_named(arguments, settings.model, settings.precision)
    with report.progress("frame") as progress:
        masklets = verb(
            network,
            movie,
            prompts,
            frames=frames,
            progress=progress,
            appearance=look,
            plain=arguments.plain,
            flips=arguments.flips,
        )
    write_output(job, Tracked.of(movie, masklets), report)
    n = len(masklets.object_ids)
    return f"{job.named_outputs}: {n} object{'s' * (n != 1)} in {movie.n_frames} frames"


def _announce(report: Report, estimate: "Estimate") -> None:
    """Report the estimate of a run."""
    report.write(str(estimate))
    if estimate.seconds is None:
        report.write("(for an estimate of the time run `napari-sam2 models speed MODEL` once)")


def _load_named(arguments: argparse.Namespace, name: str, precision: str) -> "SAM2":
    """Load the network that the options name, or else the one that a session was made with."""
    chosen = argparse.Namespace(**vars(arguments))
    # "auto" is bfloat16 wherever that is no slower, but never in place of a session's float32
    is_exact = chosen.model is None and precision == "float32"
    chosen.precision = chosen.precision or ("float32" if is_exact else "auto")
    chosen.model = chosen.model or name or "cells_nano"
    return load_model(chosen)
