"""What to do next, in one or two sentences: three lines in a dock 300 pixels wide.

A fourth line would move every button below it, under the hand that is about to press one.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from napari_sam2.layers.viewer.image_geometry import is_read_whole, is_stack
from napari_sam2.widgets.annotator.mask_candidates import N_CANDIDATES
from napari_sam2.widgets.inference.loaded_model import short_name

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator.annotator import Annotator
    from napari_sam2.widgets.objects.review import Review

LOW_EXPECTED = 0.6  # IoU of a mask below which the hint says what helps
REOPEN = "<a href='reopen' style='color: #3f8cff'>reopen the last session</a>"


ABOUT_TABS = {
    "All cells": "<b>Find</b> all objects without a click. Hide those of low confidence, then make "
    "<b>objects</b> of the rest.",
    "Tracks": "Correct <b>tracks</b> and divisions, measure, export and import.",
    "Tune": "<b>Train</b> the model with masks that you have corrected.",
}


@dataclass(frozen=True)
class Situation:
    """What the widget knows when it decides on a hint.

    Parameters
    ----------
    image
        Whether an image is chosen.
    movie
        Whether it has more than one frame.
    unknown_axis
        Length of an axis of which nobody knows whether it is time or depth; empty if there is none.
    drawing
        Whether there is a layer to draw prompts in.
    loading
        The model that is being loaded; empty if none is.
    marked
        Whether the current object has a prompt.
    second_piece
        Whether the last click made a second piece of its object.
    propagating, propagated
        Whether masks are being carried to other frames now, or have been for the
        current object.
    read_whole
        Whether napari has to read large frames as a whole to show them.
    choice
        Which of the masks that a click can mean is taken, from 1, while the others are
        outlined; else 0.
    locked
        Whether nothing changes the current object in the frame that is shown.
    in_depth
        Whether its frames are the planes of a stack.
    recoverable
        Whether something was done on this image before, and can be gone on with.
    expected
        The expected IoU of the mask of the prompt that is shown, from 0; None if it is not known.
    n_objects
        Number of objects that have masks.
    tab
        Title of the tab that is shown.
    """

    image: bool = False
    movie: bool = True
    unknown_axis: str = ""
    drawing: bool = False
    loading: str = ""
    marked: bool = False
    second_piece: bool = False
    propagating: bool = False
    propagated: bool = False
    read_whole: bool = False
    choice: int = 0
    locked: bool = False
    recoverable: bool = False
    expected: float | None = None
    in_depth: bool = False
    n_objects: int = 0
    tab: str = ""


def next_step(now: Situation) -> str:
    """Say what the user can do next."""
    if not now.image:
        return (
            "Open an image: drop a file into the window, or take one from "
            "<b>File > Open Sample</b>."
        )
    if now.propagating:
        return "Propagating. Look around, correct or stop at any time."
    if not now.drawing and now.recoverable:
        return f"You worked on this before: {REOPEN}. Or press <b>Points</b> to start a new one."
    if not now.drawing and now.unknown_axis:
        return (
            f"Are the {now.unknown_axis} images time points or planes? Choose it in the line "
            "below <b>Image</b>. Then press <b>Points</b>."
        )
    if now.tab in ABOUT_TABS:
        return ABOUT_TABS[now.tab]
    return _in_segment(now) if now.drawing else _before_a_prompt(now)


def _in_segment(now: Situation) -> str:
    """Return the next step while there is a layer to draw in."""
    if now.loading:
        return f"Loading {now.loading}. You can click already: no click is lost."
    if now.choice:
        return (
            f"Mask <b>{now.choice} of {N_CANDIDATES}</b> of this click. <b>Tab</b>: the next one."
        )
    if now.second_piece:
        return "That made a second piece. <b>New object? N</b> moves the click to a new one."
    if now.locked:
        return "<b>Locked</b> here: nothing changes this mask. Key U locks and unlocks a frame."
    if not now.marked:
        return "<b>Click inside a cell</b>, or draw a box around it."
    return _after_a_prompt(now)


def _before_a_prompt(now: Situation) -> str:
    """Return the next step in the tab *Segment* before there is a layer to draw in."""
    if now.read_whole:
        return (
            "Press <b>Points</b>. napari reads these frames whole; as .zarr, with the reader "
            "<b>SAM 2</b>, in parts."
        )
    if now.n_objects:
        objects = "1 object" if now.n_objects == 1 else f"{now.n_objects} objects"
        return f"{objects}. To correct one, click its row, or press <b>K</b> over it."
    return "Press <b>Points</b>, then click inside a cell."


def _after_a_prompt(now: Situation) -> str:
    is_low = now.expected is not None and now.expected < LOW_EXPECTED
    if is_low and not now.propagated:
        return (
            f"Expected IoU {now.expected:.2f}: check this mask. A <b>box</b>, more clicks, "
            "another model or <b>Tune</b> may help."
        )
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
    frames = "planes" if now.in_depth else "frames"
    return (
        f"Go through the {frames}. Correct with a click and propagate again, or press "
        "<b>New</b> for the next cell."
    )


def beside_pictures(now: Situation) -> str:
    """Say it in one line, above the pictures of the neighbouring frames."""
    if now.choice:
        return f"Mask <b>{now.choice} of {N_CANDIDATES}</b>. <b>Tab</b>: the next."
    return "Continues like this? <b>Propagate</b>."


@cache
def all_steps() -> frozenset[str]:
    """Give all that can be said, for whoever makes room for it."""
    flag, loading = (False, True), ("", "sam2.1_hiera_base_plus")
    axes, choices, objects = ("", "10000"), (0, N_CANDIDATES), (0, 999)
    values: list[Any] = [flag, flag, axes, flag, loading, *[flag] * 5, choices]
    values += [flag, flag, (None, 0.5), flag, objects]
    steps = (next_step(Situation(*each)) for each in product(*values))
    return frozenset((*steps, *ABOUT_TABS.values()))


def situation_of(
    annotator: "Annotator", review: "Review", unknown_axis: str, tab: str
) -> Situation:
    """Describe the state of an annotator and its masks, with a tab of its dock shown."""
    workspace = annotator.workspace
    if workspace is None:
        return Situation(tab=tab)
    current, frame = workspace.current_object, workspace.shown_frame
    return Situation(
        image=True,
        movie=workspace.geometry.n_frames > 1,
        unknown_axis=unknown_axis,
        in_depth=is_stack(workspace.image, workspace.geometry),
        drawing=workspace.points is not None or workspace.shapes is not None,
        loading=short_name(annotator.network.model[0]) if annotator.network.is_loading else "",
        marked=workspace.is_begun(current),
        second_piece=annotator.work.has_second_piece,
        propagating=annotator.propagation.is_running,
        propagated=workspace.is_propagated(current),
        read_whole=is_read_whole(workspace.image),
        choice=annotator.candidates.choice,
        recoverable=annotator.sessions.recoverable is not None,
        n_objects=len(workspace.masklets.object_ids),
        locked=frame is not None and workspace.is_locked(current, frame),
        expected=review.expected_iou(current, frame),
        tab=tab,
    )
