"""Objects of one run exclude each other: each pixel of a frame belongs to one of them."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.packing import is_given, pack, read_outline, unpack, unpack_logits
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits


def exclude(
    masks: Mapping[int, bytes],
    others: Mapping[int, bytes],
    fixed: Collection[int],
    frame_shape: tuple[int, int],
) -> dict[int, bytes]:
    """Leave each contested pixel of one frame to the object with the highest logit.

    Parameters
    ----------
    masks
        New masks by object id, packed with their logits.
    others
        Masks of other objects in the same frame; they do not change.
    fixed
        Of these, the objects that keep all of their pixels, such as locked ones. Masks that a
        person gave do so, too.
    frame_shape
        (H, W) in pixels.

    Returns
    -------
    The new masks, those that lost pixels packed again with the logits that they had.
    """
    known = {**others, **masks}
    meeting = _meeting(known)
    unpacked = {i: unpack(known[i], frame_shape) for i in meeting}
    logits = {i: _strength(known[i], i in fixed) for i in meeting}
    owned = dict(masks)
    for object_id in meeting.keys() & masks.keys():
        mask = unpacked[object_id]
        lost = np.zeros(mask.extent_yx, bool)
        for other in meeting[object_id]:
            _lose(lost, (object_id, mask), (other, unpacked[other]), logits)
        kept = mask.window() & ~lost
        if lost.any():
            smaller = SparseMask.from_window(frame_shape, kept, mask.origin_yx)
            owned[object_id] = pack(smaller, unpack_logits(masks[object_id]))
    return owned


def _strength(packed: bytes, is_fixed: bool) -> MaskLogits | None:
    """Return what decides for a mask; None if it keeps all of its pixels."""
    return None if is_fixed or is_given(packed) else unpack_logits(packed)


def _lose(
    lost: NDArray[np.bool_],
    own: tuple[int, SparseMask],
    other: tuple[int, SparseMask],
    logits: Mapping[int, MaskLogits | None],
) -> None:
    """Mark the pixels of a mask's box that belong to another object, of equal ones the later."""
    (number, mask), (other_number, other_mask) = own, other
    (y, x), (h, w) = mask.origin_yx, mask.extent_yx
    shared = mask.window() & other_mask.part(slice(y, y + h), slice(x, x + w))
    rows, columns = np.nonzero(shared)
    mine, theirs = logits[number], logits[other_number]
    if not len(rows) or mine is None:
        return
    if theirs is None:
        lost |= shared
        return
    place = rows + y, columns + x
    lead = mine.at(*place) - theirs.at(*place)
    loses = lead < 0 if number > other_number else lead <= 0
    lost[rows[loses], columns[loses]] = True


def _meeting(masks: Mapping[int, bytes]) -> dict[int, list[int]]:
    """Return for each object those whose bounding box meets its own, where there are any."""
    outlines = {i: read_outline(packed) for i, packed in masks.items()}
    ids = np.array([i for i, outline in outlines.items() if outline.area], int)
    boxes = np.array([outlines[i].box for i in ids], int).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])  # (N, N, 2)
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    meets = (low < high).all(-1)
    np.fill_diagonal(meets, False)
    return {int(ids[i]): ids[meets[i]].tolist() for i in np.flatnonzero(meets.any(1))}
