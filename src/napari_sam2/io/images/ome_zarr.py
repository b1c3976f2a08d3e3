"""OME-Zarr's metadata, versions 0.4 and 0.5: axes, resolutions and calibration of an image.

Notes
-----
Specification: ngff.openmicroscopy.org/0.4 and /0.5. In 0.4 (and before) the keys lie in the
attributes of a Zarr 2 group, in 0.5 under `ome` in those of a Zarr 3 group. The models of
ome-zarr-models and yaozarrs are not used to read: they refuse images that lack a scale or name an
axis in their own way, and such images are common.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from napari_sam2.movies.axes import letters_of
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.movies.units import unit_name

Attributes: TypeAlias = Mapping[str, Any]
Version: TypeAlias = Literal["0.4", "0.5"]
ZARR_FORMAT: dict[Version, Literal[2, 3]] = {"0.4": 2, "0.5": 3}

_TYPES = {"T": "time", "C": "channel"}


@dataclass(frozen=True)
class Multiscale:
    """One image of an OME-Zarr group.

    Parameters
    ----------
    axes
        One letter of TCZYX for each axis.
    paths
        The array of each resolution in the group, finest first.
    calibration
        What is known of pixels and time steps at full resolution.
    factors
        How many pixels in y and in x one of each resolution is; for writing.
    """

    axes: str
    paths: tuple[str, ...]
    calibration: Calibration
    factors: tuple[int, ...] = (1,)

    @classmethod
    def find(cls, attributes: Attributes, axes: str | None = None) -> "Multiscale | None":
        """Read the first image in the attributes of a group.

        Parameters
        ----------
        attributes
            Those of the Zarr group.
        axes
            The user's axes, one letter for each; they win over the names in the file.

        Returns
        -------
        None if the attributes have no image.

        Raises
        ------
        ValueError
            If they lack the paths of its arrays, or name an axis that is not known.
        """
        images = ome_attributes(attributes).get("multiscales")
        if not images:
            return None
        image = images[0]
        named = [axis if isinstance(axis, dict) else {"name": axis} for axis in _axes(image)]
        names = [axis.get("name") for axis in named]
        letters = (axes or "").upper() or letters_of(names, [axis.get("type") for axis in named])
        if letters is None:
            raise ValueError(
                f"OME-Zarr: expected the axes t, c, z, y and x, found {','.join(map(str, names))}; "
                "give the axes yourself, one letter of TZCYX for each"
            )
        datasets = image.get("datasets") or []
        if not datasets or not all("path" in dataset for dataset in datasets):
            raise ValueError("OME-Zarr: expected datasets with a path each, found none")
        units = [axis.get("unit") for axis in named]
        scales = _scales(datasets[0], image, units) if len(letters) == len(named) else []
        calibration = Calibration.of_axes(dict(zip(letters, scales, strict=False)))
        return cls(letters, tuple(str(dataset["path"]) for dataset in datasets), calibration)

    def attributes(self, version: Version, name: str = "") -> dict[str, Any]:
        """Return the attributes of the group.

        Parameters
        ----------
        version
            Of OME-Zarr.
        name
            Of the image.
        """
        image: dict[str, Any] = {
            "name": name,
            "axes": [self._axis(letter) for letter in self.axes],
            "datasets": [
                {"path": path, "coordinateTransformations": self._transformations(factor)}
                for path, factor in zip(self.paths, self.factors, strict=True)
            ],
        }
        if version == "0.4":
            return {"multiscales": [image | {"version": version}]}
        return {"ome": {"version": version, "multiscales": [image]}}

    def _axis(self, letter: str) -> dict[str, str]:
        axis = {"name": letter.lower(), "type": _TYPES.get(letter, "space")}
        unit = unit_name(self.calibration.axis(letter).unit)
        return axis | ({"unit": unit} if unit else {})

    def _transformations(self, factor: int) -> list[dict[str, Any]]:
        factors = [factor if letter in "YX" else 1 for letter in self.axes]
        known = [self.calibration.axis(letter) for letter in self.axes]
        steps = [float(axis.step or 1.0) for axis in known]
        scale = [step * factor for step, factor in zip(steps, factors, strict=True)]
        # the centre of a pixel of a lower resolution lies between those that it is made of
        origin = [
            axis.origin + step * (factor - 1) / 2
            for axis, step, factor in zip(known, steps, factors, strict=True)
        ]
        found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        return found + ([{"type": "translation", "translation": origin}] if any(origin) else [])


def ome_attributes(attributes: Attributes) -> Attributes:
    """Return the part of a group's attributes that is OME's, in whichever version.

    Parameters
    ----------
    attributes
        Those of the Zarr group.
    """
    nested = attributes.get("ome")
    return nested if isinstance(nested, Mapping) else attributes


def _axes(image: Attributes) -> Sequence[Any]:
    return image.get("axes") or "tczyx"  # versions 0.1 and 0.2 have all five, and do not name them


def _scales(dataset: Attributes, image: Attributes, units: list[Any]) -> list[AxisScale]:
    """Read scale and translation of a resolution, and then of the whole image."""
    n = len(units)
    inner, outer = _numbers(dataset, "scale", n), _numbers(image, "scale", n)
    shift, whole = (_numbers(part, "translation", n) for part in (dataset, image))
    if inner is None and outer is None:
        return []
    ones, zeros = [1.0] * n, [0.0] * n
    columns = (inner or ones, shift or zeros, outer or ones, whole or zeros, units)
    return [
        AxisScale(step * factor, str(unit or ""), first * factor + moved)
        for step, first, factor, moved, unit in zip(*columns, strict=True)
    ]


def _numbers(described: Attributes, kind: str, n_axes: int) -> list[float] | None:
    """Read a coordinate transformation; None if there is none that fits."""
    for transformation in described.get("coordinateTransformations") or ():
        numbers = transformation.get(kind) if transformation.get("type") == kind else None
        if isinstance(numbers, Sequence) and len(numbers) == n_axes:
            if not all(isinstance(number, int | float) for number in numbers):
                raise ValueError(f"OME-Zarr: expected a {kind} of numbers, found {numbers}")
            return [float(number) for number in numbers]
    return None
