"""Read movies and prompts; the file suffix selects the reader."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError

import numpy as np

from napari_sam2.io.files import suffix
from napari_sam2.io.images.image_files import LOSSY, PICTURES, read_folder, read_picture
from napari_sam2.io.images.microscopes import MICROSCOPES, is_microscope_file, read_microscope
from napari_sam2.io.images.tiff import COMPANION, read_tiff, stated_axes
from napari_sam2.io.images.videos import VIDEOS, read_video
from napari_sam2.io.images.zarr_store import is_zarr, label_images, read_zarr
from napari_sam2.io.prompts.label_prompts import prompts_from_labels
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import read_prompts_csv
from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.io.sessions.session_prompts import prompts_from_session
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.calibration import Calibration
from napari_sam2.movies.movie import Movie


def read_npy(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open an array as a movie whose frames are read when asked for.

    Parameters
    ----------
    path
        The file.
    axes
        One letter of `AXES` for each axis; None to guess.
    channel
        Which channel to take.

    Raises
    ------
    ValueError
        If it is no `.npy`, is truncated, holds Python objects, or its axes do not fit.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED_HEADER as error:
        raise ValueError(
            f"{path.name}: expected an array saved with numpy.save, found something else ({error})"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"{path.name}: expected one array, found an archive; save it as .npy")
    return Movie(array, axes, channel)


# NumPy evaluates a header as Python, and takes what comes out for a shape and a type
_DAMAGED_HEADER = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    SyntaxError,
    TokenError,
)

_Reader = Callable[[Path, str | None, Channel | None], Movie]
_READERS: dict[str, _Reader] = {
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".ome.tif": read_tiff,
    ".ome.tiff": read_tiff,
    COMPANION: read_tiff,
    ".npy": read_npy,
    **dict.fromkeys(PICTURES, read_picture),
    **dict.fromkeys(VIDEOS, read_video),
    **dict.fromkeys(MICROSCOPES, read_microscope),
}
_OTHERS = (".lsm", ".oib", ".oir", ".vsi", ".ims", ".dv", ".stk")  # of microscopes


def read_movie(path: str | Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a movie, stack or image; frames are read when asked for.

    Parameters
    ----------
    path
        TIFF, NPY, PNG, JPEG or video file, a microscope's file (or a scene in it, `FILE/SCENE`), a
        Zarr or OME-Zarr store, or a folder of images.
    axes
        One letter for each axis, of time, depth, channel, row, column and RGB: TZCYXS.
        None for those of the file, or a guess by its shape.
    channel
        Which channel to take: the first by default; of RGB all. Two or three become red,
        green and blue.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    ValueError
        If it cannot be read or the axes do not fit.
    """
    path = Path(path)
    _check_exists(path, "a file or a folder of images")
    try:
        movie = _reader(path)(path, axes, channel)
        movie.check_finite()
    except ValueError as error:
        raise named(path, error) from error
    return movie


def read_axes(path: str | Path) -> tuple[str, tuple[int, ...], Calibration]:
    """Read the axes, shape and calibration that a file states.

    Parameters
    ----------
    path
        As for `read_movie`.

    Returns
    -------
    One letter for each axis, "?" where time would be a guess; its shape; its calibration.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `read_movie`.
    """
    path = Path(path)
    movie = read_movie(path)
    letters, known = movie.layout.axes, movie.calibration
    stated = known.time_interval is not None or _reader(path) in (
        read_zarr,
        read_video,
        read_microscope,
    )
    if not stated and _reader(path) is read_tiff:
        stated = "T" in stated_axes(path)
    return letters if stated else letters.replace("T", "?"), movie.layout.shape, known


def read_labels(path: str | Path) -> Movie:
    """Open a label image or label movie; pixels are the values that the file holds.

    Parameters
    ----------
    path
        As for `read_movie`, but for formats that change values (JPEG, videos). Of a palette PNG
        the indices are read, of a folder with images and masks the masks.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    ValueError
        If it cannot be read, is in colour, or is an image that has label images inside.
    """
    path = Path(path)
    _check_exists(path, "a label image")
    if suffix(path) in (*LOSSY, *VIDEOS):
        raise ValueError(
            f"{path.name}: expected a label image, found {suffix(path)}, which changes the values "
            "of pixels; save labels as TIFF or PNG"
        )
    inside = label_images(path) if path.is_dir() else []
    if inside:
        raise ValueError(
            f"{path.name}: expected a label image, found an image with label images inside; give "
            f"one of {', '.join(f'{path.name}/{name}' for name in inside)}"
        )
    try:
        reader = _reader(path)
        if reader is read_picture:
            labels = read_picture(path, labels=True)
        elif reader is read_folder:
            labels = read_folder(path, labels=True)
        else:
            labels = reader(path, None, None)
    except ValueError as error:
        raise named(path, error) from error
    if labels.is_rgb:
        raise ValueError(
            f"{path.name}: expected a label image with one number in each pixel, found RGB "
            "pixels; save the labels themselves, not their colours"
        )
    return labels


def _check_exists(path: Path, expected: str) -> None:
    if is_microscope_file(path):
        return
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected {expected}, found nothing")
    if not (path.is_file() or path.is_dir()):  # reading would wait for ever, or never end
        raise ValueError(f"{path}: expected {expected}, found a pipe or a device")


def _reader(path: Path) -> _Reader:
    if path.is_dir():
        return read_zarr if is_zarr(path) or suffix(path).endswith(".zarr") else read_folder
    reader = read_microscope if is_microscope_file(path) else _READERS.get(suffix(path))
    if reader is None:
        raise ValueError(
            f"{path.name}: expected a folder or one of .zarr, {', '.join(_READERS)}, found "
            f"{suffix(path) or 'no suffix'}; other files of microscopes "
            f"({', '.join(_OTHERS)}) can be opened in napari with napari-bioio, or converted "
            "to OME-TIFF with Fiji or to OME-Zarr with bioformats2raw"
        )
    return reader


def read_prompts(path: str | Path, movie: Movie) -> Iterable[ObjectPrompts]:
    """Read the prompts for a movie from a session, a CSV file or a label image.

    Parameters
    ----------
    path
        `.jsonl`, a session of the plugin, made on this movie or on another one; `.csv` as
        for `read_prompts_csv`; or any label image that `read_labels` opens: its
        labels are masks of frame 0, or of each frame.
    movie
        What they are for.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    ValueError
        If they cannot be read or do not fit the movie.
    """
    path = Path(path)
    _check_exists(path, "prompts (.jsonl, .csv or a label image)")
    if suffix(path) == SUFFIX:
        return prompts_from_session(path, movie)
    if suffix(path) == ".csv":
        return read_prompts_csv(path, movie)
    try:
        return prompts_from_labels(read_labels(path), movie)
    except ValueError as error:
        raise named(path, error) from error


def named(path: Path, error: ValueError) -> ValueError:
    """Return the error with the file's name before its message, if that lacks it."""
    message = str(error)
    return error if path.name in message else ValueError(f"{path.name}: {message}")
