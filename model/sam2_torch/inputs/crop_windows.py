"""Choose the crop windows in which objects of large frames are segmented: pure decisions.

Beyond the reference: a frame far larger than the network's input is not scaled down to it. Each
object is segmented in a square window that moves along with it, at a chosen resolution.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sam2_torch.inputs.frames import Box, Crop

SMALLEST_SIDE = 16  # image pixels
LARGEST_SHARE = 0.5  # of a window's side that an object may cover
MARGIN = 1 / 8  # of a window's side around an object; the grid is twice as wide
TOO_LARGE = 4  # times as large as it need be: then a window is made smaller again


@dataclass(frozen=True)
class CropWindows:
    """Crop windows on frames of one shape.

    Windows have the sides `side`, 2 `side`, 4 `side` and so on, up to the whole frame, and lie
    on a grid of a quarter of their side, so that near objects share them.

    Parameters
    ----------
    frame_shape
        (H, W) of the frames.
    side
        Rows and columns of the smallest window in image pixels.
    """

    frame_shape: tuple[int, int]
    side: int

    @classmethod
    def at_resolution(
        cls, resolution: float, frame_shape: tuple[int, int], input_size: int
    ) -> "CropWindows":
        """Plan windows that fill a network's input at a resolution.

        Parameters
        ----------
        resolution
            Pixels of the input for one of the image.
        frame_shape
            (H, W) of the frames.
        input_size
            Side of the input.

        Raises
        ------
        ValueError
            If the resolution is not a positive number.
        """
        if not 0 < resolution < math.inf:
            raise ValueError(f"resolution: expected a positive number, found {resolution}")
        return cls(frame_shape, max(SMALLEST_SIDE, round(input_size / resolution)))

    @property
    def centre(self) -> Box:
        """The middle of the frame, for prompts that do not say where the object is."""
        y, x = self.frame_shape[0] / 2, self.frame_shape[1] / 2
        return y, x, y, x

    def around(self, box: Box, others: Iterable[Crop | None] = ()) -> Crop | None:
        """Choose a window around a box, one in use if it fits.

        Parameters
        ----------
        box
            The object's bounding box, as far as it is known.
        others
            Windows that are in use.

        Returns
        -------
        Crop or None
            None for the whole frame.
        """
        side = self._side(box)
        if side >= max(self.frame_shape):
            return None
        for crop in others:
            if crop is not None and max(crop.shape) == side and self._has_room(crop, box):
                return crop
        return self._lay(side, box)

    def next(
        self, last: Crop | None, box: Box | None, others: Iterable[Crop | None] = ()
    ) -> "Crop | None":
        """Choose the window of the next frame.

        Parameters
        ----------
        last
            The window of the last frame; it stays as long as the object is well inside it.
        box
            The object's bounding box there; None if it is absent.
        others
            Windows that are in use in the next frame.
        """
        if box is None:
            return last
        side = self._side(box)
        last_side = max(self.frame_shape if last is None else last.shape)
        fits = side <= last_side < TOO_LARGE * side
        if fits and (last is None or self._has_room(last, box)):
            return last
        return self.around(box, others)

    def enlarged(self, crop: Crop | None, box: Box | None) -> Crop | None:
        """Choose a larger window, or another place, if a window cuts a mask off.

        Returns
        -------
        Crop or None
            None for the whole frame; `crop` itself if nothing is cut off.
        """
        if crop is None or box is None or not self._is_cut_off(crop, box):
            return crop
        side = max(crop.shape)
        extent = max(box[2] - box[0], box[3] - box[1])
        if extent > LARGEST_SHARE * side:
            side *= 2
        return None if side >= max(self.frame_shape) else self._lay(side, box)

    def doubled(self, crop: Crop, box: Box) -> Crop | None:
        """Choose a window around a box that is twice as large; None for the whole frame."""
        side = 2 * max(crop.shape)
        return None if side >= max(self.frame_shape) else self._lay(side, box)

    def _side(self, box: Box) -> int:
        extent = max(box[2] - box[0], box[3] - box[1])
        side = self.side
        while extent > LARGEST_SHARE * side and side < max(self.frame_shape):
            side *= 2
        return side

    def _lay(self, side: int, box: Box) -> Crop:
        """Place a window of a side around the middle of a box, on the grid, within the frame."""
        step = max(1, side // 4)
        lengths = [min(side, n) for n in self.frame_shape]
        y, x = (
            min(max(round((m - length / 2) / step) * step, 0), n - length)
            for m, length, n in zip(middle(box), lengths, self.frame_shape, strict=True)
        )
        return Crop((y, x), (lengths[0], lengths[1]))

    def _has_room(self, crop: Crop, box: Box) -> bool:
        """Return whether a box lies well inside a window."""
        return all(room >= MARGIN * max(crop.shape) for room in self._rooms(crop, box))

    def _is_cut_off(self, crop: Crop, box: Box) -> bool:
        pixel = max(crop.shape) / 256  # masks end on the grid of the logits
        return any(room < pixel for room in self._rooms(crop, box))

    def _rooms(self, crop: Crop, box: Box) -> list[float]:
        """Return the margins between a box and those window sides that are inside the frame."""
        rooms = []
        for axis in (0, 1):
            first, n = crop.origin_yx[axis], self.frame_shape[axis]
            stop = first + crop.shape[axis]
            if first > 0:
                rooms.append(box[axis] - first)
            if stop < n:
                rooms.append(stop - box[axis + 2])
        return rooms


def join(one: Box, other: Box) -> Box:
    """Return the bounding box of two boxes."""
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def middle(box: Box) -> tuple[float, float]:
    """Return the row and column in the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
