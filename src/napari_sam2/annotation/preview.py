"""How an object would go on in the frames next to one: masks with small pictures, kept nowhere."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.prompted_session import Direction, prompted_places
from sam2_torch.inputs.frames import Frames, Window, read_window
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from sam2_torch.sessions.video_session import VideoSession

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
    session: "VideoSession",
    painter: "Painter",
    key: ObjectFrame,
    mask: SparseMask,
    direction: Direction,
    stop: Callable[[], bool],
) -> Iterator[Neighbour]:
    """Predict an object on the frames next to a prompted one, without keeping the masks.

    Parameters
    ----------
    session
        Has the prompt; it is not changed.
    painter
        Makes the pictures.
    key
        Object id and prompted frame.
    mask
        The object on that frame.
    direction
        Of the frames.
    stop
        Called often; returns whether to stop.

    Yields
    ------
    The prompted frame first, then `REACH` frames in each direction; nothing if the session does
    not have the prompt.
    """
    object_id, frame = key
    if key not in prompted_places(session, [object_id]):
        return
    yield Neighbour(frame, mask, painter.paint(frame, mask, dashed=False), True)
    results = session.look_around(object_id, frame, direction, REACH, stop=stop)
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


class Painter:
    """Paints one part of the frames, around an object, always in the same greys.

    Parameters
    ----------
    frames
        The movie.
    mask, frame
        The object, not empty, and its frame.
    colour
        Of the outline, RGB or RGBA, 0 to 1.
    """

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
