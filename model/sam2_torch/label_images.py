"""Label images, in which each object has a number of its own, as masks."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam2_torch.masks import SparseMask


def masks_of_labels(labels: ArrayLike) -> dict[int, SparseMask]:
    """Return the mask of each label of an image, by ascending label; 0 is background.

    Parameters
    ----------
    labels
        (H, W) of whole numbers in any dtype. They may be of any size and sign: memory and time
        depend on the number of labels only.

    Raises
    ------
    ValueError
        If the image has not two axes, or a pixel is not a whole number.
    """
    image = _whole_numbers(np.asarray(labels))
    if image.size == 0:
        return {}
    shape = (image.shape[0], image.shape[1])
    values, numbers = _numbered(image)
    from scipy.ndimage import find_objects

    masks = {}
    for number, where in enumerate(find_objects(numbers), start=1):
        if where is not None:
            origin = (where[0].start, where[1].start)
            window = numbers[where] == number
            masks[int(values[number])] = SparseMask.from_window(shape, window, origin)
    return masks


def _whole_numbers(labels: NDArray[Any]) -> NDArray[np.integer]:
    """Return labels as integers of the same value."""
    if labels.ndim != 2:
        raise ValueError(f"label image: expected the two axes y, x, found {labels.shape}")
    if labels.dtype.kind == "f":
        # beyond 2**53 neighbouring whole numbers share one float64
        is_whole = (labels == np.rint(labels)) & (np.abs(labels) <= 2.0**53)
        if is_whole.all():
            return labels.astype(np.int64)
        found = f"{labels[~is_whole][0]:g}"
    elif labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    elif labels.dtype.kind in "iu":
        return labels
    else:
        found = f"pixels of dtype {labels.dtype}"
    raise ValueError(
        f"label image: expected whole numbers, one for each object, found {found}; "
        "convert probabilities to labels first"
    )


def _numbered(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Replace labels by numbers of which the largest is below the number of pixels.

    Returns
    -------
    values
        The label of each number; that of 0 is 0.
    numbers
        (H, W).
    """
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < labels.size:
        return np.arange(high + 1), labels.astype(np.intp)
    values = np.unique(labels)
    values = values[values != 0]
    numbers = np.searchsorted(values, labels) + 1
    numbers[labels == 0] = 0
    return np.concatenate([np.zeros(1, values.dtype), values]), numbers


def connected_parts(mask: SparseMask) -> list[SparseMask]:
    """Return the parts of a mask that do not touch by an edge, largest first."""
    from scipy.ndimage import label

    if not mask:
        return []
    numbers, _ = label(mask.window())
    (y, x), parts = mask.origin_yx, []
    for part in masks_of_labels(numbers).values():
        origin = part.origin_yx[0] + y, part.origin_yx[1] + x
        parts.append(SparseMask(mask.shape, origin, part.extent_yx, part.bits))
    return sorted(parts, key=lambda part: part.area, reverse=True)
