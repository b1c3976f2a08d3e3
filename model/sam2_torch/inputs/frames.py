"""Frames and crops: what a sequence of frames must offer, and reading as little of it as needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = Sequence[Any]
"""Anything with a length whose items are (H, W) or (H, W, 3) arrays: numpy, dask, zarr, a list.

What also has `frame_shape` and a method `window` (see `read_window`) is never read whole
where a part will do.
"""

Window: TypeAlias = tuple[slice, slice]
"""Rows and columns of a frame."""

Box: TypeAlias = tuple[float, float, float, float]
"""First row and column, and those after the last, of image pixels: (y0, x0, y1, x1)."""

Contrast: TypeAlias = tuple[float, float]
"""Intensities that become black and white."""

PERCENTILES = (0.1, 99.9)
SAMPLED_FRAMES = 8
SAMPLED_SIDE = 256
LARGE_FRAME_PX = 1 << 23  # beyond it, samples come from patches
PATCHES, PATCH_PX = 3, 128  # in each direction
OVERSAMPLED = 8  # pixels read for one that is wanted, at most: the rest is skipped


@dataclass(frozen=True)
class Crop:
    """A part of a frame that the network gets instead of the whole.

    Parameters
    ----------
    origin_yx
        First row and column in image pixels.
    shape
        Height and width in image pixels; the crop lies within the frame.
    """

    origin_yx: tuple[int, int]
    shape: tuple[int, int]

    @property
    def window(self) -> Window:
        """Rows and columns of the frame."""
        (y, x), (height, width) = self.origin_yx, self.shape
        return slice(y, y + height), slice(x, x + width)


def check_frame(frame: Any) -> NDArray[Any]:
    """Return a frame as an array of (H, W) or (H, W, 3).

    Raises
    ------
    ValueError
        If it has another shape or complex values.
    """
    pixels = np.asarray(frame)
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))
    if not is_image or 0 in pixels.shape:
        raise ValueError(
            f"frame: expected shape (H, W) or (H, W, 3), found {pixels.shape}; "
            "choose one channel and put time or depth first"
        )
    if pixels.dtype.kind not in "buif":
        raise ValueError(f"frame: expected real numbers, found dtype {pixels.dtype}")
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def shape_of_frames(frames: Frames) -> tuple[int, int]:
    """Return (H, W) of the frames, without reading one if they have a shape.

    Raises
    ------
    ValueError
        If there is no frame, or the first is no image.
    """
    if len(frames) == 0:
        raise ValueError("frames: expected at least one frame, found none")
    known = getattr(frames, "frame_shape", None)
    if known is None and _is_array(frames):
        known = frames.shape[1:3]  # type: ignore[attr-defined]
    if known is None:
        known = check_frame(frames[0]).shape[:2]
    return int(known[0]), int(known[1])


def _is_array(frames: Frames) -> bool:
    """Return whether these are one array (numpy, dask, zarr) of (T, H, W) or (T, H, W, 3)."""
    shape: tuple[int, ...] = getattr(frames, "shape", ())
    return len(shape) == 3 or (len(shape) == 4 and shape[-1] in (3, 4))


def read_window(
    frames: Frames, frame: int, window: Window, size: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Read a part of a frame, (h, w) or (h, w, 3).

    Parameters
    ----------
    frames
        The movie. A method `window(frame, rows, columns, size)` of it is asked first, which
        may answer from a lower resolution; of a numpy, dask or zarr array only the part is read.
    frame
        Index of the frame.
    window
        Which part, within the frame.
    size
        How many rows and columns are enough; all by default.
    """
    if hasattr(frames, "window"):
        return check_frame(frames.window(frame, *window, size))
    if _is_array(frames):
        _, slices = choose_level(window, size, [shape_of_frames(frames)])
        return check_frame(frames[(frame, *slices)])  # type: ignore[call-overload]
    pixels = check_frame(frames[frame])
    _, slices = choose_level(window, size, [(pixels.shape[0], pixels.shape[1])])
    return pixels[slices]


def choose_level(
    window: Window, size: tuple[int, int] | None, shapes: Sequence[tuple[int, int]]
) -> tuple[int, Window]:
    """Choose the lowest resolution with enough pixels to read a window from.

    Parameters
    ----------
    window
        Rows and columns at full resolution.
    size
        How many rows and columns are enough; None for all.
    shapes
        (H, W) of each level of resolution, finest first.

    Returns
    -------
    level, window
        Index of the level, and rows and columns there; with a step where there are far more
        pixels than needed.
    """
    if size is None:
        return 0, window
    level = 0
    for number, shape in enumerate(shapes):
        scales = [n / full for n, full in zip(shape, shapes[0], strict=True)]
        spans = [(w.stop - w.start) * scale for w, scale in zip(window, scales, strict=True)]
        if all(span >= wanted for span, wanted in zip(spans, size, strict=True)):
            level = number
    rows, columns = (
        _at_level(w, full, n, wanted)
        for w, full, n, wanted in zip(window, shapes[0], shapes[level], size, strict=True)
    )
    return level, (rows, columns)


def _at_level(window: slice, n_full: int, n: int, wanted: int) -> slice:
    first = min(int(window.start * n / n_full), n - 1)
    stop = min(max(first + 1, -int(-window.stop * n // n_full)), n)
    step = max(1, (stop - first) // (OVERSAMPLED * wanted))
    return slice(first + step // 2, stop, step)


def sample_pixels(frames: Frames, frame: int) -> NDArray[Any]:
    """Read a sample of the pixels of a frame, (N,), of all colours.

    A grid of pixels of the whole frame; of a large frame a few patches, and nothing else is read.
    """
    if not has_large_parts(frames):
        pixels = check_frame(frames[frame])
        step_y, step_x = (max(1, side // SAMPLED_SIDE) for side in pixels.shape[:2])
        return pixels[::step_y, ::step_x].ravel()
    height, width = shape_of_frames(frames)
    patches = [
        read_window(frames, frame, (rows, columns)).ravel()
        for rows in _patches(height)
        for columns in _patches(width)
    ]
    return np.concatenate(patches)


def has_large_parts(frames: Frames) -> bool:
    """Return whether frames are large and can be read in parts."""
    in_parts = hasattr(frames, "window") or _is_array(frames)
    return in_parts and math.prod(shape_of_frames(frames)) > LARGE_FRAME_PX


def _patches(length: int) -> list[slice]:
    """Return patches that are evenly spread over an axis."""
    side = min(PATCH_PX, length)
    centres = [(2 * i + 1) * length // (2 * PATCHES) for i in range(PATCHES)]
    firsts = [min(max(centre - side // 2, 0), length - side) for centre in centres]
    return [slice(first, first + side) for first in firsts]


def measure_contrast(frames: Frames) -> Contrast:
    """Measure the intensities that become black and white, constant over a movie.

    The percentiles 0.1 and 99.9 of a few evenly spread frames, each sampled on a grid;
    over all colours together.

    Raises
    ------
    ValueError
        If no sampled pixel is finite.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, SAMPLED_FRAMES).round().astype(int))
    samples = [sample_pixels(frames, t).astype(np.float64) for t in chosen.tolist()]
    contrast = _percentiles(np.concatenate(samples))
    if contrast is None:
        raise ValueError(
            "image: expected numbers, found only NaN or infinity in the sampled frames"
        )
    return contrast


def contrast_of_frame(frames: Frames, frame: int) -> Contrast:
    """Measure the intensities that become black and white in one frame; 0 and 1 without any."""
    return _percentiles(sample_pixels(frames, frame).astype(np.float64)) or (0.0, 1.0)


def _percentiles(values: NDArray[np.float64]) -> Contrast | None:
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    low, high = np.percentile(values, PERCENTILES)
    return float(low), float(high)
