"""TIFF: ImageJ's, OME's and plain ones, read page by page and written frame by frame."""

import logging
import math
import struct
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam2.io.files import replacing, suffix
from napari_sam2.io.images.tiff_calibration import imagej_metadata, ome_metadata, read_calibration
from napari_sam2.movies.axes import AXES, Channel
from napari_sam2.movies.movie import Calibration, Movie

_BIG = 2**32 - 2**25  # classic TIFF holds 4 GiB; some room for the tags


class _Mapped:
    """Pixels that lie in the file as in memory, one frame after the other."""

    def __init__(self, path: Path, series: tifffile.TiffPageSeries, byteorder: str) -> None:
        self.shape = series.shape
        self.dtype = np.dtype(series.dtype).newbyteorder("<" if byteorder == "<" else ">")
        self._path, self._offset = path, series.dataoffset or 0
        needed = self._offset + math.prod(self.shape) * self.dtype.itemsize
        if path.stat().st_size < needed:
            raise _damaged(path, f"{path.stat().st_size} of {needed} bytes")

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # mapped for each frame: no file stays open, and pages that were read are let go
        pixels = np.memmap(self._path, self.dtype, "r", self._offset, self.shape)
        return np.array(pixels[index])


class _Pages:
    """Pixels in pages that are unpacked when asked for."""

    def __init__(self, path: Path, series: tifffile.TiffPageSeries) -> None:
        self.shape = series.shape
        self.dtype = np.dtype(series.dtype)
        self._path = path
        self._pages = list(series.pages)
        cuts = [n for n in range(len(self.shape)) if math.prod(self.shape[:n]) == len(self._pages)]
        if not cuts or math.prod(self.shape[cuts[0] :]) != series.keyframe.size:
            raise _damaged(path, f"{len(self._pages)} pages for the shape {self.shape}")
        self._n_leading = cuts[0]  # axes that count pages; the others are in a page
        _check_bytes(path, [page for page in self._pages if page is not None])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        leading = self.shape[: self._n_leading]
        numbers = np.arange(len(self._pages)).reshape(leading)[index[: self._n_leading]]
        rest = index[self._n_leading :]
        read = [self._read(int(number))[rest] for number in np.ravel(numbers)]
        return np.stack(read).reshape(*np.shape(numbers), *read[0].shape)

    def _read(self, number: int) -> NDArray[Any]:
        page, shape = self._pages[number], self.shape[self._n_leading :]
        if page is None:  # a plane that an OME-TIFF leaves out
            return np.zeros(shape, self.dtype)
        file = page.parent.filehandle
        try:
            file.open()  # it is closed between the frames
            return np.asarray(page.asarray()).reshape(shape)
        except (ValueError, RuntimeError, OSError, zlib.error, struct.error) as error:
            raise ValueError(
                f"{self._path.name}: page {number} cannot be read ({error}); "
                "install the package that is named here, or save the file anew"
            ) from error
        finally:
            file.close()


class _Tiles:
    """Pixels in tiles, of which only those that are asked for are unpacked.

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
        _check_bytes(path, [page for page in series.levels[level].pages if page is not None])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        import zarr

        try:
            # opened for each part: no file stays open
            with tifffile.TiffFile(self._path) as tif:
                store = tif.series[0].aszarr(level=self._level)
                return np.asarray(zarr.open_array(store, mode="r")[index])
        except (ValueError, RuntimeError, OSError, zlib.error, struct.error) as error:
            raise ValueError(
                f"{self._path.name}: a tile cannot be read ({error}); install the package that is "
                "named here, or save the file anew"
            ) from error


def read_tiff(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a TIFF as a movie whose frames are read when asked for.

    Parameters
    ----------
    path
        The file; of several series the first.
    axes
        One letter of `AXES` for each axis, with or without those of length 1; None for what
        the file says.
    channel
        Which channel to take.

    Raises
    ------
    ValueError
        If it is no TIFF, is truncated, or its axes do not fit.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            _check_chain(path, tif)
            series = tif.series[0]
            letters = _axes_of(series) if axes is None else _fitting(axes, series)
            source, *coarser = _sources(path, series, tif.byteorder)
            return Movie(source, letters, channel, read_calibration(tif), coarser)
    except (tifffile.TiffFileError, struct.error, IndexError) as error:
        raise ValueError(
            f"{path.name}: expected a whole TIFF, found something else ({error}); "
            "it is truncated, or another kind of file with a new name"
        ) from error


def _sources(
    path: Path, series: tifffile.TiffPageSeries, byteorder: str
) -> list[_Mapped | _Pages | _Tiles]:
    """Choose how to read a series; one source for each of its resolutions."""
    if series.dataoffset is not None and not series.is_multifile:
        return [_Mapped(path, series, byteorder)]
    if series.is_multifile or not series.keyframe.is_tiled:
        return [_Pages(path, series)]
    levels = [n for n, level in enumerate(series.levels) if len(level.shape) == len(series.shape)]
    return [_Tiles(path, series, level) for level in levels]


def _axes_of(series: tifffile.TiffPageSeries) -> str | None:
    """Translate the file's axes; None where they say nothing."""
    unknown = [letter for letter in series.axes if letter not in AXES]
    if not unknown:
        return series.axes
    if len(unknown) == 1 and not set("TZ") & set(series.axes):
        return series.axes.replace(unknown[0], "T")
    return None


def _fitting(axes: str, series: tifffile.TiffPageSeries) -> str:
    """Drop from a user's axes those of length 1, which tifffile has dropped, too."""
    kept = "".join(letter for letter in axes.upper() if letter in series.axes)
    known = set(axes.upper()) <= set(series.get_axes(squeeze=False))
    return kept if known and len(kept) == len(series.shape) else axes


def _check_chain(path: Path, tif: tifffile.TiffFile) -> None:
    """See that the last page is followed by none, not by one behind the end of the file."""
    if len(tif.pages) == 0:
        raise _damaged(path, "no whole page")
    form, last = tif.tiff, tif.pages[len(tif.pages) - 1]
    file = tif.filehandle
    file.seek(last.offset)
    (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(last.offset + form.tagnosize + n_tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    if following >= file.size:
        raise _damaged(path, f"{len(tif.pages)} whole pages and a pointer to one more")


def _check_bytes(path: Path, pages: list[Any]) -> None:
    for page in pages[:1] + pages[-1:]:
        offsets, counts = page.dataoffsets, page.databytecounts
        end = max((o + n for o, n in zip(offsets, counts, strict=False)), default=0)
        if end > page.parent.filehandle.size:
            raise _damaged(path, f"{page.parent.filehandle.size} of {end} bytes")


def _damaged(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path.name}: expected a whole TIFF, found {found}; it is truncated, copy it again"
    )


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
            **arguments,
        )


def silence_tifffile() -> None:
    """Keep tifffile from logging what the errors here say in plain words."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
