"""Outlines of masks along the edges of their pixels: drawn again, they give the same mask."""

import numpy as np
from numpy.typing import NDArray

from sam2_torch.masks import SparseMask

_RIGHT, _DOWN, _LEFT, _UP = (0, 1), (1, 0), (0, -1), (-1, 0)


def outlines(mask: SparseMask) -> list[NDArray[np.int32]]:
    """Walk around each connected part of a mask, and around each hole.

    Parameters
    ----------
    mask
        Parts that touch at a corner alone are two.

    Returns
    -------
    Closed polygons, (P, 2) row and column of pixels' corners, where (0, 0) is the upper left
    corner of the first pixel; only the points where the way turns. The inside lies to the right
    of the way: outer outlines have a positive `signed_area`, holes a negative one. The largest
    comes first.
    """
    steps = _steps(np.pad(mask.window(), 1))
    rings = []
    while steps:
        rings.append(_walk(steps))
    offset = np.array(mask.origin_yx, np.int32) - 1
    polygons = [np.array(ring, np.int32) + offset for ring in rings]
    return sorted(polygons, key=signed_area, reverse=True)


def signed_area(polygon: NDArray[np.int32]) -> float:
    """Measure the pixels that a closed polygon of `outlines` goes around; negative for holes."""
    y, x = polygon.astype(np.int64).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _steps(padded: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """List the ways that leave each corner with a pixel of the mask on their right."""
    ways = (
        (_RIGHT, padded & ~np.roll(padded, 1, 0), (0, 0)),
        (_DOWN, padded & ~np.roll(padded, -1, 1), (0, 1)),
        (_LEFT, padded & ~np.roll(padded, -1, 0), (1, 1)),
        (_UP, padded & ~np.roll(padded, 1, 1), (1, 0)),
    )
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for way, pixels, (dy, dx) in ways:
        for y, x in np.argwhere(pixels).tolist():
            steps.setdefault((y + dy, x + dx), []).append(way)
    return steps


def _walk(steps: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Follow the ways from a corner back to it, and take them out."""
    begin = next(iter(steps))
    way = first = steps[begin][0]
    at, ring = begin, [begin]
    while True:
        steps[at].remove(way)
        if not steps[at]:
            del steps[at]
        at = (at[0] + way[0], at[1] + way[1])
        ways = steps.get(at, []) + [first] * (at == begin)
        # where two parts touch at a corner, turn right: each stays by itself
        following = ways[0] if len(ways) == 1 else (way[1], -way[0])
        if at == begin and following == first:
            return ring if way != first else ring[1:]
        if following != way:
            ring.append(at)
        way = following
