"""The options that say what the network sees of a movie."""

import argparse
from dataclasses import replace
from typing import Any, cast

from napari_sam2.movies.appearance import USUAL, Appearance, Resolution

AUTO = "auto"


def add_appearance(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser; one that is not given is None."""
    group = parser.add_argument_group("what the network sees")
    group.add_argument(
        "--contrast",
        metavar="LOW:HIGH",
        type=contrast,
        help="intensities that become black and white; auto: percentiles of a few frames "
        "(default: auto)",
    )
    group.add_argument(
        "--contrast-per-frame",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="percentiles of each frame: for movies that bleach or flicker",
    )
    group.add_argument("--gamma", type=float, help="below 1 brightens what is dark (default: 1)")
    group.add_argument(
        "--resolution",
        metavar="R",
        type=resolution,
        help="whole: each frame squeezed into the network's input; a number: windows around the "
        "objects, with so many pixels of the input for one of the image; auto: whole up to 2048 "
        "rows or columns, else 1 (default: auto)",
    )


def appearance_of(arguments: argparse.Namespace, usual: Appearance = USUAL) -> Appearance:
    """Gather the options.

    Parameters
    ----------
    arguments
        Of the command line.
    usual
        What holds for the options that are not given: that of a session, say.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """
    given: dict[str, Any] = {
        "contrast": arguments.contrast,
        "gamma": arguments.gamma,
        "per_frame": arguments.contrast_per_frame,
        "resolution": arguments.resolution,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if "contrast" in chosen:  # it takes the place of what each frame is stretched by
        chosen = {"per_frame": False} | chosen
    if chosen.get("contrast") == AUTO:
        chosen["contrast"] = None
    return replace(usual, **chosen)


def contrast(text: str) -> tuple[float, float] | str:
    """Read LOW:HIGH, or auto.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if text == AUTO:
        return text
    low, _, high = text.partition(":")
    try:
        numbers = float(low), float(high)
    except ValueError:
        numbers = (1.0, 0.0)
    if not numbers[0] < numbers[1]:
        raise argparse.ArgumentTypeError(
            f"expected LOW:HIGH with LOW below HIGH, for example 100:4000, or auto, found {text!r}"
        )
    return numbers


def resolution(text: str) -> Resolution:
    """Read a number, auto or whole.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    if text in (AUTO, "whole"):
        return cast("Resolution", text)
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected auto, whole or a number, found {text!r}"
        ) from None
    return number
