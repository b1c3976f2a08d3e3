"""How an object would go on in the frames next to one: masks with small pictures, kept nowhere."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from napari_sam2.annotation.annotation import Annotation, Direction
from napari_sam2.annotation.drawn_prompts import ObjectFrame
from sam2_torch.inputs.frames import Frames, Window, read_window
from sam2_torch.masks import SparseMask

REACH = 2  # frames each way
PICTURE_PX = 96
LEAST_PX = 24  # of the image, that a picture shows
DASHES = 8  # of the outline of what is not kept


@dataclass(frozen=True, eq=False)
class Neighbour:
    """An object in one frame, as it would be.

    Parameters
    ----------
    frame
        Which frame.
    mask
        The object there; empty if it is absent.
    picture
        (S, S, 3) uint8: the surroundings in grey or colour, the object outlined, in dashes
        where nothing is kept. All pictures of a preview show the same part of the frames.
    is_prompted
        Whether it is the frame that was prompted: its mask is kept.
    """

    frame: int
    mask: SparseMask
    picture: NDArray[np.uint8]
    is_prompted: bool


def look_around(
    annotation: Annotation,
    frames: Frames,
    key: ObjectFrame,
    direction: Direction,
    colour: NDArray[np.floating],
    stop: Callable[[], bool],
) -> Iterator[Neighbour]:
    """Find how an object would go on in the frames next to one.

    Parameters
    ----------
    annotation
        Asked, and not changed.
    frames
        What the pictures are of.
    key
        Object id and prompted frame.
    direction
        Which way.
    colour
        Of the outline in the pictures, RGB or RGBA, 0 to 1.
    stop
        Asked often; nothing more comes once it says so.

    Yields
    ------
    The prompted frame first, and then `REACH` frames each way; nothing if the object is not in
    the frame.
    """
    object_id, frame = key
    mask = annotation.masklets.get(object_id, frame)
    if not mask or not annotation.prompts(object_id, frame):
        return
    painter = _Painter(frames, mask, frame, colour)
    yield Neighbour(frame, mask, painter.paint(frame, mask, dashed=False), True)
    results = annotation.session.look_around(object_id, frame, direction, REACH, stop=stop)
    with closing(results):  # type: ignore[type-var]
        for result in results:
            found = result.predictions[0].sparse
            yield Neighbour(result.frame, found, painter.paint(result.frame, found), False)


def outline(mask: NDArray[np.bool_], thickness: int = 1) -> NDArray[np.bool_]:
    """Take the rim of a mask, within it; what lies at the border of the array has none there."""
    inner = binary_erosion(mask, iterations=thickness, border_value=1)
    return np.asarray(mask & ~inner, bool)


def dashes(rim: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Choose every other piece of a rim, as seen from its middle."""
    rows, columns = np.nonzero(rim)
    chosen = np.zeros_like(rim)
    if len(rows):
        angle = np.arctan2(rows - rows.mean(), columns - columns.mean()) / (2 * np.pi) + 0.5
        every_other = (angle * 2 * DASHES).astype(int) % 2 == 0
        chosen[rows[every_other], columns[every_other]] = True
    return chosen


class _Painter:
    """Paints one part of the frames, around an object, always in the same greys."""

    def __init__(
        self, frames: Frames, mask: SparseMask, frame: int, colour: NDArray[np.floating]
    ) -> None:
        self._frames = frames
        self._colour = (np.asarray(colour[:3]) * 255).astype(np.uint8)
        self._window = _around(mask)
        self._size = PICTURE_PX, PICTURE_PX
        seen = self._read(frame)
        finite = seen[np.isfinite(seen)]
        black, white = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
        self._black, self._span = float(black), max(float(white - black), 1e-12)

    def paint(self, frame: int, mask: SparseMask, dashed: bool = True) -> NDArray[np.uint8]:
        """Paint a frame with the outline of a mask."""
        grey = np.clip(np.nan_to_num((self._read(frame) - self._black) / self._span), 0, 1)
        picture = (np.broadcast_to(grey, (*self._size, 3)) * 255).astype(np.uint8)
        rim = outline(_sampled(_part(mask, self._window), self._size), 2)
        picture[rim] = self._colour
        if dashed:
            picture[rim & ~dashes(rim)] = 0
        return picture

    def _read(self, frame: int) -> NDArray[np.float32]:
        pixels = read_window(self._frames, frame, self._window, self._size)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return _sampled(pixels[..., :3], self._size).astype(np.float32)


def _around(mask: SparseMask) -> Window:
    """Choose a square around a mask, with as much again beside it, within the frame."""
    shape = mask.shape
    side = min(max(2 * max(mask.extent_yx), LEAST_PX), *shape)
    starts = []
    for origin, extent, length in zip(mask.origin_yx, mask.extent_yx, shape, strict=True):
        starts.append(min(max(origin + extent // 2 - side // 2, 0), length - side))
    y, x = starts
    return slice(y, y + side), slice(x, x + side)


def _part(mask: SparseMask, window: Window) -> NDArray[np.bool_]:
    """Take what a window shows of a mask."""
    rows, columns = window
    shown = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    (y, x), (h, w) = mask.origin_yx, mask.extent_yx
    top, bottom = max(y, rows.start), min(y + h, rows.stop)
    left, right = max(x, columns.start), min(x + w, columns.stop)
    if mask and top < bottom and left < right:
        part = mask.window()[top - y : bottom - y, left - x : right - x]
        shown[
            top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
        ] = part
    return shown


def _sampled(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Bring an image to a size, by the nearest pixels."""
    rows, columns = (
        (np.arange(wanted) * length) // wanted
        for wanted, length in zip(size, image.shape[:2], strict=True)
    )
    return np.asarray(image[rows[:, None], columns])
