"""Estimate the daughters of a dividing object from the masks of their mother."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.masks.masklets import Masklets
from sam2_torch.automatic.divisions import ALIKE, ONE, PARTS_ALIKE
from sam2_torch.automatic.seeds import deepest_pixel
from sam2_torch.label_images import connected_parts
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction

APART = 0.1
"""Largest share of the smaller of two masks that may lie in the other one."""

_ROUNDS = 20  # of k-means; it settles in a few


class Seeding(StrEnum):
    """The first prompts of daughters."""

    CLICKS = "a click into each half"
    NETWORK = "the network's own masks"
    HALVES = "halves of the mask"


def daughter_masks(
    masklets: Masklets, mother: int, frame: int, step: int = 1
) -> tuple[SparseMask, SparseMask]:
    """Estimate the two daughters of an object on the frame on which they appear.

    The mother's mask there is split into its two largest parts, or across its long axis. If the
    mask shrank at once, it is one daughter, and the pixels that it left are the other.

    Parameters
    ----------
    masklets
        Hold a mask of the mother on the frame or on the one before.
    mother
        Object id.
    frame
        The first frame of the daughters.
    step
        Number of frames back to the previous mask of the mother: in a movie of stacks the number
        of planes.

    Raises
    ------
    ValueError
        If there is no mask of the mother, or it has fewer than two pixels.
    """
    now = masklets.get(mother, frame)
    before = masklets.get(mother, frame - step) if frame >= step else None
    if before and now and now.area <= ONE * before.area:
        around = [slice(part.start - 1, part.stop + 1) for part in before.slices]
        near = binary_dilation(now.part(around[0], around[1]), iterations=1)[1:-1, 1:-1]
        rest = SparseMask.from_window(before.shape, before.window() & ~near, before.origin_yx)
        left = connected_parts(rest)[:1]
        if left and left[0].area >= PARTS_ALIKE * now.area:
            return now, left[0]
    whole = now or before
    if not whole or whole.area < 2:
        raise ValueError(
            f"object {mother}: expected a mask to divide in frame {frame} or the one before, "
            "found none; go to the frame in which the two daughters appear"
        )
    return split_mask(whole)


def split_mask(mask: SparseMask) -> tuple[SparseMask, SparseMask]:
    """Split a mask of at least two pixels into its two largest parts, or into two halves.

    Notes
    -----
    The halves are the two clusters of k-means on the coordinates of the pixels, weighted by
    their distance from the border, which pulls the centres into the two thick ends.
    """
    parts = connected_parts(mask)
    if len(parts) > 1 and parts[1].area >= PARTS_ALIKE * parts[0].area:
        return parts[0], parts[1]
    pixels = mask.window()
    second = _nearer_to_second(pixels)
    halves = pixels & ~second, pixels & second
    one, other = (SparseMask.from_window(mask.shape, half, mask.origin_yx) for half in halves)
    return one, other


def seed_prompts(
    seeding: Seeding, halves: tuple[SparseMask, SparseMask], choices: tuple[int, int] | None = None
) -> tuple[DrawnPrompts, DrawnPrompts]:
    """Return the prompts of the two daughters on their first frame.

    Parameters
    ----------
    seeding
        A positive click into the daughter's half and a negative one into the other; a single
        click with one of its candidate masks; or the half as a mask.
    halves
        Estimated masks of the daughters.
    choices
        Indices of the candidates of the two single clicks (`disjoint_pair`); None for clicks into
        both halves.
    """
    if seeding is Seeding.HALVES:
        return DrawnPrompts(painted=halves[0]), DrawnPrompts(painted=halves[1])
    (y0, x0), (y1, x1) = (map(float, deepest_pixel(half)) for half in halves)
    if seeding is Seeding.NETWORK and choices is not None:
        first, second = (choice or None for choice in choices)
        return DrawnPrompts(((y0, x0, 1),), choice=first), DrawnPrompts(
            ((y1, x1, 1),), choice=second
        )
    return DrawnPrompts(((y0, x0, 1), (y1, x1, 0))), DrawnPrompts(((y1, x1, 1), (y0, x0, 0)))


def disjoint_pair(
    first: Sequence[MaskPrediction], second: Sequence[MaskPrediction]
) -> tuple[int, int] | None:
    """Choose the two disjoint masks of the highest confidence.

    Parameters
    ----------
    first, second
        Candidate masks of a click into each of the two daughters.

    Returns
    -------
    Their indices in the two lists; None if no two masks of similar size are disjoint.
    """
    pairs = {
        (i, j): one.iou + other.iou
        for i, one in enumerate(first)
        for j, other in enumerate(second)
        if _are_apart(one.sparse, other.sparse)
    }
    return max(pairs, key=lambda pair: pairs[pair], default=None)


def _are_apart(one: SparseMask, other: SparseMask) -> bool:
    smaller, larger = sorted((one.area, other.area))
    if not smaller or smaller < ALIKE * larger:
        return False
    return one.overlap(other) <= APART * smaller


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
