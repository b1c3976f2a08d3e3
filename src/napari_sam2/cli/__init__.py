"""The command line: `napari-sam2 track | segment | auto | link | train | export | models | …`.

A module for each command, however many there are.
"""

import argparse
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from napari_sam2 import __version__
from napari_sam2.batch.outcomes import EXPECTED
from napari_sam2.cli.errors import FAILED, report


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong use or input.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process by default.

    Raises
    ------
    SystemExit
        From argparse: after `--help` and `--version`, and with code 2 where an argument is
        wrong.
    """
    try:
        with interrupted_by_signals():
            return _run(argv)
    except KeyboardInterrupt:
        print("\nnapari-sam2: stopped; nothing is left half-written", file=sys.stderr)
        return FAILED


def _run(argv: Sequence[str] | None) -> int:
    # imports take a second, in which Ctrl-C is no traceback, either
    from napari_sam2.io.images.tiff import silence_tifffile

    arguments = _parser().parse_args(argv)
    silence_tifffile()
    try:
        return int(arguments.run(arguments))
    except EXPECTED as error:
        if arguments.traceback:
            traceback.print_exc()
        return report(error)


def _parser() -> argparse.ArgumentParser:
    from napari_sam2.cli import (
        auto,
        compare,
        demo,
        doctor,
        embed,
        export,
        link,
        models,
        segment,
        track,
        train,
    )

    parser = argparse.ArgumentParser(
        prog="napari-sam2",
        description="Segment objects in microscopy images and track them through movies "
        "and stacks with SAM 2.",
        epilog="Exit codes: 0 done, 2 wrong use or unreadable input, 1 failed.",
    )
    parser.add_argument("--version", action="version", version=f"napari-sam2 {__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="after an error, print where it came from"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (track, segment, auto, link, train, embed, export, compare, models, demo, doctor):
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter
            if module.EPILOG
            else argparse.HelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")
"""Of the system that shuts down or a scheduler, of a terminal that closes, of Windows."""


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt where a signal would end the process without a word.

    Signals that are ignored, as by `nohup`, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # the first one is obeyed; files are being removed
    raise KeyboardInterrupt
