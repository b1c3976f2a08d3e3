"""`napari-sam2 link`: tracks from a label movie without identities."""

import argparse

from napari_sam2.api.linking import link_labels
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs, write_output
from napari_sam2.cli.options import SEVERAL, add_model, add_output, channels, jobs_of, load_model
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import check_holds, read_tracked

HELP = "track the objects of a label movie that has no identities"
DESCRIPTION = "Give the objects of a label movie identities through time."

EPILOG = (
    """\
The network propagates each frame's objects to the next frame, and the labels there that overlap
best become the same objects; two that replace one are its daughters. Masks are not changed. For
the output of Cellpose, StarDist and similar programs.

--labels is a folder with one file for each input, named like it, where there are several.

"""
    + SEVERAL
)


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
    return run_jobs(jobs_of(arguments, arguments.labels), arguments, link)


def link(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Link the labels of one movie; return the line about its result."""
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    assert job.prompts is not None, "plan_jobs was given labels"
    labels = read_tracked(job.prompts, movie)
    for output in job.outputs:
        check_holds(output, movie.layout.label_axes, labels.masklets.object_ids)
    report.write(f"{job.source}: {movie}")
    network = load_model(arguments)
    with report.progress("frame") as progress:
        divisions = not arguments.no_divisions
        linked = link_labels(network, movie, labels, divisions=divisions, progress=progress)
    write_output(job, linked, report)
    n, mothers = len(linked.lineage), len(set(linked.lineage.parents.values()))
    return (
        f"{job.named_outputs}: {n} object{'s' * (n != 1)}, {mothers} division{'s' * (mothers != 1)}"
    )
