"""What overlapping masks of one frame say of their objects: pure decisions."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam2_torch.automatic.found_masks import flat_pixels
from sam2_torch.automatic.non_max_suppression import intersections
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction

INSIDE = 0.7  # of its area that makes a mask part of another
TOGETHER = 0.6  # of a mother's area that her daughters cover
LEAST_DAUGHTER = 0.2  # of the mother's area


class Division(NamedTuple):
    """A division that may have happened: a proposal.

    Attributes
    ----------
    frame
        The mother's last frame; the daughters' first one is the next.
    mother, daughters
        Object ids; one of the daughters may be the mother herself, which goes on as one.
    score
        0 to 1: how well the daughters cover where the mother was, times how alike they are in
        size.
    """

    frame: int
    mother: int
    daughters: tuple[int, int]
    score: float


def covered_shares(
    masks: list[SparseMask], others: Mapping[int, SparseMask]
) -> tuple[NDArray[np.float32], list[int]]:
    """Return which share of each mask each of the others covers, (N, M), and the ids of the M."""
    ids = list(others)
    pixels = [flat_pixels(mask) for mask in (*masks, *others.values())]
    shared = intersections(pixels)[: len(masks), len(masks) :]
    areas = np.array([max(len(places), 1) for places in pixels[: len(masks)]], np.float32)
    return shared / areas[:, None], ids


def is_new(shares: NDArray[np.float32], max_covered: float) -> NDArray[np.bool_]:
    """Return which masks the others together cover by at most a share, (N,)."""
    covered: NDArray[np.floating] = shares.sum(1) if shares.size else np.zeros(len(shares))
    return np.asarray(covered <= max_covered)


def find_splits(
    masks: list[SparseMask], shares: NDArray[np.float32], others: Mapping[int, SparseMask]
) -> dict[int, tuple[int, int]]:
    """Find objects of which two masks lie inside and cover most: they may have divided.

    Parameters
    ----------
    masks, shares
        What was found in a frame, and which share of each mask each object covers, (N, M).
    others
        The M objects' masks in this frame.

    Returns
    -------
    The numbers of the two masks by object id.
    """
    splits = {}
    for column, (object_id, mother) in enumerate(others.items()):
        area = max(mother.area, 1)
        parts = [
            i
            for i in (shares[:, column] >= INSIDE).nonzero()[0].tolist()
            if LEAST_DAUGHTER * area <= masks[i].area <= (1 - LEAST_DAUGHTER) * area
        ]
        parts = sorted(parts, key=lambda i: masks[i].area, reverse=True)[:2]
        if len(parts) == 2 and sum(masks[i].area for i in parts) >= TOGETHER * area:
            splits[object_id] = (parts[0], parts[1])
    return splits


def division_score(mother: SparseMask, daughters: tuple[SparseMask, SparseMask]) -> float:
    """Score a division, 0 to 1; see `Division`."""
    before = flat_pixels(mother)
    after = np.union1d(*(flat_pixels(daughter) for daughter in daughters))
    shared = len(np.intersect1d(before, after, assume_unique=True))
    union = len(before) + len(after) - shared
    small, large = sorted(daughter.area for daughter in daughters)
    return shared / union * small / large if union and large else 0.0


def settle(predictions: Mapping[int, MaskPrediction]) -> tuple[dict[int, SparseMask], set[int]]:
    """Assign pixels that several objects cover to the one with the highest mean logit there.

    Returns
    -------
    masks
        The masks without overlaps, by object id.
    doubled
        The objects that lost more than 70 % of their pixels: they coincide with another one.
    """
    masks = {i: one.sparse for i, one in predictions.items()}
    visible = [i for i, mask in masks.items() if mask]
    pixels = {i: flat_pixels(masks[i]) for i in visible}
    shared = intersections([pixels[i] for i in visible])
    lost: dict[int, list[NDArray[np.int64]]] = {}
    for a, b in np.argwhere(np.triu(shared, 1) > 0).tolist():
        one, other = visible[a], visible[b]
        both = np.intersect1d(pixels[one], pixels[other], assume_unique=True)
        logits = mean_logit(predictions[one], both), mean_logit(predictions[other], both)
        lost.setdefault(one if logits[0] < logits[1] else other, []).append(both)
    doubled = set()
    for i, pieces in lost.items():
        own = np.setdiff1d(pixels[i], np.concatenate(pieces), assume_unique=True)
        if len(own) < (1 - INSIDE) * len(pixels[i]):
            doubled.add(i)
        masks[i] = _from_pixels(own, masks[i].shape)
    return masks, doubled


def mean_logit(prediction: MaskPrediction, pixels: NDArray[np.int64]) -> float:
    """Return the mean of an object's logits over pixels, given as indices of the flat image.

    Notes
    -----
    The mask and the positive logits have the same bounding box, whatever the image's place in
    the network's input: it gives the scale.
    """
    inside = np.asarray(prediction.logits.numpy() > 0)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if len(rows) == 0:
        return float("-inf")
    places = np.unravel_index(pixels, prediction.sparse.shape)
    at = []
    for place, first, extent, reached in zip(
        places,
        prediction.sparse.origin_yx,
        prediction.sparse.extent_yx,
        (rows, columns),
        strict=True,
    ):
        share = (place - first + 0.5) / extent
        length = reached[-1] - reached[0] + 1
        at.append(reached[0] + np.clip((share * length).astype(np.int64), 0, length - 1))
    return float(prediction.logits.numpy()[at[0], at[1]].mean())


def _from_pixels(pixels: NDArray[np.int64], shape: tuple[int, int]) -> SparseMask:
    if len(pixels) == 0:
        return SparseMask.empty(shape)
    y, x = np.unravel_index(pixels, shape)
    origin = int(y.min()), int(x.min())
    window = np.zeros((y.max() - origin[0] + 1, x.max() - origin[1] + 1), bool)
    window[y - origin[0], x - origin[1]] = True
    return SparseMask.from_window(shape, window, origin)
