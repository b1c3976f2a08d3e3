"""What each axis of an image layer is, and the size of a step along it: read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.layers.viewer.camera import camera_of
from napari_sam2.layers.viewer.image_geometry import (
    CHANNEL_NAMES,
    DEPTH_NAMES,
    TIME_NAMES,
    full_resolution,
)
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.movies.units import unit_name

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

TIME_INTERVAL_KEY = "time_interval_s"
"""Of a layer's metadata: seconds from frame to frame, where its scale does not say so."""

UNKNOWN = "?"
_NAMES = {"T": TIME_NAMES, "Z": DEPTH_NAMES, "C": CHANNEL_NAMES}
_DIMENSIONS = {"[length]": "Z", "[time]": "T"}


@dataclass(frozen=True)
class ImageAxes:
    """The axes of an image and its calibration.

    Parameters
    ----------
    letters
        One for each axis: T, Z, C, then Y and X; `UNKNOWN` for a leading axis of which nothing is
        known.
    calibration
        Pixel size, plane distance and frame interval.
    """

    letters: str
    calibration: Calibration

    def completed(self, *others: "ImageAxes | None") -> "ImageAxes":
        """Return these axes with what is unknown taken from others of the same image, in turn."""
        found = self
        for other in others:
            found = found if other is None else found._with(other)
        return found

    def _with(self, other: "ImageAxes") -> "ImageAxes":
        letters = "".join(
            theirs if own == UNKNOWN and theirs not in self.letters else own
            for own, theirs in zip(self.letters, other.letters, strict=True)
        )
        own_steps = {
            letter: self.calibration.axis(letter) for letter in letters if letter in "TZYX"
        }
        lacking = [
            letter
            for letter, own in own_steps.items()
            if own.step is None and other.calibration.axis(letter).step is not None
        ]
        if not lacking:
            return self if letters == self.letters else ImageAxes(letters, self.calibration)
        steps = own_steps | {letter: other.calibration.axis(letter) for letter in lacking}
        return ImageAxes(letters, Calibration.of_axes(steps))

    def named(self, names: Sequence[str]) -> "ImageAxes":
        """Return these axes with those that were given a name of time, depth or channel.

        Parameters
        ----------
        names
            Of each axis; empty where none was given.
        """
        letters = list(self.letters)
        for axis, name in enumerate(names[:-2]):
            letter = _letter_of_name(name)
            if letter:
                letters = [UNKNOWN if each == letter else each for each in letters]
                letters[axis] = letter
        return ImageAxes("".join(letters), self.calibration)


def axes_of(image: "Image", names: Sequence[str] = ()) -> ImageAxes:
    """Read the axes of a layer: by their names, or else by their units.

    Parameters
    ----------
    image
        The layer.
    names
        Names of the viewer's axes, for those that have none in the layer.
    """
    viewers = [*[""] * image.ndim, *names][-image.ndim :]
    letters = [
        _letter(label, unit, name)
        for label, unit, name in zip(image.axis_labels, image.units, viewers, strict=True)
    ]
    found = "".join(letters[:-2]) + "YX"
    once = [UNKNOWN if letter in found[:at] else letter for at, letter in enumerate(found)]
    return ImageAxes(
        "".join(once), steps_of(image, dict(zip(once, range(image.ndim), strict=True)))
    )


def steps_of(image: "Image", places: Mapping[str, int]) -> Calibration:
    """Read the calibration of a layer; unknown where it counts pixels.

    Parameters
    ----------
    image
        The layer.
    places
        The axis of each letter.
    """
    units: Any = image.units
    axes = {
        letter: AxisScale(float(image.scale[at]), str(units[at]), float(image.translate[at]))
        for letter, at in places.items()
        if letter in "TZYX"
    }
    interval = image.metadata.get(TIME_INTERVAL_KEY)
    time = Calibration.of_axes(axes)
    if "T" in axes and interval and not (time.time_interval and time.time_unit):
        axes["T"] = AxisScale(interval, "s")
    return Calibration.of_axes(axes)


def axes_of_file(
    image: "Image", letters: str, shape: Sequence[int], calibration: Calibration
) -> ImageAxes | None:
    """Match the axes of a file with those of the layer that was opened from it.

    Parameters
    ----------
    image
        The layer; axes of length 1 and the channels may be missing in it.
    letters, shape, calibration
        Of the file.

    Returns
    -------
    None if the shapes do not match.
    """
    there = [(a, n) for a, n in zip(letters, shape, strict=True) if n != 1 and a != "S"]
    own = [(at, n) for at, n in enumerate(full_resolution(image).shape[: image.ndim]) if n != 1]
    for pairs in (there, [pair for pair in there if pair[0] != "C"]):
        if [n for _, n in pairs] == [n for _, n in own]:
            found = [UNKNOWN] * (image.ndim - 2) + ["Y", "X"]
            for (at, _), (letter, _) in zip(own, pairs, strict=True):
                found[at] = letter
            return ImageAxes("".join(found), calibration)
    return None


def write_axes(viewer: "ViewerModel", image: "Image", axes: ImageAxes) -> None:
    """Give a layer names, scale and units of its axes; what the viewer shows stays in view.

    Layers that lay on the same pixels before do so afterwards.

    Parameters
    ----------
    viewer, image
        The layer in its viewer.
    axes
        Of the layer; unknown steps become pixels.
    """
    steps = [axes.calibration.axis(letter) for letter in axes.letters]
    signs = np.where(np.asarray(image.scale) < 0, -1, 1)
    scale = np.array([abs(axis.step or 1.0) for axis in steps]) * signs
    units = [unit_name(axis.unit) or "pixel" for axis in steps]
    labels = [
        letter.lower()
        if letter != UNKNOWN
        else str(at - image.ndim)
        if _letter_of_name(label)
        else label
        for at, (letter, label) in enumerate(zip(axes.letters, image.axis_labels, strict=True))
    ]
    image.metadata.pop(TIME_INTERVAL_KEY, None)
    place_layers(viewer, image, labels, scale.tolist(), units)


def place_layers(
    viewer: "ViewerModel",
    image: "Image",
    labels: Sequence[str],
    scale: Sequence[float],
    units: Sequence[str],
) -> None:
    """Set names, steps and units of all axes of a layer, as `write_axes` does."""
    aligned = [layer for layer in viewer.layers if _is_aligned(layer, image)]
    kept = _View(viewer, image)
    for layer in (image, *(each for each in aligned if each is not image)):
        _place(layer, np.asarray(scale), units, labels)
    kept.restore()


def typed_names(viewer: "ViewerModel", image: "Image") -> list[str]:
    """Return the names that the user typed at the sliders, which napari gives to no layer.

    Returns
    -------
    One for each axis of the image; empty where the viewer's name is that of its layers.
    """
    shown = viewer.dims.axis_labels
    given = getattr(viewer.layers, "axis_labels", shown)  # napari before 0.9 has none
    names = ["" if name == known else name for name, known in zip(shown, given, strict=False)]
    return [*[""] * image.ndim, *names][-image.ndim :]


def _letter_of_name(name: str) -> str | None:
    return next((a for a, names in _NAMES.items() if str(name).lower() in names), None)


def _letter(label: str, unit: Any, name: str) -> str:
    by_name = _letter_of_name(label) or _letter_of_name(name)
    if by_name:
        return by_name
    dimensions = [each for each in _DIMENSIONS if dict(unit.dimensionality) == {each: 1}]
    return _DIMENSIONS[dimensions[0]] if dimensions else UNKNOWN


def _is_aligned(layer: "Layer", image: "Image") -> bool:
    n = min(layer.ndim, image.ndim)
    return bool(np.allclose(layer.scale[-n:], image.scale[-n:])) and list(layer.units[-n:]) == list(
        image.units[-n:]
    )


def _place(layer: "Layer", scale: Any, units: Sequence[str], labels: Sequence[str]) -> None:
    n = min(layer.ndim, len(scale))
    before = np.asarray(layer.scale, float)
    now = np.array([*before[: layer.ndim - n], *scale[-n:]])
    if not np.allclose(before, now, rtol=1e-9):
        layer.translate = np.asarray(layer.translate) * now / before
        layer.scale = now
    layer.units = [*map(str, layer.units[: layer.ndim - n]), *units[-n:]]
    layer.axis_labels = [*layer.axis_labels[: layer.ndim - n], *labels[-n:]]


class _View:
    """The place in an image that a viewer shows, found again after the image was scaled."""

    def __init__(self, viewer: "ViewerModel", image: "Image") -> None:
        self._viewer, self._image = viewer, image
        self._axes = list(viewer.dims.displayed)
        middle = list(viewer.dims.point)
        for axis, place in zip(self._axes, self._centre(), strict=True):
            middle[axis] = place
        self._point = image.world_to_data(viewer.dims.point)
        self._middle = image.world_to_data(middle)
        self._width = abs(float(image.scale[-1]))

    def restore(self) -> None:
        """Show the same frame and the same pixels again."""
        viewer, image, camera = self._viewer, self._image, camera_of(self._viewer)
        offset = viewer.dims.ndim - image.ndim
        point, middle = image.data_to_world(self._point), image.data_to_world(self._middle)
        leading = range(image.ndim - 2)
        viewer.dims.set_point([axis + offset for axis in leading], [point[a] for a in leading])
        if viewer.dims.ndisplay == 3:
            viewer.reset_view()
            return
        shown = [middle[axis - offset] for axis in self._axes if axis >= offset]
        if len(shown) == len(self._axes):
            camera.center = (*camera.center[: -len(shown)], *shown)
            camera.zoom *= self._width / abs(float(image.scale[-1]))

    def _centre(self) -> list[float]:
        return list(camera_of(self._viewer).center)[-len(self._axes) :]
