"""Masks of objects without prompts, and the rules that select them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from sam2_torch.automatic.non_max_suppression import box_ious, intersections, mask_ious, suppress
from sam2_torch.automatic.options import OWN_SHARE, Contrast, ObjectRules
from sam2_torch.masks import SparseMask

RING = 3  # pixels around an object that it is compared with


@dataclass(frozen=True, eq=False)
class AutomaticMask:
    """One object that was found without a prompt.

    Parameters
    ----------
    sparse
        The mask in image pixels.
    score
        `iou` times `stability`, 0 to 1.
    iou, stability
        Predicted IoU, 0 to 1; IoU of the masks at a raised and a lowered threshold. Of masks of
        the instance decoder the mean foreground, 0 to 1, and how distinct the centre is, 0 to 1.
    seed_yx
        Row and column in image pixels of the click that gave the mask, or of its centre.
    """

    sparse: SparseMask
    score: float
    iou: float
    stability: float
    seed_yx: tuple[float, float]


def clean(mask: SparseMask, min_part_area: float) -> SparseMask:
    """Fill holes and remove specks below an area in pixels; the largest part always stays."""
    if min_part_area <= 0 or not mask:
        return mask
    window = mask.window()
    holes = binary_fill_holes(window) & ~window
    window = window | (holes & ~_large_parts(holes, min_part_area))
    parts = _large_parts(window, min_part_area)
    return SparseMask.from_window(
        mask.shape, parts if parts.any() else _largest_part(window), mask.origin_yx
    )


def keep_rules(
    masks: Iterable[AutomaticMask], rules: ObjectRules, image: Any
) -> list[AutomaticMask]:
    """Select masks by area, border and contrast, and clean them.

    Parameters
    ----------
    masks
        Masks of one image.
    rules
        What counts as an object.
    image
        (H, W) float, or None if the contrast does not count.
    """
    largest = np.inf if rules.max_area is None else rules.max_area
    kept = []
    for mask in masks:
        sparse = clean(mask.sparse, rules.min_part_area)
        if not sparse or not rules.min_area <= sparse.area <= largest:
            continue
        if rules.exclude_border and sparse.touches_border:
            continue
        if rules.contrast != "any" and contrast_of(sparse, image) != rules.contrast:
            continue
        kept.append(replace(mask, sparse=sparse))
    return kept


def contrast_of(mask: SparseMask, image: NDArray[np.float32]) -> Contrast:
    """Return "bright" or "dark" as an object is beside a ring around it; "any" if neither."""
    rows, columns = (
        slice(max(0, axis.start - RING), min(axis.stop + RING, extent))
        for axis, extent in zip(mask.slices, mask.shape, strict=True)
    )
    window = mask.part(rows, columns)
    pixels = image[rows, columns]
    ring = binary_dilation(window, iterations=RING) & ~window
    if not ring.any():
        return "any"
    inside, outside = pixels[window].mean(), pixels[ring].mean()
    return "bright" if inside > outside else "dark" if inside < outside else "any"


def drop_duplicates(
    masks: Sequence[AutomaticMask], max_box_iou: float, max_mask_iou: float
) -> list[AutomaticMask]:
    """Select masks so that no two overlap beyond the limits; of each pair the better one stays.

    Parameters
    ----------
    masks
        Masks of one image.
    max_box_iou, max_mask_iou
        Largest IoU of boxes and of masks that two of them may have.

    Returns
    -------
    list of AutomaticMask
        Best first.
    """
    scores = np.array([mask.score for mask in masks])
    shared = intersections([flat_pixels(mask.sparse) for mask in masks])
    boxes = np.array([mask.sparse.box for mask in masks], np.int64).reshape(-1, 4)
    boxes -= (0, 0, 1, 1)  # to last rows and columns
    too_close = (mask_ious(shared) > max_mask_iou) | (box_ious(boxes) > max_box_iou)
    return [masks[i] for i in suppress(scores, too_close)]


def share_out(masks: Sequence[AutomaticMask], rules: ObjectRules) -> list[AutomaticMask]:
    """Assign each pixel to the best of the masks that cover it.

    A mask that keeps less than 70 % of its area, or less than the smallest area, is dropped; of
    one that is cut apart the largest part stays.

    Parameters
    ----------
    masks
        Best first.
    rules
        Their smallest area counts here, too.
    """
    kept: list[AutomaticMask] = []
    if not masks:
        return kept
    taken = np.zeros(masks[0].sparse.shape, bool)
    for mask in masks:
        window, place = mask.sparse.window(), mask.sparse.slices
        own = window & ~taken[place]
        if own.sum() < window.sum():
            own = _largest_part(own)
        if own.sum() < max(OWN_SHARE * window.sum(), rules.min_area, 1):
            continue
        taken[place] |= own
        sparse = SparseMask.from_window(mask.sparse.shape, own, mask.sparse.origin_yx)
        kept.append(replace(mask, sparse=sparse))
    return kept


def flat_pixels(mask: SparseMask) -> NDArray[np.int64]:
    """Return a mask's pixels as indices of the flat image."""
    y, x = mask.window().nonzero()
    return (y + mask.origin_yx[0]) * mask.shape[1] + x + mask.origin_yx[1]


def _large_parts(mask: NDArray[np.bool_], min_area: float) -> NDArray[np.bool_]:
    parts, _ = label(mask)
    areas = np.bincount(parts.ravel())
    large = areas >= min_area
    large[0] = False
    return large[parts]


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n = label(mask)
    if n < 2:
        return mask
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return np.asarray(parts == areas.argmax())
