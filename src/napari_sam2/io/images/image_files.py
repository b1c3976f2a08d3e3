"""Single images (PNG, JPEG and the like) and folders of images as movies."""

import logging
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_sam2.io.files import listed, natural_key, stem, suffix
from napari_sam2.io.images.tiff import read_tiff
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import ArraySource, Movie

LOSSY = (".jpg", ".jpeg")
PICTURES = (".png", *LOSSY, ".bmp")
LABEL_ENDINGS = ("_labels", "_label", "_masks", "_mask", "_cp_masks", "_seg")
"""What the names of label images have behind those of their images."""

_DERIVED = (*LABEL_ENDINGS, "_flows", "_cp_output", "_cp_outlines", "_outlines")
_AS_IT_IS = ("1", "L", "I", "I;16", "I;16B", "F", "RGB", "RGBA")  # modes of PIL
TIFFS = (".tif", ".tiff", ".ome.tif", ".ome.tiff")
_CHALLENGE = re.compile(r"(t|mask|man_track|man_seg)_?\d+", re.IGNORECASE)
_COUNTED = {  # what stands before a number in a file's name, and which axis it counts
    **dict.fromkeys(("t", "time", "frame"), "T"),
    **dict.fromkeys(("z", "slice", "plane"), "Z"),
    **dict.fromkeys(("c", "ch", "channel", "w"), "C"),
}
_LOG = logging.getLogger(__name__)


def bare_stem(path: Path, endings: Sequence[str] = LABEL_ENDINGS) -> str:
    """Return a file's name without its kind and without an ending for labels.

    Parameters
    ----------
    path
        The file.
    endings
        Which ones are taken off.
    """
    name = stem(path)
    for ending in sorted(endings, key=len, reverse=True):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def read_picture(
    path: Path, axes: str | None = None, channel: Channel | None = None, labels: bool = False
) -> Movie:
    """Open one image as a movie of one frame.

    Parameters
    ----------
    path
        The file.
    axes
        One letter of `AXES` for each axis; None for YX or YXS.
    channel
        Which channel to take.
    labels
        Read the indices of a palette instead of its colours.

    Raises
    ------
    ValueError
        If it is no image or is truncated, or its axes do not fit.
    """
    pixels = _read_pixels(path, labels)
    return Movie(pixels, axes or "YXS"[: pixels.ndim], channel)


def read_folder(
    path: Path, axes: str | None = None, channel: Channel | None = None, labels: bool = False
) -> Movie:
    """Open the images of a folder, img2 before img10, as the frames of a movie.

    Names may count time, depth and channels (img_t00_z3_c1); a file may be the stack of a time
    point. Files with masks of others in the folder are left out, which is logged.

    Parameters
    ----------
    path
        The folder.
    axes
        One letter of `AXES` for each axis, the files first; they win over names.
    channel
        Which channel to take.
    labels
        Read the masks instead of the images, if both are there.

    Raises
    ------
    ValueError
        If there is no image in it, the first cannot be read, the names are
        ambiguous, or the axes do not fit.
    """
    found = [p for p in path.iterdir() if suffix(p) in PICTURES + TIFFS and p.name[0] != "."]
    if not found:
        raise ValueError(
            f"{path}: expected a folder of images ({', '.join(PICTURES + TIFFS[:2])}), found none"
        )
    files = _of_one_kind(path, sorted(found, key=natural_key), labels)
    counted, grid = _counted_by_names(path, files) if axes is None else ("T", (len(files),))
    source = _Folder(files, grid, axes and axes[1:], labels)
    return Movie(source, axes or counted + source.axes, channel, source.calibration)


class _Folder:
    """The pixels of many files of one shape.

    Parameters
    ----------
    files
        In the order of the leading axes.
    grid
        Lengths of the axes that the files follow.
    axes
        Of one file, where the user gave them.
    labels
        As for `read_picture`.
    """

    def __init__(
        self, files: list[Path], grid: tuple[int, ...], axes: str | None, labels: bool
    ) -> None:
        self._files, self._grid, self._axes, self._labels = files, grid, axes, labels
        first = self._open(files[0])
        self.axes, self.calibration = first.layout.axes, first.calibration
        if axes is None and first.n_frames > 1 and not first.is_stack:
            if not _CHALLENGE.fullmatch(stem(files[0])):
                raise ValueError(
                    f"{files[0].name}: expected one image in each file of the folder, found "
                    f"{first}; give the file itself, several files as a quoted pattern, or the "
                    "axes TZYX if each file is the stack of a time point"
                )
            self.axes = self.axes.replace("T", "Z")  # as the Cell Tracking Challenge has them
        self.shape = (*grid, *first.array.shape)
        self.dtype = np.dtype(first.dtype)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        n = len(self._grid)
        numbers = np.arange(len(self._files)).reshape(self._grid)[index[:n]]
        read = [np.asarray(self._read(self._files[int(i)])[index[n:]]) for i in np.ravel(numbers)]
        return np.stack(read).reshape(*np.shape(numbers), *read[0].shape)

    def _open(self, path: Path) -> Movie:
        if suffix(path) in TIFFS:
            return read_tiff(path, self._axes)
        return read_picture(path, self._axes, labels=self._labels)

    def _read(self, path: Path) -> ArraySource:
        array = self._open(path).array
        shape = self.shape[len(self._grid) :]
        if (tuple(array.shape), np.dtype(array.dtype).newbyteorder("=")) != (shape, self.dtype):
            raise ValueError(
                f"{path.name}: expected {shape} {self.dtype} as in {self._files[0].name}, "
                f"found {tuple(array.shape)} {array.dtype}"
            )
        return array


def _read_pixels(path: Path, labels: bool = False) -> NDArray[Any]:
    try:
        with Image.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                _LOG.warning("%s: the first of its images is read, without the others", path.name)
            if picture.mode in _AS_IT_IS or (labels and picture.mode == "P"):
                return np.asarray(picture)
            return np.asarray(picture.convert("L" if picture.mode == "LA" else "RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(
            f"{path.name}: expected an image, found something else or a truncated file ({error})"
        ) from error


def _of_one_kind(path: Path, files: list[Path], labels: bool) -> list[Path]:
    """Return the images of a folder without masks derived from them, or the masks alone."""
    stems = {stem(file) for file in files}
    derived = [f for f in files if (bare := bare_stem(f, _DERIVED)) in stems and bare != stem(f)]
    if not derived:
        return files
    masks = [file for file in derived if bare_stem(file) != stem(file)]
    chosen = masks if labels and masks else [file for file in files if file not in derived]
    left_out = [file.name for file in files if file not in chosen]
    _LOG.warning(
        "%s: %d %s are read, without %s",
        path.name,
        len(chosen),
        "masks" if chosen is masks else "images",
        listed(left_out),
    )
    return chosen


def _counted_by_names(path: Path, files: list[Path]) -> tuple[str, tuple[int, ...]]:
    """Return the axes that the numbers in file names count, and their lengths.

    Raises
    ------
    ValueError
        If the names count several things, but not which, or a combination has no file.
    """
    frequency = Counter(map(stem, files))
    twice = [file.name for file in files if frequency[stem(file)] > 1]
    if twice:
        raise ValueError(
            f"{path.name}: expected one file for each frame, found {listed(twice)}; give one kind "
            'of file as a pattern, for example "folder/*.tif"'
        )
    texts = {re.sub(r"\d+", "#", stem(file)) for file in files}
    keys = [tuple(map(int, re.findall(r"\d+", stem(file)))) for file in files]
    if len(texts) > 1:
        if len(set(keys)) < len(keys) and any(keys):
            raise ValueError(
                f"{path.name}: expected names that differ in numbers alone, found "
                f"{listed(sorted(texts))} with the same numbers; give each kind of file, a channel "
                'for example, as a folder or a pattern of its own ("folder/*_c1.tif")'
            )
        return "T", (len(files),)
    numbers = np.array(keys, object).reshape(len(files), -1)
    varying = [i for i in range(numbers.shape[1]) if len(set(numbers[:, i])) > 1]
    before = re.split(r"\d+", stem(files[0]))
    letters = [_letter(before[i]) for i in varying]
    alone = [i for i in varying if len(set(numbers[:, i])) == len(files)]
    if len(varying) <= 1 or alone:
        index = (alone or varying or [0])[0]
        _warn_of_gaps(path, numbers[:, index].tolist() if varying else [])
        return ("C" if letters == ["C"] else "T"), (len(files),)
    if None in letters or len(set(letters)) < len(letters):
        raise ValueError(
            f"{path.name}: expected names that count frames, found {next(iter(texts))} with "
            f"{len(varying)} numbers that vary; give the files of one movie as a folder of their "
            "own, or name what is counted: t for time, z for depth, c for channels"
        )
    values = [sorted(set(numbers[:, i])) for i in varying]
    grid = tuple(map(len, values))
    if math.prod(grid) != len(files):
        raise ValueError(
            f"{path.name}: expected a file for each of {' x '.join(map(str, grid))} "
            f"({', '.join(map(str, letters))}), found {len(files)} files; some are missing"
        )
    return "".join(map(str, letters)), grid


def _letter(text: str) -> str | None:
    """Return the axis that a number counts, by the word before it."""
    word = re.search(r"([a-zA-Z]+)[_\-=]?$", text)
    return _COUNTED.get(word[1].lower()) if word else None


def _warn_of_gaps(path: Path, numbers: list[int]) -> None:
    """Log numbers that are missing among files that are counted one by one."""
    there = set(numbers)
    missing = [n for n in range(min(there, default=0), max(there, default=0)) if n not in there]
    if missing and len({b - a for a, b in pairwise(numbers)}) > 1:
        _LOG.warning(
            "%s: no file has the number %s; the frames behind it are counted without a gap",
            path.name,
            listed(missing),
        )
