"""`napari-sam2 segment`."""

import argparse

from napari_sam2.api import prompted
from napari_sam2.cli.track import EPILOG, add_files, run_verb

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "add_arguments", "run"]

HELP = "segment prompted objects of single images"
DESCRIPTION = "Segment objects of an image, or of a movie's prompted frames, each on its own."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_files(parser)
    parser.set_defaults(single_images=True)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 segment`."""
    return run_verb(arguments, prompted.segment)
