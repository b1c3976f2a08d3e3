"""Outlines of masks along the edges of their pixels: filled, they give the same mask."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam2_torch.masks import SparseMask

MOST_PIXELS = 2**31
"""That an outline may span: what an image of ImageJ can have."""


def outlines(mask: SparseMask) -> list[NDArray[np.int32]]:
    """Trace the outline of each connected part of a mask, and of each hole.

    Parameters
    ----------
    mask
        Parts that touch at a corner alone are two.

    Returns
    -------
    Closed polygons, (P, 2) row and column of pixels' corners, where (0, 0) is the upper left
    corner of the first pixel; only the points where the direction changes. The inside lies to the
    right: outer outlines have a positive `signed_area`, holes a negative one. The largest comes
    first.
    """
    from skimage.measure import find_contours

    padded = np.pad(mask.window(), 1).astype(np.float64)
    # connected "low": pixels that touch only at a corner are two parts
    found = find_contours(padded, 0.5, fully_connected="low")  # type: ignore[no-untyped-call]
    offset = np.array(mask.origin_yx, np.int32)
    return sorted((_corners(ring) + offset for ring in found), key=signed_area, reverse=True)


def signed_area(polygon: NDArray[np.int32]) -> float:
    """Compute the area in pixels of a closed polygon of `outlines`; negative for holes.

    Parameters
    ----------
    polygon
        (P, 2) row and column of corners, without the first one again at the end.
    """
    y, x = polygon.astype(np.int64).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def filled(polygons: Sequence[NDArray[Any]], shape: tuple[int, int]) -> SparseMask:
    """Return the pixels whose centres are inside of an odd number of polygons.

    Parameters
    ----------
    polygons
        (P, 2) row and column of corners; (0, 0) is the centre of the first pixel.
    shape
        (H, W) of the frame; what lies outside is left out.

    Raises
    ------
    ValueError
        If a corner is no number, or a polygon spans more than `MOST_PIXELS`.
    """
    from skimage.draw import polygon

    for corners in polygons:
        extent = np.ptp(np.clip(corners, 0, shape), axis=0).prod()
        if not (np.isfinite(corners).all() and extent <= MOST_PIXELS):
            raise ValueError(
                f"outline: expected numbers and at most {MOST_PIXELS} pixels, found {extent:.3g}"
            )
    inside = [polygon(y, x, shape) for y, x in (corners.T for corners in polygons)]  # type: ignore[no-untyped-call]
    return mask_of_pixels(np.hstack(inside), shape)


def mask_of_pixels(pixels: NDArray[np.integer], shape: tuple[int, int]) -> SparseMask:
    """Return the pixels that are listed an odd number of times, without an array of the frame.

    Parameters
    ----------
    pixels
        (2, P) rows and columns, within the frame.
    shape
        (H, W) of the frame.
    """
    if not pixels.size:
        return SparseMask.empty(shape)
    (y, x), (y1, x1) = pixels.min(axis=1).tolist(), (pixels.max(axis=1) + 1).tolist()
    rows, columns = pixels - [[y], [x]]
    times = np.bincount(rows * (x1 - x) + columns, minlength=(y1 - y) * (x1 - x))
    return SparseMask.from_window(shape, times.reshape(y1 - y, x1 - x) % 2, (y, x))


def _corners(contour: NDArray[np.float64]) -> NDArray[np.int32]:
    """Convert a contour through the middles of pixel edges to the pixels' corners.

    Marching squares steps from square to square between four pixel centres; the middle of each
    square is the corner of a pixel.
    """
    corners = np.floor((contour[:-1] + contour[1:]) / 2).astype(
        np.int32
    )  # the padding is taken off
    steps = np.diff(corners, axis=0, append=corners[:1])
    turns = (steps != np.roll(steps, 1, axis=0)).any(axis=1)
    return corners[turns]
