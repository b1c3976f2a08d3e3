"""Select one of several masks of the same object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPARSE_STEP = 50  # times as long as a step of a dense product


def intersections(pixels: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Count the pixels that each pair of masks shares, (N, N).

    Parameters
    ----------
    pixels
        For each mask its pixels as indices of a flat image.

    Notes
    -----
    A product of matrices of masks and pixels: sparse ones where the masks share little, as
    small cells do, else dense ones.
    """
    lengths = np.array([len(places) for places in pixels], np.int64)
    if lengths.sum() == 0:
        return np.zeros((len(pixels),) * 2, np.float32)
    used, columns = np.unique(np.concatenate(list(pixels)), return_inverse=True)
    size = len(pixels), len(used)
    sparse_steps = float((np.bincount(columns).astype(np.float64) ** 2).sum())
    if sparse_steps * SPARSE_STEP < size[0] ** 2 * size[1]:
        return _sparse_product(columns, lengths, size)
    rows = np.repeat(np.arange(size[0]), lengths)
    masks = np.zeros(size, np.float32)
    masks[rows, columns] = 1
    return masks @ masks.T


def _sparse_product(
    columns: NDArray[np.int64], lengths: NDArray[np.int64], size: tuple[int, int]
) -> NDArray[np.float32]:
    from scipy.sparse import csr_array

    starts = np.concatenate([[0], np.cumsum(lengths)])
    masks = csr_array((np.ones(len(columns), np.float32), columns, starts), shape=size)
    return np.asarray((masks @ masks.T).todense(), np.float32)


def mask_ious(shared: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert shared pixels, (N, N), to IoUs; two empty masks have 0."""
    areas = np.diag(shared)
    union = areas[:, None] + areas[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def box_ious(boxes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the IoU of each pair of boxes, (N, N).

    Parameters
    ----------
    boxes
        (N, 4) of y0, x0, y1, x1, last rows and columns included.

    Notes
    -----
    Extents are differences of the first and the last pixel, as in the reference
    (`batched_mask_to_box` with torchvision's `nms`).
    """
    first = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    last = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.clip(last - first, 0, None), axis=2, dtype=np.float32)
    extents = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float32)
    union = extents[:, None] + extents[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress(scores: NDArray[np.floating], too_close: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Select greedily by score so that no two of the selected are too close.

    Parameters
    ----------
    scores
        (N,).
    too_close
        (N, N) symmetric.

    Returns
    -------
    Indices of the selected, best first; of equal scores the first.
    """
    free = np.ones(len(scores), bool)
    chosen = []
    for i in np.argsort(-scores, kind="stable"):
        if free[i]:
            chosen.append(i)
            free &= ~too_close[i]
    return np.array(chosen, np.intp)
