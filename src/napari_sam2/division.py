"""Where the daughters of a dividing object are: a first guess from the mother's masks."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, label

from napari_sam2.masklets import Masklets
from sam2_torch.predictions import SparseMask

ONE_DAUGHTER = 0.7
"""A mask that shrank below this share of what it was is taken for one of two daughters."""

SECOND_PART = 0.2
"""Of the larger one: a smaller part of a mask is no daughter."""

_ROUNDS = 20  # of k-means; it settles in a few


def daughter_masks(
    masklets: Masklets, mother: int, frame: int, step: int = 1
) -> tuple[SparseMask, SparseMask]:
    """Guess the two daughters of an object in the frame in which they appear.

    The mother's mask there is taken apart: into its two largest parts, or else along its
    middle. Where it shrank at once, it is one daughter, and the other one is what it left.

    Parameters
    ----------
    masklets
        With a mask of the mother in the frame, or in the one before it.
    mother
        Object id.
    frame
        The first frame of the daughters.
    step
        How many frames before it to look for what the mother was: of a movie of stacks the
        planes of a time point.

    Raises
    ------
    ValueError
        If there is no mask of the mother, or it has too few pixels to be two.
    """
    now = masklets.get(mother, frame)
    before = masklets.get(mother, frame - step) if frame >= step else None
    if before and now and now.area < ONE_DAUGHTER * before.area:
        around = [slice(part.start - 1, part.stop + 1) for part in before.slices]
        near = binary_dilation(now.part(around[0], around[1]), iterations=1)[1:-1, 1:-1]
        left = _largest_part(before.window() & ~near)
        if left.sum() >= SECOND_PART * now.area:
            return now, SparseMask.from_window(before.shape, left, before.origin_yx)
    whole = now or before
    if not whole or whole.area < 2:
        raise ValueError(
            f"object {mother}: expected a mask to divide in frame {frame} or the one before, "
            "found none; go to the frame in which the two daughters appear"
        )
    return split_mask(whole)


def split_mask(mask: SparseMask) -> tuple[SparseMask, SparseMask]:
    """Take a mask of two pixels or more apart: into its two largest parts, or in the middle.

    Notes
    -----
    The middle is found by k-means of two on the pixels' places, weighted by their distance from
    the rim, which pulls the two centres into the two thick ends.
    """
    pixels = mask.window()
    parts, n = label(pixels)
    sizes = np.bincount(parts.ravel(), minlength=n + 1)[1:]
    order = np.argsort(sizes)[::-1]
    if n > 1 and sizes[order[1]] >= SECOND_PART * sizes[order[0]]:
        halves = [parts == order[0] + 1, parts == order[1] + 1]
    else:
        second = _nearer_to_second(pixels)
        halves = [pixels & ~second, pixels & second]
    one, other = (SparseMask.from_window(mask.shape, half, mask.origin_yx) for half in halves)
    return one, other


def deepest_pixel(mask: SparseMask) -> tuple[int, int]:
    """Find the (row, column) of the pixel of a mask that is farthest from its rim."""
    depth = distance_transform_edt(np.pad(mask.window(), 1))
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y) - 1 + mask.origin_yx[0], int(x) - 1 + mask.origin_yx[1]


def _nearer_to_second(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the pixels of the second of two groups, of about equal weight."""
    places = np.argwhere(pixels).astype(float)
    weights = distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1][pixels]
    _, _, axes = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)
    along = places @ axes[0]
    centres = places[[along.argmin(), along.argmax()]]
    second = np.zeros(len(places), bool)
    for _ in range(_ROUNDS):
        distances = np.linalg.norm(places[:, None] - centres, axis=2)
        second = distances[:, 1] < distances[:, 0]
        if second.all() or not second.any():
            break
        centres = np.array(
            [np.average(places[g], axis=0, weights=weights[g]) for g in (~second, second)]
        )
    if second.all() or not second.any():
        second = along > np.median(along)
    found = np.zeros(pixels.shape, bool)
    found[pixels] = second
    return found


def _largest_part(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n = label(pixels)
    if n == 0:
        return pixels
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)
