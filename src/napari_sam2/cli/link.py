"""`napari-sam2 link`: tracks from a label movie without identities."""

import argparse
from functools import cache, partial
from typing import TYPE_CHECKING

from napari_sam2.api.linking import link_labels
from napari_sam2.api.progress import progress_bar
from napari_sam2.cli.jobs import Job, plan_jobs, print_status, run_all, write_output
from napari_sam2.cli.options import add_model, add_output, channels, load_model
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import check_holds, read_tracked

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam2_torch import SAM2

HELP = "track the objects of a label movie that has no identities"
DESCRIPTION = "Give the objects of a label movie identities through time."

EPILOG = """\
The network propagates each frame's objects to the next frame, and the labels there that overlap
best become the same objects; two that replace one are its daughters. Masks are not changed. For
the output of Cellpose, StarDist and similar programs.

Several inputs, or a pattern in quotes: -o is a folder that gets one output for each input, and
--labels a folder with one file for each, named like it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("inputs", metavar="MOVIE", nargs="+", help="the pixels")
    parser.add_argument(
        "--labels", metavar="L", required=True, help="label movie: labels of each frame by itself"
    )
    add_output(parser)
    parser.add_argument("--no-divisions", action="store_true", help="no object becomes two")
    parser.add_argument("--axes", help="of the movie, for example TYX (default: those of the file)")
    parser.add_argument("--channel", metavar="C", type=channels, help="of the movie (default: 0)")
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 link`."""
    jobs = plan_jobs(arguments.inputs, arguments.labels, arguments.output, arguments.overwrite)
    model = cache(lambda: load_model(arguments))
    return run_all(jobs, partial(_run_job, arguments=arguments, model=model))


def _run_job(
    job: Job, which: str, arguments: argparse.Namespace, model: "Callable[[], SAM2]"
) -> None:
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    assert job.prompts is not None, "plan_jobs was given labels"
    labels = read_tracked(job.prompts, movie)
    check_holds(job.output, movie.layout.label_axes, labels.masklets.object_ids)
    print_status(f"{which}{job.source}: {movie}")
    network = model()
    job.output.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        divisions = not arguments.no_divisions
        linked = link_labels(network, movie, labels, divisions=divisions, progress=progress)
    write_output(job, linked)
    n, mothers = len(linked.lineage), len(set(linked.lineage.parents.values()))
    print(
        f"{job.output}: {n} object{'s' * (n != 1)}, {mothers} division{'s' * (mothers != 1)}",
        flush=True,
    )
