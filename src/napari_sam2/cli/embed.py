"""`napari-sam2 embed`: image embeddings on disk, before anybody clicks."""

import argparse

from napari_sam2.api import prompted
from napari_sam2.batch.items import find_items
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs
from napari_sam2.cli.options import (
    add_appearance,
    add_model,
    add_store,
    add_workers,
    appearance_of,
    channels,
    frame_range,
    load_model,
    resolved_frames,
    store_of,
)
from napari_sam2.io.read import read_movie

HELP = "compute embeddings of movies ahead of time, so that clicks and runs are faster"
DESCRIPTION = "Write the image embeddings of movies to disk, or delete them."

EPILOG = """\
Embeddings are the image encoder's features of a frame, which take most of the time. They are found
again by the pixels and the model, here, by `napari-sam2 track --embeddings` and in the widget
(Model > More > Keep embeddings on disk). Those that exist are not computed again: stop with Ctrl-C
and continue later. The folder (default: in the user's cache) holds at most 20 GB; what was not used
for the longest time is deleted first.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("inputs", metavar="IN", nargs="*", help="movies, stacks or images")
    add_store(parser)
    parser.add_argument("--clear", action="store_true", help="delete all that is in the folder")
    parser.add_argument("--frames", metavar="A:B", type=frame_range, help="only these")
    parser.add_argument("--axes", help="of the input (default: those of the file)")
    parser.add_argument("--channel", metavar="C", type=channels, help="which (default: 0)")
    add_appearance(parser)
    add_model(parser)
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 embed`."""
    if not arguments.inputs and not arguments.clear:
        raise ValueError("embed: expected a movie, or --clear, found neither")
    arguments.embeddings = arguments.embeddings or ""
    store = store_of(arguments)
    assert store is not None, "the option has been given"
    if arguments.clear:
        print(f"{store.folder}: {store.clear() / 1e6:.0f} MB freed")
    items = [item for text in arguments.inputs for item in find_items(text)]
    jobs = [Job(item.source, None, (), options=item.options) for item in items]
    return run_jobs(jobs, arguments, embed)


def embed(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Write the embeddings of one input; return the line about its result."""
    store = store_of(arguments)
    assert store is not None, "the option has been given"
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    frames = resolved_frames(arguments.frames, movie)
    look = appearance_of(arguments)
    report.write(f"{job.source}: {movie}")
    network = load_model(arguments)
    with report.progress("frame") as progress:
        n = prompted.embed(network, movie, store, frames=frames, progress=progress, appearance=look)
    return f"{job.source}: {n} frame{'s' * (n != 1)} in {store.folder}"
