"""What to do next, in one or two sentences: three lines in a dock 300 pixels wide.

A fourth line would move every button below it, under the hand that is about to press one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Situation:
    """What the widget knows when it decides on a hint.

    Parameters
    ----------
    image
        Whether an image is chosen.
    movie
        Whether it has more than one frame.
    drawing
        Whether there is a layer to draw prompts in.
    loading
        The model that is being loaded; empty if none is.
    marked
        Whether the current object has a prompt.
    propagating, propagated
        Whether masks are being carried to other frames now, or have been for the
        current object.
    read_whole
        Whether napari has to read large frames as a whole to show them.
    """

    image: bool = False
    movie: bool = True
    drawing: bool = False
    loading: str = ""
    marked: bool = False
    propagating: bool = False
    propagated: bool = False
    read_whole: bool = False


def next_step(now: Situation) -> str:
    """Say what the user can do next."""
    if not now.image:
        return (
            "Open an image: drop a file into the window, or take one from "
            "<b>File > Open Sample</b>."
        )
    if not now.drawing and now.read_whole:
        return (
            "Press <b>Points</b>. napari reads these frames whole; as .zarr, with the reader "
            "<b>SAM 2</b>, in parts."
        )
    if not now.drawing:
        return "Press <b>Points</b>, then click inside a cell."
    if now.propagating:
        return "Carrying the masks on. Look around, correct or cancel at any time."
    if now.loading:
        return f"Loading {now.loading}. You can click already: nothing gets lost."
    if not now.marked:
        return "<b>Click inside a cell</b>, or draw a box around it."
    return _after_a_prompt(now)


def _after_a_prompt(now: Situation) -> str:
    if not now.movie:
        return (
            "Right? <b>New</b> object. If not, click <b>positive</b> on what is missing, "
            "<b>negative</b> on what is too much."
        )
    if not now.propagated:
        return (
            "Right? <b>Propagate</b>. If not, click <b>positive</b> on what is missing, "
            "<b>negative</b> on what is too much."
        )
    return (
        "Go through the frames. Correct with a click and propagate again, or press "
        "<b>New</b> for the next cell."
    )
