"""`napari-sam2 compare`: several models on the same prompts."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.api.comparison import compare_models
from napari_sam2.api.progress import progress_bar
from napari_sam2.cli.errors import DONE
from napari_sam2.cli.jobs import print_status
from napari_sam2.cli.options import (
    add_appearance,
    add_overwrite,
    add_place,
    appearance_of,
    channels,
    load_model,
)
from napari_sam2.io.outputs import check_outputs
from napari_sam2.io.read import read_movie, read_prompts
from napari_sam2.io.tracks.outline_pictures import write_picture
from napari_sam2.tracks.pictures import draw_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sam2_torch import SAM2

HELP = "compare models on the same prompts"
DESCRIPTION = (
    "Segment the prompted objects with each model, and print time and, with --labels, accuracy. "
    "The picture shows the first prompted frame as each model segments it."
)
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("movie", metavar="IN", help="an image or movie")
    parser.add_argument("--prompts", metavar="P", required=True, help="as for track")
    parser.add_argument("--labels", metavar="L", help="correct masks: labels, or a session")
    parser.add_argument("-o", "--output", metavar="FILE.png", type=Path, help="a picture")
    add_overwrite(parser)
    parser.add_argument("--axes", help="of IN, for example TYX or ZYX")
    parser.add_argument("--channel", metavar="C", type=channels, help="of IN (default: 0)")
    add_appearance(parser)
    parser.add_argument(
        "--models",
        metavar="NAME",
        nargs="+",
        help="names or checkpoint files (default: all models on this machine)",
    )
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 compare`."""
    read = [Path(path) for path in (arguments.movie, arguments.prompts, arguments.labels) if path]
    if arguments.output is not None:
        if arguments.output.suffix.lower() != ".png":
            raise ValueError(f"-o: expected a file that ends in .png, found {arguments.output}")
        check_outputs([arguments.output], read, arguments.overwrite)
    movie = read_movie(arguments.movie, arguments.axes, arguments.channel)
    prompts = list(read_prompts(arguments.prompts, movie))
    correct = list(read_prompts(arguments.labels, movie)) if arguments.labels else []
    print_status(f"{arguments.movie}: {movie}")
    look = appearance_of(arguments)
    with progress_bar() as progress:
        models = _loaded(arguments)
        results = compare_models(
            models, movie, prompts, correct, appearance=look, progress=progress
        )
        found = list(results)
    width = max(len("model"), *(len(each.name) for each in found))
    print(f"{'model':{width}}  {'s per frame':>11}  {'objects':>7}" + "  mean IoU" * bool(correct))
    for each in found:
        accuracy = "" if each.iou is None else f"  {each.iou:8.3f}"
        n = len(each.tracked.masklets.object_ids)
        print(f"{each.name:{width}}  {each.seconds:11.2f}  {n:7}{accuracy}")
    if arguments.output is not None:
        frame = min(each.frame for each in prompts)
        titled = [(each.name, each.tracked) for each in found]
        write_picture(arguments.output, draw_beside(titled, frame))
        print(arguments.output)
    return DONE


def _loaded(arguments: argparse.Namespace) -> "Iterator[tuple[str, SAM2]]":
    """Load the named models, or all that are on this machine, one after the other."""
    from sam2_torch.models.model_list import list_models

    here = (model.entry.name for model in list_models().models if model.path is not None)
    for name in arguments.models or here:
        yield name, load_model(argparse.Namespace(**{**vars(arguments), "model": name}))
