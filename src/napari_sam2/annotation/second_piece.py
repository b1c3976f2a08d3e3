"""A click that made a second piece of an object: as a rule it was meant for another object."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import label

from napari_sam2.annotation.drawn_prompts import Click, DrawnPrompts
from napari_sam2.annotation.history import Changes, History, Key, Kind, StoredMask, Value
from napari_sam2.annotation.objects import default_record
from napari_sam2.masks.packing import unpack

if TYPE_CHECKING:
    from sam2_torch.masks import SparseMask

_FAR = 0.25  # of the object's longer side, from its bounding box


def is_second_piece(earlier: "SparseMask", now: "SparseMask", click: Click) -> bool:
    """Return whether a positive click far from a mask made a piece that does not touch it.

    Parameters
    ----------
    earlier, now
        The mask without the click, and with it.
    click
        The click.
    """
    y, x, sign = click
    if sign != 1 or not earlier or not now:
        return False
    y0, x0, y1, x1 = earlier.box
    away = max(y0 - y, y - (y1 - 1), x0 - x, x - (x1 - 1))
    (top, left), window = now.origin_yx, now.window()
    row, column = round(y) - top, round(x) - left
    inside = 0 <= row < window.shape[0] and 0 <= column < window.shape[1]
    if away <= _FAR * max(earlier.extent_yx) or not inside or not window[row, column]:
        return False
    pieces, _ = label(window)
    rows, columns = slice(top, top + window.shape[0]), slice(left, left + window.shape[1])
    return not bool(np.any(earlier.part(rows, columns) & (pieces == pieces[row, column])))


def move_last_click(history: History, place: tuple[int, int], new_id: int) -> Changes:
    """Move the last click of an object on a frame to a new object.

    Parameters
    ----------
    history
        The log; the object gets the mask back that it had before the click.
    place
        Object id and frame.
    new_id
        Id of the new object.
    """
    drawn, key = history.prompts[place], Key(Kind.MASK, *place)
    step = history.step_of(Key(Kind.PROMPTS, *place))
    earlier = None if step is None else step.before.get(Key(Kind.PROMPTS, *place))
    mask = None if step is None else step.before.get(key)
    changes: dict[Key, Value | None] = {
        Key(Kind.OBJECT, new_id): default_record(new_id),
        Key(Kind.PROMPTS, new_id, place[1]): DrawnPrompts(clicks=drawn.clicks[-1:]),
        Key(Kind.PROMPTS, *place): earlier,
        key: mask,
    }
    return changes


def made_second_piece(history: History, place: tuple[int, int]) -> bool:
    """Return whether the newest click of an object on a frame made a second piece of its mask."""
    drawn, step = history.prompts.get(place), history.step_of(Key(Kind.PROMPTS, *place))
    if drawn is None or step is None or not drawn.clicks:
        return False
    earlier, now = step.before.get(Key(Kind.MASK, *place)), step.after.get(Key(Kind.MASK, *place))
    before = step.before.get(Key(Kind.PROMPTS, *place))
    clicks = before.clicks if isinstance(before, DrawnPrompts) else ()
    if drawn.clicks[:-1] != clicks or not isinstance(earlier, StoredMask):
        return False
    shape = history.masklets.frame_shape
    return isinstance(now, StoredMask) and is_second_piece(
        unpack(earlier.packed, shape), unpack(now.packed, shape), drawn.clicks[-1]
    )
