"""The rules for masks of one frame that overlap."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam2_torch.automatic.found_masks import flat_pixels
from sam2_torch.automatic.non_max_suppression import intersections
from sam2_torch.automatic.options import COVERED, OWN_SHARE
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction


def near_pairs(boxes: ArrayLike) -> list[tuple[int, int]]:
    """Return the pairs of boxes that overlap, as ascending indices.

    Parameters
    ----------
    boxes
        (N, 4) of y0, x0, y1, x1, half open.
    """
    y0, x0, y1, x1 = np.asarray(boxes).reshape(-1, 4).T
    apart = (y0[:, None] >= y1) | (x0[:, None] >= x1)
    pairs = np.argwhere(np.triu(~(apart | apart.T), 1))
    return [(one, other) for one, other in pairs.tolist()]


def covered_shares(
    masks: list[SparseMask], others: Mapping[int, SparseMask]
) -> tuple[NDArray[np.float32], list[int]]:
    """Return which share of each mask each of the others covers, (N, M), and the ids of the M."""
    ids = list(others)
    pixels = [flat_pixels(mask) for mask in (*masks, *others.values())]
    shared = intersections(pixels)[: len(masks), len(masks) :]
    areas = np.array([max(len(places), 1) for places in pixels[: len(masks)]], np.float32)
    return shared / areas[:, None], ids


def covered_by(masks: Mapping[int, SparseMask], others: Mapping[int, SparseMask]) -> dict[int, int]:
    """Map masks that one of the others covers by more than half to the one that covers most."""
    visible = {i: mask for i, mask in masks.items() if mask}
    shares, ids = covered_shares(list(visible.values()), others)
    if not shares.size:
        return {}
    best = shares.argmax(1)
    return {i: ids[best[row]] for row, i in enumerate(visible) if shares[row].max() > COVERED}


def is_new(shares: NDArray[np.float32], max_covered: float) -> NDArray[np.bool_]:
    """Return which masks the others together cover by at most a share, (N,)."""
    covered: NDArray[np.floating] = shares.sum(1) if shares.size else np.zeros(len(shares))
    return np.asarray(covered <= max_covered)


def settle(predictions: Mapping[int, MaskPrediction]) -> tuple[dict[int, SparseMask], set[int]]:
    """Assign each pixel that several objects cover to the one with the highest logit there.

    A mask that the user gave has no logits: it keeps all of its pixels.

    Returns
    -------
    masks
        The masks without overlaps, by object id.
    doubled
        The objects that keep less than 1 - `OWN_SHARE` of their pixels: they coincide with
        another one.
    """
    masks = {i: one.sparse for i, one in predictions.items()}
    kept = {i: mask.window() for i, mask in masks.items() if mask}
    ids = list(kept)
    for a, b in near_pairs([masks[i].box for i in ids]):
        _settle_pair(predictions[ids[a]], predictions[ids[b]], kept[ids[a]], kept[ids[b]])
    doubled = set()
    for i, window in kept.items():
        before, (y, x) = masks[i].area, masks[i].origin_yx
        if window.sum() < before:
            masks[i] = SparseMask.from_window(masks[i].shape, window, (y, x))
            doubled |= {i} if masks[i].area < (1 - OWN_SHARE) * before else set()
    return masks, doubled


def _settle_pair(
    one: MaskPrediction,
    other: MaskPrediction,
    one_kept: NDArray[np.bool_],
    other_kept: NDArray[np.bool_],
) -> None:
    """Clear each shared pixel in the window of the object with the lower logit there."""
    rows, columns = shared_pixels(one.sparse, other.sparse)
    is_ones = _logits(one, rows, columns) >= _logits(other, rows, columns)
    for prediction, window, lost in ((one, one_kept, ~is_ones), (other, other_kept, is_ones)):
        y, x = prediction.sparse.origin_yx
        window[rows[lost] - y, columns[lost] - x] = False


def shared_pixels(one: SparseMask, other: SparseMask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pixels that two masks share, (P,) each."""
    y0, x0 = (max(pair) for pair in zip(one.origin_yx, other.origin_yx, strict=True))
    y1, x1 = (min(pair) for pair in zip(one.box[2:], other.box[2:], strict=True))
    where = slice(y0, max(y0, y1)), slice(x0, max(x0, x1))
    rows, columns = np.nonzero(one.part(*where) & other.part(*where))
    return rows + y0, columns + x0


def _logits(
    prediction: MaskPrediction, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    if prediction.coarse is None:
        return np.full(len(rows), np.inf, np.float32)
    return prediction.coarse.at(rows, columns)
