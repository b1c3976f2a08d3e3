"""An existing Labels layer as masks of many objects."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.layers.mask_layers.masklet_levels import is_own
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from sam2_torch.predictions import SparseMask

if TYPE_CHECKING:
    from napari.layers import Labels, Layer


def is_seeds(layer: "Layer") -> bool:
    """Tell whether a layer holds labels that come from elsewhere."""
    from napari.layers import Labels

    return isinstance(layer, Labels) and not is_own(layer)


def labels_of_frame(layer: "Labels", geometry: FrameGeometry, frame: int) -> NDArray[Any]:
    """Read the labels, (H, W), that lie on a frame of an image.

    Parameters
    ----------
    layer
        As many pixels as the image, in each frame or in one for all; it is taken to lie where
        the image lies.

    Raises
    ------
    ValueError
        If it has other pixels than the image.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(data.shape)
    if shape == geometry.shape:
        return np.asarray(data[geometry.index(frame)])
    if shape == geometry.frame_shape:
        return np.asarray(data)
    raise ValueError(
        f"{layer.name}: expected labels of {geometry.shape} or {geometry.frame_shape} pixels, "
        f"like the image, found {shape}"
    )


def masks_of_labels(labels: NDArray[Any]) -> dict[int, SparseMask]:
    """Take a label image, (H, W), apart into one mask for each label; 0 is background."""
    from scipy.ndimage import find_objects

    shape = (labels.shape[0], labels.shape[1])
    values = np.unique(labels)
    values = values[values != 0]
    numbers = np.searchsorted(values, labels) + 1  # labels may be large, or negative
    numbers[labels == 0] = 0
    masks: dict[int, SparseMask] = {}
    for number, where in enumerate(find_objects(numbers), start=1):
        window = numbers[where] == number
        origin = (where[0].start, where[1].start)
        masks[int(values[number - 1])] = SparseMask.from_window(shape, window, origin)
    return masks
