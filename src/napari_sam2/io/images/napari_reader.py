"""Videos in napari: dropped into the window, opened frame by frame.

Folders of images, TIFF and the like are left to napari's own reader, which opens them lazily, too.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import suffix
from napari_sam2.io.images.videos import VIDEOS, read_video
from napari_sam2.movies.movie import Movie

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
Reader: TypeAlias = Callable[[str | Sequence[str]], list[LayerData]]


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Show what readers log as warnings, of missing or left out pixels, as napari's."""
    handler = _Shown(logging.WARNING)
    logger = logging.getLogger("napari_sam2.io")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Shown(logging.Handler):
    """napari shows Python's warnings to the user."""

    def emit(self, record: logging.LogRecord) -> None:
        warnings.warn(record.getMessage(), stacklevel=2)


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for videos; None for other files.

    Parameters
    ----------
    path
        One file or several.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(suffix(Path(p)) in VIDEOS for p in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open videos as image layers.

    Parameters
    ----------
    path
        One video or several.

    Raises
    ------
    ValueError
        If one is no video or is damaged.
    """
    paths = [Path(path)] if isinstance(path, str) else [Path(p) for p in path]
    with shown_warnings():
        return [_layer(p, read_video(p)) for p in paths]


def _layer(path: Path, movie: Movie) -> LayerData:
    labels = ("t", "y", "x")
    return (
        lazy_array(movie),
        {"name": path.stem, "rgb": movie.is_rgb, "axis_labels": labels},
        "image",
    )


def lazy_array(movie: Movie) -> Any:
    """Return a dask array of a movie with one chunk for each frame; nothing is read yet.

    Parameters
    ----------
    movie
        Its frames are read when chunks are computed.
    """
    import dask.array as da

    tail = (*movie.frame_shape, 3) if movie.is_rgb else movie.frame_shape

    def frame(block_info: Any = None) -> NDArray[Any]:
        (number, *_) = block_info[None]["chunk-location"]
        return movie[number][np.newaxis]

    chunks = ((1,) * movie.n_frames, *((n,) for n in tail))
    return da.map_blocks(  # type: ignore[no-untyped-call]
        frame, chunks=chunks, dtype=movie.dtype, meta=np.empty(0, movie.dtype)
    )
