"""Binary masks in image pixels, kept as a bounding box and packed bits."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence


def bounding_box(inside: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Find rows and columns of a dense mask, (y0, x0, y1, x1), half open; None if it is empty."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if len(rows) == 0:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@dataclass(frozen=True, eq=False)
class SparseMask:
    """A binary mask kept as its bounding box and packed bits.

    Parameters
    ----------
    shape
        (H, W) of the image.
    origin_yx, extent_yx
        First row and column, height and width of the bounding box in pixels; (0, 0), (0, 0)
        for an empty mask.
    bits
        The pixels of the box in C order, eight to a byte (`numpy.packbits`).
    """

    shape: tuple[int, int]
    origin_yx: tuple[int, int]
    extent_yx: tuple[int, int]
    bits: NDArray[np.uint8]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "SparseMask":
        """Return an empty mask."""
        return cls(shape, (0, 0), (0, 0), np.zeros(0, np.uint8))

    @classmethod
    def from_window(
        cls, shape: tuple[int, int], window: ArrayLike, origin_yx: tuple[int, int] = (0, 0)
    ) -> "SparseMask":
        """Return a mask from a part of it, (h, w), whose first pixel is at `origin_yx`."""
        pixels = np.asarray(window) != 0
        found = bounding_box(pixels)
        if found is None:
            return cls.empty(shape)
        y0, x0, y1, x1 = found
        box = pixels[y0:y1, x0:x1]
        origin = (y0 + origin_yx[0], x0 + origin_yx[1])
        return cls(shape, origin, (box.shape[0], box.shape[1]), np.packbits(box))

    @classmethod
    def from_dense(cls, mask: ArrayLike) -> "SparseMask":
        """Return a mask from its pixels in the whole image, (H, W)."""
        pixels = np.asarray(mask)
        return cls.from_window((pixels.shape[0], pixels.shape[1]), pixels)

    @classmethod
    def union(cls, masks: "Sequence[SparseMask]") -> "SparseMask":
        """Return the union of masks of one shape, at least one."""
        shown = [mask for mask in masks if mask]
        if len(shown) < 2:
            return shown[0] if shown else masks[0]
        first_yx = np.min([mask.origin_yx for mask in shown], axis=0)
        stop_yx = np.max([np.add(mask.origin_yx, mask.extent_yx) for mask in shown], axis=0)
        (y, x), (y1, x1) = first_yx.tolist(), stop_yx.tolist()
        window = np.zeros((y1 - y, x1 - x), bool)
        for mask in shown:
            rows, columns = mask.slices
            here = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
            window[here] |= mask.window()
        return cls.from_window(masks[0].shape, window, (y, x))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the bounding box lies in the image, as an index."""
        (y, x), (h, w) = self.origin_yx, self.extent_yx
        return slice(y, y + h), slice(x, x + w)

    @property
    def area(self) -> int:
        """Count the pixels of the mask."""
        return int(np.bitwise_count(self.bits).sum())

    def __bool__(self) -> bool:
        return self.bits.size > 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Return first and last row and column of the mask, half open: y0, x0, y1, x1."""
        (y, x), (h, w) = self.origin_yx, self.extent_yx
        return y, x, y + h, x + w

    @property
    def centroid_yx(self) -> tuple[float, float]:
        """Return mean row and column of the pixels; NaN for an empty mask."""
        if not self:
            return math.nan, math.nan
        pixels, (y, x), area = self.window(), self.origin_yx, self.area
        rows, columns = pixels.sum(1), pixels.sum(0)
        return (
            float(rows @ np.arange(len(rows)) / area + y),
            float(columns @ np.arange(len(columns)) / area + x),
        )

    @property
    def touches_border(self) -> bool:
        """Return whether the mask has a pixel in the first or last row or column of the image."""
        y0, x0, y1, x1 = self.box
        return bool(self) and (y0 == 0 or x0 == 0 or y1 == self.shape[0] or x1 == self.shape[1])

    def overlap(self, other: "SparseMask") -> int:
        """Count the pixels that two masks share."""
        (top, left, bottom, right), (y0, x0, y1, x1) = self.box, other.box
        rows = slice(max(top, y0), min(bottom, y1))
        columns = slice(max(left, x0), min(right, x1))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return 0
        return int((self.part(rows, columns) & other.part(rows, columns)).sum())

    def iou(self, other: "SparseMask") -> float:
        """Return intersection over union of two masks, 0 to 1; 0 if both are empty."""
        shared = self.overlap(other)
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def window(self) -> NDArray[np.bool_]:
        """Unpack the pixels of the bounding box, (h, w)."""
        h, w = self.extent_yx
        return np.unpackbits(self.bits, count=h * w).reshape(h, w).astype(bool)

    def part(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Unpack a part of the image, (h, w); the slices have a start, a stop and no step."""
        part = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        own = self.slices
        (y0, y1), (x0, x1) = (
            (max(wanted.start, here.start), min(wanted.stop, here.stop))
            for wanted, here in zip((rows, columns), own, strict=True)
        )
        if y0 < y1 and x0 < x1:
            shown = self.window()[
                y0 - own[0].start : y1 - own[0].start, x0 - own[1].start : x1 - own[1].start
            ]
            part[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = shown
        return part

    def equals(self, other: "SparseMask") -> bool:
        """Return whether another mask has the same shape and the same pixels."""
        frame = (self.shape, self.origin_yx, self.extent_yx)
        return frame == (other.shape, other.origin_yx, other.extent_yx) and np.array_equal(
            self.bits, other.bits
        )

    def to_dense(self) -> NDArray[np.bool_]:
        """Unpack the mask into a whole image, (H, W)."""
        mask = np.zeros(self.shape, bool)
        mask[self.slices] = self.window()
        return mask
