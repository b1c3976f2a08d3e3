"""Read seeds and label images from Points and Labels layers."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.layers.mask_layers.masklet_levels import is_own
from napari_sam2.layers.viewer.image_geometry import (
    FrameGeometry,
    full_resolution,
    to_image_pixels,
)

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer, Points


def point_seeds(
    points: "Points", image: "Image", geometry: FrameGeometry, frame: int
) -> NDArray[np.float32]:
    """Read the points that lie in a frame of an image, (N, 2) rows and columns in its pixels.

    Parameters
    ----------
    points
        A layer of as many dimensions as the image; or of two, whose points are in each frame.

    Raises
    ------
    ValueError
        If the layer has another number of dimensions.
    """
    positions = np.asarray(points.data, float).reshape(-1, points.ndim)
    if points.ndim == image.ndim:
        pixels = to_image_pixels(positions, points, image)
        leading = np.rint(pixels[:, :-2]).astype(int)
        here = (leading == np.array(geometry.index(frame), int)).all(1)
        seeds = pixels[here, -2:]
    elif points.ndim == 2:
        world = np.array([points.data_to_world(position) for position in positions]).reshape(-1, 2)
        origin = np.asarray(image.data_to_world((*geometry.index(frame), 0, 0)))
        places = np.tile(origin, (len(world), 1))
        places[:, -2:] = world
        seeds = np.array([image.world_to_data(place)[-2:] for place in places]).reshape(-1, 2)
    else:
        raise ValueError(
            f"seeds: expected a Points layer of 2 or {image.ndim} dimensions, "
            f"{points.name} has {points.ndim}"
        )
    inside = (seeds >= -0.5) & (seeds <= np.array(geometry.frame_shape) - 0.5)
    return seeds[inside.all(1)].astype(np.float32)


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
    data = full_resolution(layer)
    shape = tuple(data.shape)
    if shape == geometry.shape:
        return np.asarray(data[geometry.index(frame)])
    if shape == geometry.frame_shape:
        return np.asarray(data)
    raise ValueError(
        f"{layer.name}: expected labels of {geometry.shape} or {geometry.frame_shape} pixels, "
        f"like the image, found {shape}"
    )
