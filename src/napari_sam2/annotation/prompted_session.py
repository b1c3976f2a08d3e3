"""Prompts of the log set in a session, and masks of a session as values of the log.

All functions run on the thread that owns the session. They get copies of the log's prompts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.history import StoredMask
from napari_sam2.masks.masklets import Confidence
from napari_sam2.masks.packing import pack
from sam2_torch.predictions import MaskLogits, MaskPrediction

if TYPE_CHECKING:
    from sam2_torch.sessions.video_session import VideoSession

Direction: TypeAlias = Literal["forward", "backward", "both"]
Prompts: TypeAlias = Mapping[ObjectFrame, DrawnPrompts]
"""Drawn prompts by object id and frame."""


def prompted_places(session: "VideoSession", object_ids: Iterable[int]) -> list[ObjectFrame]:
    """List object id and frame of the prompts that a session has of these objects."""
    known = set(object_ids).intersection(session.object_ids)
    return [(i, frame) for i in sorted(known) for frame in session.prompted_frames(i)]


def set_prompts(
    session: "VideoSession",
    prompts: Prompts,
    object_ids: Iterable[int],
    omitted: ObjectFrame | None = None,
) -> Iterator[None]:
    """Set the prompts of objects in a session to those of the log.

    Prompts that the session has already cost nothing: `VideoSession.set_prompts` is idempotent.

    Parameters
    ----------
    session
        The session.
    prompts
        The prompts of the log; at least all those of these objects.
    object_ids
        The objects.
    omitted
        Object id and frame of prompts that the caller sets.

    Yields
    ------
    None after each prompted frame: other requests are taken in between.
    """
    wanted = set(object_ids)
    for place in prompted_places(session, wanted):
        if place not in prompts:
            session.set_prompts(*place, ())
    for place in sorted(p for p in prompts if p[0] in wanted and p != omitted):
        answer(session, place, prompts[place])
        yield


def answer(
    session: "VideoSession", place: ObjectFrame, drawn: DrawnPrompts
) -> MaskPrediction | None:
    """Set what is drawn of an object on a frame, and return its mask."""
    prompts = drawn.prompts(session.frame_shape)
    return session.set_prompts(*place, prompts, drawn.choice or 0, drawn.present)


def unlocked(
    session: "VideoSession", object_ids: Iterable[int] | None, locked: Iterable[int]
) -> list[int] | None:
    """Select the objects to propagate.

    Parameters
    ----------
    session
        The session.
    object_ids
        The objects asked for; None for all.
    locked
        The objects whose masks nothing may change.

    Returns
    -------
    The objects; None for all that there are, and those that come during the propagation.

    Raises
    ------
    ValueError
        If no object is left.
    """
    wanted = session.object_ids if object_ids is None else tuple(object_ids)
    kept = set(wanted).intersection(locked)
    if object_ids is None and not kept:
        return None
    left = [i for i in wanted if i not in kept and prompted_places(session, [i])]
    if not left:
        raise ValueError(
            "nothing to propagate: "
            + ("unlock an object first" if kept else "prompt the object on some frame first")
        )
    return left


def stored_mask(prediction: MaskPrediction, given: bool = False) -> StoredMask:
    """Pack a predicted mask as a value of the log.

    Parameters
    ----------
    prediction
        The mask with its logits and confidence.
    given
        Whether the mask is the user's own, which wins where masks overlap.
    """
    logits = None if given else prediction.coarse or MaskLogits.unknown()
    confidence = Confidence(prediction.iou, prediction.object_score)
    return StoredMask(pack(prediction.sparse, logits), confidence)
