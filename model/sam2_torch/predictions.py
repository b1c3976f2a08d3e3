"""What the network answers: masks in image pixels with their scores."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


def extent(inside: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Find the rows and columns of a mask, (y0, x0, y1, x1), half open; None if it is empty."""
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
        """Make a mask without a pixel."""
        return cls(shape, (0, 0), (0, 0), np.zeros(0, np.uint8))

    @classmethod
    def from_window(
        cls, shape: tuple[int, int], window: ArrayLike, origin_yx: tuple[int, int] = (0, 0)
    ) -> "SparseMask":
        """Make a mask from the part of it that `window` shows, (h, w), at `origin_yx`."""
        pixels = np.asarray(window) != 0
        found = extent(pixels)
        if found is None:
            return cls.empty(shape)
        y0, x0, y1, x1 = found
        box = pixels[y0:y1, x0:x1]
        origin = (y0 + origin_yx[0], x0 + origin_yx[1])
        return cls(shape, origin, (box.shape[0], box.shape[1]), np.packbits(box))

    @classmethod
    def from_dense(cls, mask: ArrayLike) -> "SparseMask":
        """Make a mask from a whole image of it, (H, W)."""
        pixels = np.asarray(mask)
        return cls.from_window((pixels.shape[0], pixels.shape[1]), pixels)

    @classmethod
    def union(cls, masks: "Sequence[SparseMask]") -> "SparseMask":
        """Make the mask of all pixels that are in any of some masks, at least one, of one shape."""
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
        """Tell whether another mask has the same shape and the same pixels."""
        frame = (self.shape, self.origin_yx, self.extent_yx)
        return frame == (other.shape, other.origin_yx, other.extent_yx) and np.array_equal(
            self.bits, other.bits
        )

    def to_dense(self) -> NDArray[np.bool_]:
        """Unpack the mask into a whole image, (H, W)."""
        mask = np.zeros(self.shape, bool)
        mask[self.slices] = self.window()
        return mask


LOGIT_STEP = 0.25  # of `MaskLogits`, which reach to 32 in either direction


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """The logits behind a mask, on their coarse grid: to decide between masks that overlap.

    Parameters
    ----------
    values
        (h, w) int8, in steps of `LOGIT_STEP`: what is positive, and one more on each side.
    first_yx, step_yx
        Where the centre of the image's first pixel lies on this grid, and how far the next is.
    """

    values: NDArray[np.int8]
    first_yx: tuple[float, float]
    step_yx: tuple[float, float]

    @classmethod
    def unknown(cls) -> "MaskLogits":
        """Stand for logits that were not kept: 0 everywhere."""
        return cls(np.zeros((1, 1), np.int8), (0.0, 0.0), (1.0, 1.0))

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
        """Interpolate at pixels of the mask, (P,) rows and columns of the image; bilinear."""
        grid = self.values.astype(np.float32) * np.float32(LOGIT_STEP)
        (y0, y1, v), (x0, x1, u) = self._neighbours(rows, 0), self._neighbours(columns, 1)
        upper = grid[y0, x0] * (1 - u) + grid[y0, x1] * u
        lower = grid[y1, x0] * (1 - u) + grid[y1, x1] * u
        return np.asarray(upper * (1 - v) + lower * v, np.float32)

    def _neighbours(self, pixels: NDArray[Any], axis: int) -> tuple[NDArray[Any], ...]:
        """Find the two grid points around each pixel, and the weight of the second."""
        last = self.values.shape[axis] - 1
        place = (self.first_yx[axis] + self.step_yx[axis] * np.asarray(pixels)).clip(0, last)
        low = place.astype(np.intp)
        return low, np.minimum(low + 1, last), (place - low).astype(np.float32)


@dataclass(frozen=True, eq=False)
class MaskPrediction:
    """One object's mask in one frame.

    Parameters
    ----------
    sparse
        The mask in image pixels.
    logits
        (h, w) float32 on the host, a quarter of the network's input in each direction;
        positive inside of the object.
    iou
        The network's own estimate of the mask's quality, 0 to 1.
    object_score
        Logit that the object is in this frame; below 0 it is taken to be absent
        and the mask is empty.
    coarse
        The logits inside of the mask, small enough to be kept; None where they are not known.
    """

    sparse: SparseMask
    logits: "torch.Tensor"
    iou: float
    object_score: float
    coarse: MaskLogits | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The mask as a whole image, (H, W) bool."""
        return self.sparse.to_dense()


@dataclass(frozen=True, eq=False)
class FrameResult:
    """All objects' masks in one frame, as propagation yields them.

    Parameters
    ----------
    frame
        Index of the frame.
    object_ids
        The objects, in the order of `predictions`.
    predictions
        One for each object.
    """

    frame: int
    object_ids: tuple[int, ...]
    predictions: tuple[MaskPrediction, ...]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """All masks, (N, H, W) bool; made anew at each access."""
        return np.stack([prediction.mask for prediction in self.predictions])

    @property
    def ious(self) -> NDArray[np.float32]:
        """Predicted IoU of each object, (N,)."""
        return np.array([prediction.iou for prediction in self.predictions], np.float32)

    @property
    def object_scores(self) -> NDArray[np.float32]:
        """Object score (logit) of each object, (N,)."""
        return np.array([prediction.object_score for prediction in self.predictions], np.float32)
