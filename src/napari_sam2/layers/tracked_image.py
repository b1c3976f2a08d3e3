"""An image layer with its objects as a tracked movie: calibration from the layer."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from napari_sam2.io.tracks.label_movies import add_labels
from napari_sam2.layers.mask_layers.masklet_levels import is_own
from napari_sam2.layers.viewer.image_geometry import (
    FrameGeometry,
    LayerFrames,
    full_resolution,
    is_stack,
)
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

TIME_INTERVAL_KEY = "time_interval_s"
"""Of a layer's metadata: seconds from frame to frame, where its scale does not say so."""

_SHORT = {
    "micrometer": "um",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
_TIMES = ("s", "ms", "min", "h", "d")


def layer_axes(image: "Image", geometry: FrameGeometry) -> str:
    """Say what the frames follow: YX, TYX, ZYX or TZYX."""
    if geometry.plane_axis is not None:
        return "TZYX"
    if geometry.frame_axis is None:
        return "YX"
    return "ZYX" if is_stack(image, geometry) else "TYX"


def layer_calibration(image: "Image", geometry: FrameGeometry) -> Calibration:
    """Read pixel size, step and units; unknown where the layer counts pixels."""
    unit = _unit(image, -1)
    y, x = (abs(float(step)) for step in image.scale[-2:])
    axis, axes = geometry.frame_axis, layer_axes(image, geometry)
    step = None if axis is None else abs(float(image.scale[axis]))
    step_unit = None if axis is None else _unit(image, axis)
    interval, time_unit = (step, step_unit) if step_unit in _TIMES else (None, "s")
    depth = geometry.plane_axis if geometry.plane_axis is not None else axis
    if axes.startswith("T") and interval is None:
        interval = image.metadata.get(TIME_INTERVAL_KEY)
    return Calibration(
        pixel_size_yx=(y, x) if unit else None,
        unit=unit or "um",
        z_step=_step(image, depth) if "Z" in axes else None,
        time_interval=interval if axes.startswith("T") else None,
        time_unit=time_unit or "s",
    )


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


def _step(image: "Image", axis: int | None) -> float | None:
    """Get the step along an axis of depth; None where it counts planes."""
    if axis is None or _unit(image, axis) is None:
        return None
    return abs(float(image.scale[axis]))


def _unit(image: "Image", axis: int) -> str | None:
    """Get the short name of an axis' unit; None for pixels."""
    units: Any = image.units
    name = str(units[axis])
    return None if name in ("pixel", "dimensionless") else _SHORT.get(name, name)
