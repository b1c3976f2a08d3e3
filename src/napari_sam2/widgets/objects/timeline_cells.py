"""The cells of the timeline as pixels: arrays in, arrays out."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QColor

from napari_sam2.masks.mask_statistics import MaskStatistics

ROW_PX = 11  # with the gap above
SHADES = 64
UNKNOWN, ABSENT, CERTAIN = 0, 1, 2  # codes; CERTAIN and above are shades of doubt
RAMP = ("#3f7fbf", "#d9c65a", "#e8541e")  # high, half, low confidence; also for the colour-blind
ABSENT_COLOUR = "#8a8f98"
PROMPTED, LOCKED = "#ffffff", "#202020"


def cell_codes(
    statistics: MaskStatistics, scores: NDArray[np.float32], n_columns: int
) -> NDArray[np.uint8]:
    """Say how each cell looks, for as many columns as there are pixels.

    Parameters
    ----------
    statistics, scores
        N objects, T frames.
    n_columns
        Pixels. Where several frames share one, the least certain one is seen.

    Returns
    -------
    (N, n_columns): 0 unknown, 1 absent, from 2 on shades from high to low confidence.
    """
    shades = (CERTAIN + scores * (SHADES - 1)).astype(np.uint8)
    # an absence of low confidence has to be seen, too
    absent = statistics.known & ~statistics.present & (scores < 0.5)
    codes = np.where(statistics.known, shades, UNKNOWN)
    codes[absent] = ABSENT
    return to_columns(codes, n_columns)


def cell_image(
    codes: NDArray[np.uint8],
    prompted: NDArray[np.bool_],
    locked: NDArray[np.bool_],
    row_px: int = ROW_PX,
) -> NDArray[np.uint32]:
    """Paint rows of cells.

    Parameters
    ----------
    codes
        (N, X) from `cell_codes`.
    prompted, locked
        (N, X), drawn as a white tick and as a dark line below.
    row_px
        Height of a row.

    Returns
    -------
    (N * row_px, X) as 0xAARRGGBB; transparent where nothing is known.
    """
    lut = _lut()
    rows = np.zeros((codes.shape[0], row_px, codes.shape[1]), np.uint32)
    rows[:, 1:-1] = np.where(codes == ABSENT, 0, lut[codes])[:, None]
    middle = row_px // 2
    rows[:, middle] = np.where(codes == ABSENT, lut[ABSENT], rows[:, middle])
    below = rows[:, -3:-1]
    below[:] = np.where(locked[:, None], _argb(LOCKED), below)
    whole = rows[:, 1:-1]
    whole[:] = np.where(prompted[:, None], _argb(PROMPTED), whole)
    return rows.reshape(-1, codes.shape[1])


def to_columns(cells: NDArray[np.generic], n_columns: int) -> NDArray[np.uint8]:
    """Stretch or squeeze (N, T) to (N, n_columns); of what is squeezed the largest is kept."""
    n_frames = cells.shape[1]
    begin = np.arange(n_columns) * n_frames // n_columns
    if n_frames <= n_columns or not cells.size:
        return cells[:, begin].astype(np.uint8)
    return np.maximum.reduceat(cells.astype(np.uint8), begin, axis=1)


def ticks_at(marked: NDArray[np.bool_], n_columns: int) -> NDArray[np.bool_]:
    """Draw a tick of two pixels in the middle of each marked frame, (N, n_columns)."""
    ticks = np.zeros((marked.shape[0], n_columns), bool)
    rows, frames = np.nonzero(marked)
    middle = ((frames + 0.5) * n_columns / marked.shape[1]).astype(int)
    ticks[rows, middle] = True
    ticks[rows, np.maximum(middle - 1, 0)] = True
    return ticks


@cache
def _lut() -> NDArray[np.uint32]:
    """Give the colours of the codes."""
    ends = np.array([QColor(colour).getRgb()[:3] for colour in RAMP], float)
    at = np.linspace(0, len(RAMP) - 1, SHADES)
    shades = np.stack([np.interp(at, np.arange(len(RAMP)), ends[:, c]) for c in range(3)], 1)
    red, green, blue = shades.round().astype(np.uint32).T
    opaque = np.uint32(0xFF000000) | red << 16 | green << 8 | blue
    return np.concatenate([np.array([0, _argb(ABSENT_COLOUR)], np.uint32), opaque])


def _argb(colour: str) -> np.uint32:
    return np.uint32(QColor(colour).rgba())
