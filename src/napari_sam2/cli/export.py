"""`napari-sam2 export`: objects from one file format to others."""

import argparse
from pathlib import Path

from napari_sam2.api.progress import progress_bar
from napari_sam2.cli.errors import DONE
from napari_sam2.cli.jobs import checked_file, print_status
from napari_sam2.cli.options import add_overwrite, channels
from napari_sam2.io.outputs import check_outputs
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
intensities, and .mp4 shows the image, if --movie gives the movie of the masks.
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "input",
        metavar="IN",
        help="a label movie, a Cell Tracking Challenge folder, a .geff, or a session (.jsonl)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        action="append",
        required=True,
        help="see below; may be given several times",
    )
    parser.add_argument("--movie", metavar="M", help="the movie that the masks lie on")
    parser.add_argument("--axes", help="of the movie, for example TYX (default: those of the file)")
    parser.add_argument(
        "--channel",
        metavar="C",
        type=channels,
        help="what .mp4 shows of the movie (default: 0); tables have the intensities of all",
    )
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 export`."""
    outputs = [checked_file(Path(output)) for output in arguments.output]
    written = [file for output in outputs for file in find_format(output).files(output)]
    read = [Path(path) for path in (arguments.input, arguments.movie) if path is not None]
    check_outputs(written, read, arguments.overwrite)
    movie = None
    if arguments.movie is not None:
        movie = read_movie(arguments.movie, arguments.axes, arguments.channel)
    tracked = read_tracked(arguments.input, movie)
    for output in outputs:
        check_holds(output, tracked.axes, tracked.tracks.object_ids)
    n = len(tracked.tracks)
    print_status(f"{arguments.input}: {n} object{'s' * (n != 1)} in {tracked.n_frames} frames")
    for output in outputs:
        with progress_bar("step") as progress:
            export(output, tracked, progress)
        print(f"{output}: {find_format(output).name}", flush=True)
    return DONE
