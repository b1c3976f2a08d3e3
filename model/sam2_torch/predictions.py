"""Predictions: masks in image pixels with their scores."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    import torch

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
        """Return logits of 0 everywhere, for a mask without logits."""
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
