"""TIFF: ImageJ's, OME's and plain ones, read page by page and written frame by frame."""

import logging
import math
import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam2.io.files import replacing, suffix
from napari_sam2.io.images.tiff_calibration import imagej_metadata, ome_metadata, read_calibration
from napari_sam2.io.images.tiff_checks import (
    UNREADABLE,
    check_bytes,
    check_chain,
    check_codec,
    check_planes,
    damaged,
    files_of_set,
    master_of_set,
    unreadable,
)
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.movies.axes import AXES, Channel
from napari_sam2.movies.movie import ArraySource, Calibration, Movie

_LOG = logging.getLogger(__name__)
COMPANION = ".ome"
"""Suffix of a file with the metadata of an OME-TIFF set: name.companion.ome."""

_BIG = 2**32 - 2**25  # classic TIFF holds 4 GiB; some room for the tags


class _Mapped:
    """Pixels that lie in the file as in memory, one frame after the other."""

    def __init__(self, path: Path, series: tifffile.TiffPageSeries, byteorder: str) -> None:
        self.shape = series.shape
        self.dtype = np.dtype(series.dtype).newbyteorder("<" if byteorder == "<" else ">")
        self._path, self._offset = path, series.dataoffset or 0
        needed = self._offset + math.prod(self.shape) * self.dtype.itemsize
        if path.stat().st_size < needed:
            raise damaged(path, f"{path.stat().st_size} of {needed} bytes")

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # mapped for each frame: no file stays open, and pages that were read are let go
        pixels = np.memmap(self._path, self.dtype, "r", self._offset, self.shape)
        return np.array(pixels[index])


class _Pages:
    """Pixels in pages that are decoded on access.

    Parameters
    ----------
    path
        The file.
    pages
        In the order of the leading axes; None where a plane is missing.
    shape, dtype
        Of all pixels together.
    """

    def __init__(
        self, path: Path, pages: Sequence[Any], shape: tuple[int, ...], dtype: Any
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._path, self._pages = path, list(pages)
        there = [page for page in self._pages if page is not None]
        size = there[0].keyframe.size if there else 0
        cuts = [n for n in range(len(shape)) if math.prod(shape[:n]) == len(self._pages)]
        if not cuts or math.prod(shape[cuts[0] :]) != size:
            raise damaged(path, f"{len(self._pages)} pages for the shape {shape}")
        self._n_leading = cuts[0]  # axes that count pages; the others are in a page
        check_bytes(path, there)
        check_codec(path, there[0])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        leading = self.shape[: self._n_leading]
        numbers = np.arange(len(self._pages)).reshape(leading)[index[: self._n_leading]]
        rest = index[self._n_leading :]
        read = [self._read(int(number))[rest] for number in np.ravel(numbers)]
        return np.stack(read).reshape(*np.shape(numbers), *read[0].shape)

    def _read(self, number: int) -> NDArray[Any]:
        page, shape = self._pages[number], self.shape[self._n_leading :]
        if page is None:  # warned of when the file was opened
            return np.zeros(shape, self.dtype)
        file = page.parent.filehandle
        try:
            file.open()  # it is closed between the frames
            return np.asarray(page.asarray()).reshape(shape)
        except UNREADABLE as error:
            raise unreadable(self._path, f"page {number}", error) from error
        finally:
            file.close()


class _Tiles:
    """Pixels in tiles, of which only the requested ones are decoded.

    Parameters
    ----------
    path
        The file.
    series
        Its first series.
    level
        Which resolution, 0 for the finest.
    """

    def __init__(self, path: Path, series: tifffile.TiffPageSeries, level: int = 0) -> None:
        self.shape, self.dtype = series.levels[level].shape, np.dtype(series.dtype)
        self._path, self._level = path, level
        pages = [page for page in series.levels[level].pages if page is not None]
        check_bytes(path, pages)
        check_codec(path, pages[0])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        import zarr

        try:
            # opened for each part: no file stays open
            with tifffile.TiffFile(self._path) as tif:
                store = tif.series[0].aszarr(level=self._level)
                return np.asarray(zarr.open_array(store, mode="r")[index])
        except UNREADABLE as error:
            raise unreadable(self._path, "a tile", error) from error


class _Joined:
    """Series of one shape, one after the other: what was appended to a file bit by bit."""

    def __init__(self, sources: Sequence[_Mapped | _Pages | _Tiles]) -> None:
        self.shape, self.dtype = (len(sources), *sources[0].shape), sources[0].dtype
        self._sources = sources

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if isinstance(index[0], slice):
            return np.stack([source[index[1:]] for source in self._sources[index[0]]])
        return self._sources[index[0]][index[1:]]


def read_tiff(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a TIFF as a movie whose frames are read when asked for.

    Pages or series of one size and type are the frames of one movie, however they were written.
    Of a file with several images (OME) the first is read. What is missing or left out is logged
    as a warning.

    Parameters
    ----------
    path
        The file.
    axes
        One letter of `AXES` for each axis, with or without those of length 1; None for
        those of the file.
    channel
        Which channel to take.

    Raises
    ------
    ValueError
        If it is no TIFF, is truncated, has pages of several sizes or types, needs a codec that
        is not installed, or its axes do not fit.
    """
    try:
        with _open(path) as tif:
            check_chain(path, tif)
            check_planes(path, tif)
            letters, (source, *coarser) = _arrays(path, tif, axes)
            return Movie(source, letters, channel, read_calibration(tif), coarser)
    except (tifffile.TiffFileError, struct.error, IndexError, TypeError) as error:
        raise ValueError(
            f"{path.name}: expected a whole TIFF, found something else ({error}); "
            "it is truncated, or another kind of file with a new name"
        ) from error


def stated_axes(path: Path) -> str:
    """Return the axes of the first series as tifffile reads them, for example QYX."""
    with _open(path) as tif:
        return str(tif.series[0].axes)


def _open(path: Path) -> tifffile.TiffFile:
    """Open a file; one of an OME-TIFF set without metadata of its own, with those of the set."""
    if suffix(path) == COMPANION:
        xml = path.read_text("utf-8-sig")
        there = [path.parent / name for name in files_of_set(xml) if (path.parent / name).is_file()]
        if not there:
            raise ValueError(f"{path.name}: expected the TIFFs that it describes, found none")
        return tifffile.TiffFile(there[0], omexml=xml)
    tif = tifffile.TiffFile(path)
    name = master_of_set(tif)
    if not name:
        return tif
    master = path.parent / name
    if not master.is_file():
        _LOG.warning(
            "%s: only this file of a set is read: %s, which describes the set, is not there",
            path.name,
            name,
        )
        return tif
    tif.close()
    if suffix(master).endswith((".tif", ".tiff")):
        return tifffile.TiffFile(master)
    return tifffile.TiffFile(path, omexml=master.read_text("utf-8-sig"))


def _arrays(
    path: Path, tif: tifffile.TiffFile, axes: str | None
) -> tuple[str | None, Sequence[ArraySource]]:
    """Return the axes of what is read, and one source for each resolution."""
    series = list(tif.series)
    first = series[0]
    if len(series) > 1 and first.kind == "shaped" and len({_kind(one) for one in series}) == 1:
        # whole arrays that were appended, in the order of the file
        joined = "T" + first.axes
        known = joined if joined.count("T") == 1 and set(joined) <= set(AXES) else None
        return axes or known, [_Joined([_sources(path, one, tif.byteorder)[0] for one in series])]
    is_plain = first.kind in ("generic", "uniform", "shaped") and len(series) > 1
    n_described = first.size // max(1, first.keyframe.size)
    if is_plain or (first.kind == "imagej" and 1 < len(tif.pages) != n_described):
        return _pages_as_frames(path, tif, axes)
    if len(series) > 1:
        others = ", ".join(f"{one.name or 'image'} {one.shape}" for one in series[1:])
        _LOG.warning("%s: the first image is read, without the others: %s", path.name, others)
    letters = _axes_of(first) if axes is None else _fitting(axes, first)
    return letters, _sources(path, first, tif.byteorder)


def _kind(series: tifffile.TiffPageSeries) -> tuple[Any, ...]:
    return series.shape, series.dtype, series.axes


def _pages_as_frames(
    path: Path, tif: tifffile.TiffFile, axes: str | None
) -> tuple[str | None, Sequence[ArraySource]]:
    """Return all pages as frames: tifffile splits them by compression, for example."""
    pages: list[Any] = [tif.pages[number] for number in range(len(tif.pages))]
    # a preview or a pyramid's lower resolution, by its flag
    whole = [page for page in pages if not page.keyframe.subfiletype & 1] or pages
    first = whole[0].keyframe
    for page in whole:
        found = page.keyframe
        if (found.shape, found.dtype) != (first.shape, first.dtype):
            raise ValueError(
                f"{path.name}: expected pages of one size and type, found page "
                f"{pages.index(whole[0])} of {first.shape} {first.dtype} and page "
                f"{pages.index(page)} of {found.shape} {found.dtype}; save the pages that belong "
                "together as a file of their own"
            )
    if len(whole) < len(pages):
        left_out = len(pages) - len(whole)
        _LOG.warning("%s: %d pages of lower resolution are left out", path.name, left_out)
    shape = (len(whole), *first.shape) if len(whole) > 1 else first.shape
    letters = "T" * (len(whole) > 1) + first.axes
    return axes or letters, [_Pages(path, whole, shape, first.dtype)]


def _sources(
    path: Path, series: tifffile.TiffPageSeries, byteorder: str
) -> list[_Mapped | _Pages | _Tiles]:
    """Return one source for each resolution of a series."""
    if series.dataoffset is not None and not series.is_multifile:
        return [_Mapped(path, series, byteorder)]
    if series.is_multifile or not series.keyframe.is_tiled or None in series.pages:
        return [_Pages(path, list(series.pages), series.shape, series.dtype)]
    levels = [n for n, level in enumerate(series.levels) if len(level.shape) == len(series.shape)]
    return [_Tiles(path, series, level) for level in levels]


def _axes_of(series: tifffile.TiffPageSeries) -> str | None:
    """Translate the file's axes; None if they are unknown."""
    unknown = [letter for letter in series.axes if letter not in AXES]
    if not unknown:
        return series.axes
    if len(unknown) == 1 and not set("TZ") & set(series.axes):
        return series.axes.replace(unknown[0], "T")
    return None


def _fitting(axes: str, series: tifffile.TiffPageSeries) -> str:
    """Return the user's axes without those of length 1, which tifffile drops."""
    kept = "".join(letter for letter in axes.upper() if letter in series.axes)
    known = set(axes.upper()) <= set(series.get_axes(squeeze=False))
    return kept if known and len(kept) == len(series.shape) else axes


def write_tiff(
    path: Path,
    frames: Iterable[NDArray[Any]],
    movie_shape: tuple[int, ...],
    axes: str,
    calibration: Calibration,
) -> None:
    """Write frames one by one into a zlib-compressed TIFF that opens calibrated elsewhere.

    ImageJ's kind where it can hold the pixels (uint8, uint16, float32), else OME's;
    always OME's where the name ends in `.ome.tif`. The file appears when it is whole.

    Parameters
    ----------
    path
        Where to; what is there is replaced.
    frames
        (H, W) arrays of one dtype.
    movie_shape, axes
        Shape and axes of all frames together: YX, TYX or ZYX.
    calibration
        Pixel size and the like.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    waiting = iter(frames)
    first = next(waiting)
    ome = suffix(path).startswith(".ome") or first.dtype not in (np.uint8, np.uint16, np.float32)
    n_bytes = math.prod(movie_shape) * first.dtype.itemsize
    arguments = (ome_metadata if ome else imagej_metadata)(axes, calibration)

    with (
        replacing(path) as partial,
        tifffile.TiffWriter(
            partial, bigtiff=ome and n_bytes > _BIG, imagej=not ome, ome=ome
        ) as tif,
    ):
        tif.write(
            chain([first], waiting),
            shape=movie_shape,
            dtype=first.dtype,
            compression="zlib",
            photometric="minisblack",
            software=SIGNATURE,
            **arguments,
        )


def silence_tifffile() -> None:
    """Disable tifffile's log: the errors here describe the same in plain words."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
