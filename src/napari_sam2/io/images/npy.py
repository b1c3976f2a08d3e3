"""NumPy's `.npy`: mapped, not loaded."""

from pathlib import Path

import numpy as np

from napari_sam2.movies.axes import Channel
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
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path.name}: expected an array saved with numpy.save, found something else ({error})"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"{path.name}: expected one array, found an archive; save it as .npy")
    return Movie(array, axes, channel)
