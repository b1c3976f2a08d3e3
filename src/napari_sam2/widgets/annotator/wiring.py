"""Which part of the Annotator hears of what."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator.annotator import Annotator


def connect_parts(annotator: "Annotator") -> None:
    """Connect the parts with each other, and what they say with what the Annotator says."""
    network, propagation, sessions = annotator.network, annotator.propagation, annotator.sessions
    steps, conversation, pen = annotator.steps, annotator.conversation, annotator.pen
    network.changed.connect(steps.note_settings)  # first: then they are saved
    for part in (conversation, annotator.alternatives, steps, propagation, pen, sessions):
        part.noticed.connect(annotator.noticed)
    for each in (network, conversation, steps, propagation, pen, sessions):
        each.changed.connect(annotator.changed)
    for one in (network, propagation, sessions):
        one.failed.connect(annotator.failed)
    annotator.worker.failed.connect(annotator.fail)
    propagation.progressed.connect(annotator.progressed)
    propagation.ended.connect(annotator.ended)
    _save_later(annotator)
    _look_around(annotator)


def _save_later(annotator: "Annotator") -> None:
    """Save after whatever is recorded."""
    annotator.propagation.recorded.connect(annotator.sessions.later)
    annotator.changed.connect(annotator.sessions.later)


def _look_around(annotator: "Annotator") -> None:
    """Show how an object would go on after each answer, until something else is done."""
    neighbours = annotator.neighbours
    annotator.conversation.answered.connect(neighbours.look_soon)
    annotator.steps.changed.connect(neighbours.discard)
    annotator.propagation.changed.connect(neighbours.discard)
    annotator.changed.connect(neighbours.discard_outdated)
