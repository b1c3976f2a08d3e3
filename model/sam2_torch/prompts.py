"""Prompts: clicks, a box or a mask of one object on one frame.

Coordinates are image pixels, (row, column); the centre of the first pixel is (0, 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam2_torch.masks import SparseMask


@dataclass(frozen=True, eq=False)
class PointPrompt:
    """Clicks inside (1) or outside (0) the object.

    Parameters
    ----------
    points_yx
        (P, 2) float, row and column of each click in image pixels, P >= 1.
    labels
        (P,) int, 1 for a positive and 0 for a negative click.

    Raises
    ------
    ValueError
        If the shapes do not fit, a coordinate is not finite or a label is neither 0 nor 1.
    """

    points_yx: NDArray[np.float32]
    labels: NDArray[np.int32]

    def __init__(self, points_yx: ArrayLike, labels: ArrayLike) -> None:
        points = np.array(points_yx, dtype=np.float32)
        signs = np.array(labels, dtype=np.int32)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise ValueError(
                f"points_yx: expected shape (P, 2) with P >= 1, found {points.shape}; "
                "give one (row, column) pair for each click"
            )
        if signs.shape != (len(points),):
            raise ValueError(
                f"labels: expected shape ({len(points)},), one for each point, found {signs.shape}"
            )
        if not np.isfinite(points).all():
            raise ValueError("points_yx: expected finite coordinates, found NaN or infinity")
        if not ((signs == 0) | (signs == 1)).all():  # np.isin takes longer than all else here
            raise ValueError(
                f"labels: expected 1 (positive) or 0 (negative), found {np.unique(signs).tolist()}"
            )
        object.__setattr__(self, "points_yx", points)
        object.__setattr__(self, "labels", signs)


@dataclass(frozen=True)
class BoxPrompt:
    """A box around the object.

    Parameters
    ----------
    y0, x0, y1, x1
        First and last row and column in image pixels, in either order.

    Raises
    ------
    ValueError
        If a coordinate is not finite or the box has no extent at all.
    """

    y0: float
    x0: float
    y1: float
    x1: float

    def __post_init__(self) -> None:
        corners = (self.y0, self.x0, self.y1, self.x1)
        if not np.isfinite(corners).all():
            raise ValueError(f"box: expected finite coordinates, found {corners}")
        if self.y0 == self.y1 and self.x0 == self.x1:
            raise ValueError(f"box: expected two different corners, found {corners}")
        for low, high in (("y0", "y1"), ("x0", "x1")):
            first, last = sorted((float(getattr(self, low)), float(getattr(self, high))))
            object.__setattr__(self, low, first)
            object.__setattr__(self, high, last)


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """The object's mask itself; the session takes it as the truth of its frame.

    Parameters
    ----------
    mask
        (H, W) of the image; non-zero is the object. Of a large image rather a `SparseMask`,
        which takes no more memory than the object: `SparseMask.from_window(image_shape, window,
        origin_yx)` makes one of the part around the object. An empty mask says that the
        object is not in this frame.

    Attributes
    ----------
    sparse
        The mask; only its bounding box is kept.

    Raises
    ------
    ValueError
        If the mask is not two-dimensional.
    """

    sparse: SparseMask

    def __init__(self, mask: ArrayLike | SparseMask) -> None:
        if not isinstance(mask, SparseMask):
            pixels = np.asarray(mask)
            if pixels.ndim != 2:
                raise ValueError(f"mask: expected shape (H, W), found {pixels.shape}")
            mask = SparseMask.from_dense(pixels)
        object.__setattr__(self, "sparse", mask)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask as a whole image, (H, W); made anew at each access."""
        return self.sparse.to_dense()


Prompt: TypeAlias = PointPrompt | BoxPrompt | MaskPrompt


def clicks_of(prompts: Sequence[Prompt]) -> NDArray[np.float32]:
    """Collect the clicks of all point prompts, (P, 3) float32: y, x, label."""
    rows = [
        np.column_stack([prompt.points_yx, prompt.labels])
        for prompt in prompts
        if isinstance(prompt, PointPrompt)
    ]
    return np.concatenate([np.zeros((0, 3), np.float32), *rows]).astype(np.float32)


def prompts_box(prompts: Sequence[Prompt]) -> tuple[float, float, float, float] | None:
    """Find the bounding box of positive clicks, boxes and masks.

    Returns
    -------
    (y0, x0, y1, x1) in image pixels; None if there are only negative clicks and empty masks.
    """
    places = [_inside(prompt) for prompt in prompts]
    points = np.concatenate([np.zeros((0, 2)), *places])
    if len(points) == 0:
        return None
    (y0, x0), (y1, x1) = points.min(0).tolist(), points.max(0).tolist()
    return y0, x0, y1, x1


def _inside(prompt: Prompt) -> NDArray[np.floating]:
    """List corners or points, (N, 2), that are inside."""
    if isinstance(prompt, PointPrompt):
        return prompt.points_yx[prompt.labels == 1]
    if isinstance(prompt, BoxPrompt):
        return np.array([[prompt.y0, prompt.x0], [prompt.y1, prompt.x1]])
    if not prompt.sparse:
        return np.zeros((0, 2))
    first = np.array(prompt.sparse.origin_yx, float)
    return np.stack([first, first + prompt.sparse.extent_yx])
