"""OME-Zarr's metadata, versions 0.4 and 0.5: axes, resolutions and calibration of an image.

Notes
-----
Specification: ngff.openmicroscopy.org/0.4 and /0.5. In 0.4 (and before) the keys lie in the
attributes of a Zarr 2 group, in 0.5 under `ome` in those of a Zarr 3 group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from napari_sam2.movies.movie import Calibration

Attributes: TypeAlias = Mapping[str, Any]
Version: TypeAlias = Literal["0.4", "0.5"]
ZARR_FORMAT: dict[Version, Literal[2, 3]] = {"0.4": 2, "0.5": 3}

AXIS_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
LONG_UNITS = {
    "um": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "s": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
SHORT_UNITS = {long: short for short, long in LONG_UNITS.items()}
"""Units as OME-Zarr and GEFF write them (`LONG_UNITS`), and back."""


@dataclass(frozen=True)
class Multiscale:
    """One image of an OME-Zarr group.

    Parameters
    ----------
    axes
        One letter of TCZYX for each axis.
    paths
        The array of each resolution in the group, finest first.
    scales
        Of each resolution, the length of a pixel along each axis in `calibration`'s units;
        1 where nothing is known.
    calibration
        What is known of pixels and time steps at full resolution.
    """

    axes: str
    paths: tuple[str, ...]
    scales: tuple[tuple[float, ...], ...]
    calibration: Calibration

    @classmethod
    def find(cls, attributes: Attributes) -> "Multiscale | None":
        """Read the first image that a group's attributes tell of; None if they tell of none.

        Raises
        ------
        ValueError
            If they do not say where its pixels are, or name an axis that is none of TCZYX.
        """
        images = ome_attributes(attributes).get("multiscales")
        if not images:
            return None
        image = images[0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in _axes(image)]
        letters = "".join(str(axis.get("name", "?")).upper() for axis in axes)
        if not set(letters) <= set(AXIS_TYPES) or len(set(letters)) != len(letters):
            names = ",".join(str(axis.get("name")) for axis in axes)
            raise ValueError(f"OME-Zarr: expected the axes t, c, z, y and x, found {names}")
        datasets = image.get("datasets") or []
        if not datasets or not all("path" in dataset for dataset in datasets):
            raise ValueError("OME-Zarr: expected datasets with a path each, found none")
        whole = _scale(image, len(axes))
        scales = [
            tuple(a * b for a, b in zip(_scale(dataset, len(axes)), whole, strict=True))
            for dataset in datasets
        ]
        units = {letter: axis.get("unit") for letter, axis in zip(letters, axes, strict=True)}
        calibration = _calibration(dict(zip(letters, scales[0], strict=True)), units)
        paths = tuple(str(dataset["path"]) for dataset in datasets)
        return cls(letters, paths, tuple(scales), calibration)

    @classmethod
    def of(
        cls,
        axes: str,
        calibration: Calibration,
        paths: Sequence[str] = ("0",),
        factors: Sequence[int] = (1,),
    ) -> "Multiscale":
        """Describe an image that is to be written.

        Parameters
        ----------
        axes
            One letter of TCZYX for each axis.
        calibration
            Its pixel size and the like.
        paths, factors
            The array of each resolution, and how many pixels in y and in x one of its is.
        """
        y, x = calibration.pixel_size_yx or (1.0, 1.0)
        known = {
            "T": calibration.time_interval or 1.0,
            "C": 1.0,
            "Z": calibration.z_step or 1.0,
            "Y": y,
            "X": x,
        }
        scales = [
            tuple(known[letter] * (factor if letter in "YX" else 1) for letter in axes)
            for factor in factors
        ]
        return cls(axes, tuple(paths), tuple(scales), calibration)

    def attributes(self, version: Version, name: str = "") -> dict[str, Any]:
        """Make the attributes of the group."""
        image: dict[str, Any] = {
            "name": name,
            "axes": [self._axis(letter) for letter in self.axes],
            "datasets": [
                {
                    "path": path,
                    "coordinateTransformations": [{"type": "scale", "scale": list(scale)}],
                }
                for path, scale in zip(self.paths, self.scales, strict=True)
            ],
        }
        if version == "0.4":
            return {"multiscales": [image | {"version": version}]}
        return {"ome": {"version": version, "multiscales": [image]}}

    def _axis(self, letter: str) -> dict[str, str]:
        axis = {"name": letter.lower(), "type": AXIS_TYPES[letter]}
        known = self.calibration
        has_unit = {
            "T": known.time_interval,
            "Z": known.z_step,
            "Y": known.pixel_size_yx,
            "X": known.pixel_size_yx,
        }
        if has_unit.get(letter):
            unit = known.time_unit if letter == "T" else known.unit
            axis["unit"] = LONG_UNITS.get(unit, unit)
        return axis


def ome_attributes(attributes: Attributes) -> Attributes:
    """Give the part of a group's attributes that is OME's, in whichever version."""
    nested = attributes.get("ome")
    return nested if isinstance(nested, Mapping) else attributes


def _axes(image: Attributes) -> Sequence[Any]:
    return image.get("axes") or "tczyx"  # versions 0.1 and 0.2 have all five, and do not say so


def _scale(described: Attributes, n_axes: int) -> tuple[float, ...]:
    """Read the scale among coordinate transformations; 1 along each axis if there is none."""
    for transformation in described.get("coordinateTransformations") or ():
        scale = transformation.get("scale")
        if transformation.get("type") == "scale" and scale and len(scale) == n_axes:
            return tuple(float(number) for number in scale)
    return (1.0,) * n_axes


def _calibration(scale: Mapping[str, float], units: Mapping[str, str | None]) -> Calibration:
    """Take the lengths that have a unit: without one, a scale says nothing of the world."""
    known = {letter: scale[letter] for letter, unit in units.items() if unit and scale[letter] > 0}
    pixel_size_yx = (known["Y"], known["X"]) if {"Y", "X"} <= set(known) else None
    space = units.get("X") or units.get("Z") or "um"
    time = units.get("T") or "s"
    return Calibration(
        pixel_size_yx,
        SHORT_UNITS.get(space, space),
        known.get("Z"),
        known.get("T"),
        SHORT_UNITS.get(time, time),
    )
