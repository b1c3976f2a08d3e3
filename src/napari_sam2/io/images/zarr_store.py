"""Zarr: plain arrays and OME-Zarr images, read chunk by chunk."""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import listed
from napari_sam2.io.images.ome_zarr import Multiscale, ome_attributes
from napari_sam2.movies.axes import Channel, letters_of
from napari_sam2.movies.calibration import Calibration
from napari_sam2.movies.movie import Movie

if TYPE_CHECKING:
    import zarr

_LOG = logging.getLogger(__name__)
_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_FIRST_SERIES = "0"  # of a file that bioformats2raw has converted
_LOOKED_FOR = 50_000  # chunks at most, evenly spread: larger stores would take minutes


class Chunks:
    """An array of a store; errors name the store and what to do.

    Parameters
    ----------
    path
        The store.
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
    """Return whether a folder is a Zarr store, or a group or an array in one.

    Parameters
    ----------
    path
        A folder, or anything else.
    """
    return path.is_dir() and any((path / name).is_file() for name in _METADATA)


@dataclass(frozen=True)
class ZarrImage:
    """An image in a store.

    Parameters
    ----------
    levels
        Its arrays, finest first.
    axes
        One letter of `AXES` for each axis; None if the metadata lack them.
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
        One letter of `AXES` for each axis; None for those of the metadata.
    channel
        Which channel to take.

    Raises
    ------
    ValueError
        If there is no image in it, none of its chunks is there, or its axes do not fit.
    """
    image = open_image(path, axes)
    return Movie(image.levels[0], axes or image.axes, channel, image.calibration, image.levels[1:])


def open_image(path: Path, axes: str | None = None) -> ZarrImage:
    """Open the image of a store; no pixel is read.

    Chunks that are not there are logged as a warning: they are read as the fill value. Label
    images may leave out chunks without objects.

    Parameters
    ----------
    path
        The folder of the store, or of a group or an array in it.
    axes
        The user's axes, one letter of `AXES` for each; they win over those of the file.

    Raises
    ------
    ValueError
        If there is no image in it, or none of its chunks is there.
    """
    node = open_node(path)
    with understood(path, "an image"):
        group, image = _find_image(path, node, axes)
    with understood(path, "arrays"):
        if group is None:
            arrays = [node]
        else:
            names = _only_array(path, group) if image is None else image.paths
            arrays = [_array(path, group, name) for name in names]
        letters = _dimension_names(arrays[0]) if image is None else image.axes
    if group is None or "image-label" not in ome_attributes(dict(group.attrs)):
        for array in arrays:
            _check_chunks(path, array)
    levels = tuple(Chunks(path, array) for array in arrays)
    if image is None:
        return ZarrImage(levels, letters)
    if len(image.axes) != len(levels[0].shape) and axes is None:
        raise ValueError(
            f"{path.name}: expected an array of the axes {image.axes}, found one of the shape "
            f"{levels[0].shape}; give the axes yourself"
        )
    return ZarrImage(levels, image.axes, image.calibration)


@contextmanager
def understood(path: Path, what: str) -> Iterator[None]:
    """Refuse metadata in which something has another type than the format says.

    They are whatever JSON a program wrote. Each reader takes them apart as the format has them, and
    what does not fit fails there.

    Parameters
    ----------
    path
        The store.
    what
        What is read from it, such as "an image".

    Raises
    ------
    ValueError
        In place of the errors that other types cause.
    """
    try:
        yield
    except (TypeError, AttributeError, LookupError, OverflowError) as error:
        raise ValueError(
            f"{path.name}: expected metadata of {what}, found {error!r}; the store is damaged, "
            "copy it again"
        ) from error


def open_node(path: Path) -> Any:
    """Open a Zarr group or array to be read.

    Parameters
    ----------
    path
        The folder of the group or array.

    Raises
    ------
    ValueError
        If it is none.
    """
    import zarr
    from zarr.errors import BaseZarrError

    try:
        return zarr.open(path, mode="r")
    except (BaseZarrError, OSError, KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name}: expected a Zarr array or an OME-Zarr image, found something else "
            f"({error})"
        ) from error


def is_geff(path: Path) -> bool:
    """Return whether a Zarr group is a graph of tracks in the Graph Exchange File Format.

    Parameters
    ----------
    path
        A folder, or anything else.
    """
    return is_zarr(path) and "geff" in ome_attributes(dict(open_node(path).attrs))


def label_images(path: Path) -> list[str]:
    """Return the label images in an OME-Zarr image, relative to it, such as labels/cells.

    Parameters
    ----------
    path
        The folder of the image.
    """
    for folder in ("labels", f"{_FIRST_SERIES}/labels"):
        if is_zarr(path / folder):
            names = ome_attributes(dict(open_node(path / folder).attrs)).get("labels")
            return [f"{folder}/{name}" for name in names] if isinstance(names, list) else []
    return []


def positions(path: Path, every_position: bool = True) -> list[str]:
    """List the images of a plate, or of a store with several, relative to it, such as A/1/0.

    Parameters
    ----------
    path
        A folder, or anything else.
    every_position
        Whether the images of a store that is no plate count.

    Returns
    -------
    Nothing if it is neither.

    Raises
    ------
    ValueError
        If a well that the plate names is not there, or its metadata are damaged.
    """
    if not is_zarr(path):
        return []
    node = open_node(path)
    with understood(path, "a plate"):
        found = _fields(path, node)
    if found or not every_position or ome_attributes(dict(node.attrs)).get("multiscales"):
        return found
    series = sorted((name for name in _groups(node) if name.isdigit()), key=int)
    return series if len(series) > 1 and _FIRST_SERIES in series else []


def _fields(path: Path, node: Any) -> list[str]:
    """List the fields of all wells of a plate; nothing if it is none."""
    found = []
    for well in (ome_attributes(dict(node.attrs)).get("plate") or {}).get("wells") or []:
        group = node.get(well["path"])
        if group is None:
            raise ValueError(
                f"{path.name}: expected the well {well['path']} that the plate names, found none; "
                "the store is incomplete, copy it again"
            )
        images = (ome_attributes(dict(group.attrs)).get("well") or {}).get("images") or []
        found += [f"{well['path']}/{image['path']}" for image in images]
    return found


def _groups(node: Any) -> list[str]:
    import zarr

    return [name for name, _ in node.groups()] if isinstance(node, zarr.Group) else []


def _find_image(
    path: Path, node: Any, axes: str | None
) -> "tuple[zarr.Group | None, Multiscale | None]":
    """Return the group with the image, and its metadata."""
    import zarr

    if not isinstance(node, zarr.Group):
        return None, None
    image = Multiscale.find(dict(node.attrs), axes)
    images = ome_attributes(dict(node.attrs)).get("multiscales") or ()
    others = [str(each.get("name")) for each in images[1:]]
    series = node.get(_FIRST_SERIES) if image is None else None
    if isinstance(series, zarr.Group):
        others = sorted(name for name, _ in node.groups() if name.isdigit())[1:]
        node, image = series, Multiscale.find(dict(series.attrs), axes)
    if others:
        _LOG.warning(
            "%s: the first image is read, without the others: %s", path.name, listed(others)
        )
    return node, image


def _only_array(path: Path, group: "zarr.Group") -> tuple[str, ...]:
    """Return the one array of a group that can be an image; coordinates have a single axis."""
    names = sorted(name for name, array in group.arrays() if array.ndim > 1)
    if len(names) == 1:
        others = sorted(name for name, _ in group.groups())
        if others:
            _LOG.warning("%s: %s is read, without %s", path.name, names[0], listed(others))
        return (names[0],)
    raise ValueError(
        f"{path.name}: expected an OME-Zarr image or one array, found " + _found(group)
    )


def _found(group: "zarr.Group") -> str:
    """Describe what a group has in place of an image, and what to give instead."""
    known = ome_attributes(dict(group.attrs))
    if "geff" in known:
        return "a GEFF, a graph of tracks without pixels; napari-sam2 export reads it"
    if "plate" in known:
        wells = [str(well.get("path")) for well in (known["plate"] or {}).get("wells") or ()]
        return f"a plate; give the folder of one field, for example {(wells or ['A/1'])[0]}/0"
    if "well" in known:
        images = [str(image.get("path")) for image in (known["well"] or {}).get("images") or ()]
        return f"a well; give one of its fields: {', '.join(images)}"
    if isinstance(known.get("labels"), list):
        return f"a group of label images; give one of them: {', '.join(known['labels'])}"
    inside = sorted(name for name, _ in group.members())[:5]
    return f"{', '.join(inside)}; give one of them" if inside else "none"


def _array(path: Path, group: "zarr.Group", name: str) -> "zarr.Array[Any]":
    import zarr

    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise ValueError(
            f"{path.name}: expected the array {name} that its metadata name, found none; the store "
            "is incomplete, copy it again"
        )
    return array


def _dimension_names(array: "zarr.Array[Any]") -> str | None:
    """Read the axes of a plain array: those of Zarr 3, or xarray's."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list | tuple) or len(names) != array.ndim:
        return None
    return letters_of(names)


def _check_chunks(path: Path, array: "zarr.Array[Any]") -> None:
    """Check that the files of all chunks exist.

    Raises
    ------
    ValueError
        If not one of them is there, or they have no pixels.
    """
    folder = path / array.path if (path / array.path).is_dir() else None
    if folder is None or array.ndim < 2 or 0 in array.shape:
        return
    size = array.shards or array.chunks  # a shard is a file of many chunks
    if 0 in size:
        raise ValueError(f"{path.name}: expected chunks of pixels, found chunks of {size}")
    grid = [math.ceil(n / step) for n, step in zip(array.shape, size, strict=True)]
    total = math.prod(grid)
    numbers = range(0, total, math.ceil(total / _LOOKED_FOR))
    places = [tuple(map(int, np.unravel_index(number, grid))) for number in numbers]
    missing = sum(
        not (folder / array.metadata.encode_chunk_key(place)).is_file() for place in places
    )
    if missing == len(places):
        first = array.metadata.encode_chunk_key(places[0])
        files = (file for file in folder.rglob("*") if file.is_file())
        names = (file.relative_to(folder).as_posix() for file in files)
        other = next((name for name in names if name.replace("/", ".").endswith("0.0")), "none")
        raise ValueError(
            f"{path.name}: expected chunks with names such as {first}, as in its metadata, found "
            f"{other}; the store is incomplete, or its metadata lack dimension_separator"
        )
    if missing:
        _LOG.warning(
            "%s%s: %d of %d chunks are missing; their pixels are read as %s",
            path.name,
            f"/{array.path}" if array.path else "",
            missing,
            len(places),
            array.fill_value,
        )
