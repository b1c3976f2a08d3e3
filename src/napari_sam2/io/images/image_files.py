"""Single images (PNG, JPEG and the like) and folders of images as movies."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_sam2.io.files import natural_key, suffix
from napari_sam2.io.images.tiff import read_tiff
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Movie

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_AS_IT_IS = ("1", "L", "I", "I;16", "I;16B", "F", "RGB", "RGBA")  # modes of PIL
_TIFFS = (".tif", ".tiff", ".ome.tif", ".ome.tiff")


def _read_pixels(path: Path) -> NDArray[Any]:
    try:
        with Image.open(path) as picture:
            if picture.mode in _AS_IT_IS:
                return np.asarray(picture)
            return np.asarray(picture.convert("L" if picture.mode == "LA" else "RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(
            f"{path.name}: expected an image, found something else or a truncated file ({error})"
        ) from error


def read_picture(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open one image as a movie of one frame.

    Raises
    ------
    ValueError
        If it is no image or is truncated, or its axes do not fit.
    """
    pixels = _read_pixels(path)
    return Movie(pixels, axes or "YXS"[: pixels.ndim], channel)


def _read_one(path: Path) -> NDArray[Any]:
    """Read a file of a folder, which must hold one frame."""
    if suffix(path) not in _TIFFS:
        return _read_pixels(path)
    movie = read_tiff(path)
    if movie.n_frames > 1:
        raise ValueError(
            f"{path.name}: expected one image in each file of the folder, found {movie}; "
            "give the file itself, or several files as a quoted pattern"
        )
    return movie[0]


class _Folder:
    """One image for each frame."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        first = _read_one(files[0])
        self.shape, self.dtype = (len(files), *first.shape), first.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        path = self._files[index[0]]
        pixels = _read_one(path)
        if (pixels.shape, pixels.dtype) != (self.shape[1:], self.dtype):
            raise ValueError(
                f"{path.name}: expected {self.shape[1:]} {self.dtype} as in "
                f"{self._files[0].name}, found {pixels.shape} {pixels.dtype}"
            )
        return np.asarray(pixels[index[1:]])


def read_folder(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open the images of a folder, img2 before img10, as the frames of a movie.

    Raises
    ------
    ValueError
        If there is no image in it, the first cannot be read, or the axes do not fit.
    """
    found = [p for p in path.iterdir() if suffix(p) in PICTURES + _TIFFS and p.name[0] != "."]
    if not found:
        raise ValueError(
            f"{path}: expected a folder of images ({', '.join(PICTURES + _TIFFS[:2])}), found none"
        )
    files = sorted(found, key=natural_key)
    source = _Folder(files)
    calibration = read_tiff(files[0]).calibration if suffix(files[0]) in _TIFFS else None
    return Movie(source, axes or "TYXS"[: len(source.shape)], channel, calibration)
