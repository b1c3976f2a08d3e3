"""Zarr: plain arrays and OME-Zarr images, read chunk by chunk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.images.ome_zarr import Multiscale, ome_attributes
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Calibration, Movie

if TYPE_CHECKING:
    import zarr

_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_FIRST_SERIES = "0"  # of a file that bioformats2raw has converted


class Chunks:
    """An array of a store; what cannot be unpacked is said in a sentence.

    Parameters
    ----------
    path
        The store, for what is said.
    array
        Where the pixels are.
    """

    def __init__(self, path: Path, array: "zarr.Array[Any]") -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._path, self._array = path, array

    def __getitem__(self, index: Any) -> NDArray[Any]:
        try:
            return np.asarray(self._array[index])
        except (ValueError, RuntimeError, OSError, TypeError) as error:
            raise ValueError(
                f"{self._path.name}: a chunk of {self._array.path or 'the array'} cannot be read "
                f"({error}); it is damaged, copy the store again"
            ) from error


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store, or a group or an array in one."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


@dataclass(frozen=True)
class ZarrImage:
    """An image in a store.

    Parameters
    ----------
    levels
        Its arrays, finest first.
    axes
        One letter of `AXES` for each axis; None where the metadata do not say.
    calibration
        What is known of pixels and time steps.
    """

    levels: tuple[Chunks, ...]
    axes: str | None = None
    calibration: Calibration = field(default_factory=Calibration)


def read_zarr(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a Zarr array or an OME-Zarr image as a movie whose frames are read when asked for.

    Parameters
    ----------
    path
        The folder of the store, or of a group or an array in it.
    axes
        One letter of `AXES` for each axis; None for what the metadata say.
    channel
        Which channel to take.

    Raises
    ------
    ValueError
        If there is no image in it, or its axes do not fit.
    """
    image = open_image(path, said_axes=axes)
    return Movie(image.levels[0], axes or image.axes, channel, image.calibration, image.levels[1:])


def open_image(path: Path, said_axes: str | None = None) -> ZarrImage:
    """Find the image of a store; no pixel is read.

    Parameters
    ----------
    path
        The folder of the store, or of a group or an array in it.
    said_axes
        What the user says of its axes, if anything.

    Raises
    ------
    ValueError
        If there is no image in it.
    """
    import zarr
    from zarr.errors import BaseZarrError

    try:
        node = zarr.open(path, mode="r")
    except (BaseZarrError, OSError, KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name}: expected a Zarr array or an OME-Zarr image, found something else "
            f"({error})"
        ) from error
    if isinstance(node, zarr.Array):
        return ZarrImage((Chunks(path, node),))
    return _image_of(path, node, said_axes)


def _image_of(path: Path, group: "zarr.Group", axes: str | None) -> ZarrImage:
    import zarr

    said = dict(group.attrs)
    if "plate" in ome_attributes(said):
        raise ValueError(
            f"{path.name}: expected one image, found a plate; give the folder of one field, "
            "for example PLATE.zarr/A/1/0"
        )
    image = Multiscale.find(said)
    if image is None and _FIRST_SERIES in group:
        series = group[_FIRST_SERIES]
        if isinstance(series, zarr.Group):
            group, image = series, Multiscale.find(dict(series.attrs))
    paths = _only_array(path, group) if image is None else image.paths
    try:
        levels = tuple(_array(path, group, name) for name in paths)
    except KeyError as error:
        raise ValueError(
            f"{path.name}: expected the array {error.args[0]} that its metadata name, found none; "
            "the store is incomplete, copy it again"
        ) from error
    if image is None:
        return ZarrImage(levels)
    if axes is None and len(image.axes) != len(levels[0].shape):
        raise ValueError(
            f"{path.name}: expected an array of the axes {image.axes}, found one of the shape "
            f"{levels[0].shape}; say the axes yourself"
        )
    return ZarrImage(levels, image.axes, image.calibration)


def _only_array(path: Path, group: "zarr.Group") -> tuple[str, ...]:
    names = sorted(group.array_keys())
    if len(names) == 1:
        return (names[0],)
    found = f"the arrays {', '.join(names[:5])}; give one of them" if names else "none"
    raise ValueError(f"{path.name}: expected an OME-Zarr image or one array, found {found}")


def _array(path: Path, group: "zarr.Group", name: str) -> Chunks:
    import zarr

    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise KeyError(name)
    return Chunks(path, array)
