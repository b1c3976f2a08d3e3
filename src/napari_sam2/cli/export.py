"""`napari-sam2 export`: objects from one form of file into others."""

import argparse
from pathlib import Path

from napari_sam2.cli.errors import DONE
from napari_sam2.cli.jobs import progress_bar, tell
from napari_sam2.cli.options import channels
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import FORMS, export, form_of, read_tracked

_HELP = (
    "forms of OUT, by its suffix:\n"
    + "".join(f"  {suffix:<10} {form.name}\n" for suffix, form in FORMS.items())
    + """
.csv and .parquet are two tables: objects by frame, and <name>_tracks for the tracks. They have
intensities, and .mp4 shows the image, where --movie says what the masks lie on.
"""
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "export",
        help="write masks and tracks in the forms of other programs",
        description="Read masks, tracks and divisions, and write them in other forms.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    parser.add_argument("--axes", help="of the movie, for example TYX (default: what it says)")
    parser.add_argument(
        "--channel",
        metavar="C",
        type=channels,
        help="what .mp4 shows of the movie (default: 0); tables have the intensities of all",
    )
    parser.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 export`."""
    outputs = [Path(output) for output in arguments.output]
    source = Path(arguments.input).resolve()
    for output in outputs:
        form_of(output)
        if output.resolve() == source:
            raise ValueError(f"{output}: expected an output of its own, found the input")
    movie = None
    if arguments.movie is not None:
        movie = read_movie(arguments.movie, arguments.axes, arguments.channel)
    tracked = read_tracked(arguments.input, movie)
    n = len(tracked.tracks)
    tell(f"{arguments.input}: {n} object{'s' * (n != 1)} in {tracked.n_frames} frames")
    for output in outputs:
        with progress_bar("step") as progress:
            export(output, tracked, progress)
        print(f"{output}: {form_of(output).name}", flush=True)
    return DONE
