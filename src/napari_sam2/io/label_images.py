"""Object ids in label images, as every format can hold them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.masklets import LARGEST_ID as LARGEST_ID
from sam2_torch.label_images import masks_of_labels
from sam2_torch.masks import SparseMask


def object_masks(labels: NDArray[Any]) -> dict[int, SparseMask]:
    """Return the mask of each object in a label image, by ascending id.

    Parameters
    ----------
    labels
        (H, W) of whole numbers, in any dtype; 0 is background.

    Raises
    ------
    ValueError
        If a pixel is not a whole number, or no id that can be kept.
    """
    masks = masks_of_labels(labels)
    check_ids(masks)
    return masks


def check_ids(ids: Iterable[int], largest: int = LARGEST_ID) -> None:
    """Check that ids can be written.

    Parameters
    ----------
    ids
        Of objects.
    largest
        What the output can hold.

    Raises
    ------
    ValueError
        If one is 0, negative or too large.
    """
    wrong = next((i for i in ids if not 1 <= i <= largest), None)
    if wrong is not None:
        raise ValueError(
            f"object ids: expected 1..{largest} (0 is background), found {wrong}; number the "
            "objects again, for example with skimage.segmentation.relabel_sequential"
        )


def may_hold_other_ids(dtype: np.dtype[Any]) -> bool:
    """Return whether pixels of a type can be no object ids: negative, too large or fractions.

    Parameters
    ----------
    dtype
        Of the pixels.
    """
    return dtype.kind not in "bu" or dtype.itemsize > 4
