"""An image layer with its objects as a tracked movie: calibration from the layer."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from napari_sam2.io.tracks.label_movies import add_labels
from napari_sam2.layers.mask_layers.masklet_levels import is_own
from napari_sam2.layers.viewer.image_axes import steps_of
from napari_sam2.layers.viewer.image_geometry import (
    FrameGeometry,
    LayerFrames,
    full_resolution,
    is_stack,
)
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance
from napari_sam2.movies.calibration import Calibration
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer


def layer_axes(image: "Image", geometry: FrameGeometry) -> str:
    """Say what the frames follow: YX, TYX, ZYX or TZYX."""
    if geometry.plane_axis is not None:
        return "TZYX"
    if geometry.frame_axis is None:
        return "YX"
    return "ZYX" if is_stack(image, geometry) else "TYX"


def layer_calibration(image: "Image", geometry: FrameGeometry) -> Calibration:
    """Read pixel size, steps, units and origin of a layer; unknown where it counts pixels.

    Parameters
    ----------
    image
        The layer.
    geometry
        Which of its axes the frames follow.
    """
    axes = layer_axes(image, geometry)
    depth = geometry.frame_axis if geometry.plane_axis is None else geometry.plane_axis
    places = {"Y": image.ndim - 2, "X": image.ndim - 1}
    if "Z" in axes and depth is not None:
        places["Z"] = depth
    if axes.startswith("T") and geometry.frame_axis is not None:
        places["T"] = geometry.frame_axis
    return steps_of(image, places)


def measured_channels(
    image: "Image", geometry: FrameGeometry, others: Iterable["Layer"] = ()
) -> dict[str, LayerFrames]:
    """Name all channels whose intensities an object has: of the image, and of layers like it.

    Parameters
    ----------
    image, geometry
        What the masks lie on. Each place on its axis of channels is one.
    others
        Layers of the viewer. napari opens the channels of a file as layers of their own: image
        layers of the same shape at the same place are channels, too.
    """
    alike = [image, *(layer for layer in others if _lies_on(layer, image))]
    channels: dict[str, LayerFrames] = {}
    for layer in alike:
        axis = geometry.channel_axis
        if axis is None:
            channels[layer.name] = LayerFrames(layer, geometry)
            continue
        for number in range(full_resolution(layer).shape[axis]):
            one = Appearance(channels=(number,))
            channels[f"{layer.name}_{number}"] = LayerFrames(layer, geometry, one)
    return channels


def labels_on(
    image: "Image", geometry: FrameGeometry, layers: Iterable["Layer"]
) -> dict[str, Callable[[], Tracked]]:
    """List the Labels layers that have the shape of an image, and what reads each as objects.

    Those that show masks of this plugin are left out.
    """
    from napari.layers import Labels

    shape = full_resolution(image).shape
    if geometry.channel_axis is not None or len(shape) > image.ndim:
        return {}  # labels have neither channels nor colours
    return {
        layer.name: partial(_objects_of, layer, image, geometry)
        for layer in layers
        if isinstance(layer, Labels) and full_resolution(layer).shape == shape and not is_own(layer)
    }


def _objects_of(labels: "Labels", image: "Image", geometry: FrameGeometry) -> Tracked:
    masklets = Masklets(geometry.n_frames, geometry.frame_shape)
    for frame, pixels in enumerate(LayerFrames(labels, geometry)):
        add_labels(masklets, frame, pixels)
    axes, calibration = layer_axes(image, geometry), layer_calibration(image, geometry)
    return Tracked(masklets, axes=axes, calibration=calibration, n_planes=geometry.n_planes)


def _lies_on(layer: "Layer", image: "Image") -> "TypeGuard[Image]":
    from napari.layers import Image

    if layer is image or not isinstance(layer, Image):
        return False
    same_shape = full_resolution(layer).shape == full_resolution(image).shape
    return same_shape and all(
        np.allclose(getattr(layer, name), getattr(image, name)) for name in ("scale", "translate")
    )
