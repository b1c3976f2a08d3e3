"""`napari-sam2 export`: objects from one file format to others."""

import argparse

from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs
from napari_sam2.cli.options import SEVERAL, add_output, channels, jobs_of
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import (
    FORMATS,
    check_holds,
    export,
    find_format,
    read_tracked,
)

HELP = "write masks and tracks in the formats of other programs"
DESCRIPTION = "Read masks, tracks and divisions, and write them in other formats."

EPILOG = (
    "formats of OUT, by its suffix:\n"
    + "".join(f"  {suffix:<10} {one.name}\n" for suffix, one in FORMATS.items())
    + """
.csv and .parquet are two tables: objects by frame, and <name>_tracks for the tracks. They have
intensities, and .mp4 shows the image, if --movie gives the movie of the masks: one file, or a
folder with one for each input, named like it.

"""
    + SEVERAL
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="a label movie, a Cell Tracking Challenge folder, a .geff, or a session (.jsonl)",
    )
    add_output(parser)
    parser.add_argument("--movie", metavar="M", help="the movie that the masks lie on")
    parser.add_argument("--axes", help="of the movie, for example TYX (default: those of the file)")
    parser.add_argument(
        "--channel",
        metavar="C",
        type=channels,
        help="what .mp4 shows of the movie (default: 0); tables have the intensities of all",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 export`."""
    return run_jobs(jobs_of(arguments, arguments.movie), arguments, convert)


def convert(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Write the objects of one input in other formats; return a line for each."""
    movie = None
    if job.prompts is not None:
        movie = read_movie(job.prompts, arguments.axes, arguments.channel)
    tracked = read_tracked(job.source, movie)
    for output in job.outputs:
        check_holds(output, tracked.axes, tracked.tracks.object_ids)
    n = len(tracked.tracks)
    report.write(f"{job.source}: {n} object{'s' * (n != 1)} in {tracked.n_frames} frames")
    for output in job.outputs:
        output.parent.mkdir(parents=True, exist_ok=True)
        with report.progress("step") as progress:
            export(output, tracked, progress)
    return "\n".join(f"{output}: {find_format(output).name}" for output in job.outputs)
