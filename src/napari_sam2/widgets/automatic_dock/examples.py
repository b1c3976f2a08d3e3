"""What "Find all alike" compares with, and what of the found masks is an object already."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_sam2.layers.workspace import Workspace
from sam2_torch.masks import SparseMask

SAME = 0.5  # of a mask that an object covers if it is that object


def examples_of(workspace: Workspace, everything: bool) -> dict[int, list[SparseMask]]:
    """Choose a mask of the current object, or of each object, by frame.

    Each in the frame that is shown, or else in the first one in which the object is. All objects
    are taken, too, while the current one is still empty.
    """
    current = workspace.current_object
    if everything or not _has_mask(workspace, current):
        chosen: Sequence[int] = workspace.masklets.object_ids
    else:
        chosen = [current]
    examples: dict[int, list[SparseMask]] = {}
    for object_id in chosen:
        place = _place(workspace, object_id)
        if place is not None:
            examples.setdefault(place[0], []).append(place[1])
    return examples


def are_objects(
    masks: Mapping[int, SparseMask], objects: Iterable[SparseMask]
) -> dict[int, SparseMask]:
    """Take those masks of a frame that one of its objects covers for the most part."""
    known = [each for each in objects if each]
    boxes = np.array([_box(each) for each in known], np.int64).reshape(-1, 4)
    return {i: mask for i, mask in masks.items() if _is_covered(mask, known, boxes)}


def _is_covered(mask: SparseMask, known: Sequence[SparseMask], boxes: NDArray[np.int64]) -> bool:
    y0, x0, y1, x1 = _box(mask)
    near = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
    return any(_shared(mask, known[i]) > SAME * mask.area for i in near.nonzero()[0].tolist())


def _shared(one: SparseMask, other: SparseMask) -> int:
    """Count the pixels that two masks share."""
    (ay, ax, by, bx), (cy, cx, dy, dx) = _box(one), _box(other)
    first, last = (max(ay, cy), max(ax, cx)), (min(by, dy), min(bx, dx))
    windows = []
    for mask in (one, other):
        rows, columns = (
            slice(f - o, s - o) for f, s, o in zip(first, last, mask.origin_yx, strict=True)
        )
        windows.append(mask.window()[rows, columns])
    return int((windows[0] & windows[1]).sum())


def _box(mask: SparseMask) -> tuple[int, int, int, int]:
    (y, x), (h, w) = mask.origin_yx, mask.extent_yx
    return y, x, y + h, x + w


def _has_mask(workspace: Workspace, object_id: int) -> bool:
    return _place(workspace, object_id) is not None


def _place(workspace: Workspace, object_id: int) -> tuple[int, SparseMask] | None:
    """Find a mask of an object: in the shown frame, or the first one."""
    masklets, shown = workspace.masklets, workspace.shown_frame
    for frame in sorted(masklets.frames(object_id), key=lambda f: f != shown):
        mask = masklets.get(object_id, frame)
        if mask:
            return frame, mask
    return None
