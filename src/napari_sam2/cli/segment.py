"""`napari-sam2 segment`."""

import argparse

from napari_sam2.api import prompted
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs
from napari_sam2.cli.track import EPILOG, add_files, prompted_jobs, run_verb

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "add_arguments", "run"]

HELP = "segment prompted objects of single images"
DESCRIPTION = "Segment objects of an image, or of a movie's prompted frames, each on its own."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_files(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 segment`."""
    return run_jobs(prompted_jobs(arguments), arguments, segment)


def segment(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Segment the prompted objects of one input; return the line about its result."""
    return run_verb(job, arguments, report, prompted.segment)
