"""The options that say what the network sees of a movie."""

import argparse
from typing import cast

from napari_sam2.appearance import Appearance, Resolution


def add_appearance(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    group = parser.add_argument_group("what the network sees")
    group.add_argument(
        "--contrast",
        metavar="LOW:HIGH",
        type=contrast,
        help="intensities that become black and white (default: percentiles of a few frames)",
    )
    group.add_argument(
        "--contrast-per-frame",
        action="store_true",
        help="percentiles of each frame: for movies that bleach or flicker",
    )
    group.add_argument(
        "--gamma", type=float, default=1.0, help="below 1 brightens what is dark (default: 1)"
    )
    group.add_argument(
        "--resolution",
        metavar="R",
        type=resolution,
        default="auto",
        help="whole: each frame squeezed into the network's input; a number: windows around the "
        "objects, with so many pixels of the input for one of the image; auto: whole up to 2048 "
        "rows or columns, else 1 (default: auto)",
    )


def appearance_of(arguments: argparse.Namespace) -> Appearance:
    """Gather the options.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """
    return Appearance(
        arguments.contrast,
        arguments.gamma,
        arguments.contrast_per_frame,
        arguments.resolution,
    )


def contrast(text: str) -> tuple[float, float]:
    """Read LOW:HIGH.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    low, _, high = text.partition(":")
    try:
        numbers = float(low), float(high)
    except ValueError:
        numbers = (1.0, 0.0)
    if not numbers[0] < numbers[1]:
        raise argparse.ArgumentTypeError(
            f"expected LOW:HIGH with LOW below HIGH, for example 100:4000, found {text!r}"
        )
    return numbers


def resolution(text: str) -> Resolution:
    """Read a number, auto or whole.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if text in ("auto", "whole"):
        return cast("Resolution", text)
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected auto, whole or a number, found {text!r}"
        ) from None
    return number
