"""A movie or a stack as a sequence of frames: which axis is which, read one frame at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from sam2_torch.frames import choose_level, sample_pixels

AXES = "TZCYXS"  # time, depth, channel, row, column, sample (of RGB)
_RGB = (3, 4)
_ALL = slice(None)

Index: TypeAlias = tuple[int | slice, ...]
Channel: TypeAlias = int | tuple[int, ...]
"""One channel for grey frames, or two or three that become red, green and blue."""


@dataclass(frozen=True)
class Calibration:
    """What a pixel and a step from frame to frame are in the world.

    Parameters
    ----------
    pixel_size_yx
        Height and width of a pixel in `unit`; None if unknown.
    unit
        Unit of lengths.
    z_step
        Distance of two planes in `unit`; None if unknown.
    time_interval
        Time from frame to frame in `time_unit`; None if unknown.
    time_unit
        Unit of times.
    """

    pixel_size_yx: tuple[float, float] | None = None
    unit: str = "um"
    z_step: float | None = None
    time_interval: float | None = None
    time_unit: str = "s"


class ArraySource(Protocol):
    """Anything that is cut into frames: numpy, memmap, zarr, dask, the pages of a tiff."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the pixels."""

    def __getitem__(self, index: Any, /) -> Any:
        """Read a part, given one integer or slice for each axis."""


@dataclass(frozen=True)
class FrameLayout:
    """How an array is cut into frames.

    Parameters
    ----------
    axes
        One letter of `AXES` for each axis of the array.
    shape
        Length of each axis.
    frame_axes
        Which axes the frames follow: none for a single image, one for a movie or a stack,
        time and depth for a movie of stacks, whose planes are counted as frames, time point
        by time point.
    colour_axis
        Which axis holds red, green and blue; None for grey images.
    colours
        Which places on it are red, green and blue; two make the third one black.
    fixed
        (axis, index) of the axes that stay at one place.
    """

    axes: str
    shape: tuple[int, ...]
    frame_axes: tuple[int, ...]
    colour_axis: int | None
    colours: tuple[int, ...]
    fixed: tuple[tuple[int, int], ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Lengths of the axes that the frames follow: (), (T,), (Z,) or (T, Z)."""
        return tuple(self.shape[axis] for axis in self.frame_axes)

    @property
    def n_frames(self) -> int:
        """Count the frames; in a movie of stacks, the planes of all time points."""
        return math.prod(self.grid)

    @property
    def n_planes(self) -> int:
        """Count the planes of each time point of a movie of stacks; 1 for all else."""
        return self.grid[1] if len(self.grid) == 2 else 1

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    @property
    def label_axes(self) -> str:
        """Axes of a label movie that fits: YX, TYX, ZYX or TZYX."""
        return "".join(self.axes[axis] for axis in self.frame_axes) + "YX"

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of a label movie that fits."""
        return (*self.grid, *self.frame_shape)

    def place(self, frame: int) -> tuple[int, ...]:
        """Say where a frame lies on the axes that the frames follow: (), (t,), (z,) or (t, z)."""
        return tuple(int(place) for place in np.unravel_index(frame, self.grid))

    def parts(self, frame: int, rows: slice = _ALL, columns: slice = _ALL) -> list[Index]:
        """Say which parts of the array are one frame: one part, or one for each colour.

        Parameters
        ----------
        frame
            Index of the frame.
        rows, columns
            Which of its pixels.
        """
        index: list[int | slice] = [_ALL] * len(self.shape)
        for axis, place in self.fixed:
            index[axis] = place
        for axis, place in zip(self.frame_axes, self.place(frame), strict=True):
            index[axis] = place
        index[self.axes.index("Y")], index[self.axes.index("X")] = rows, columns
        if self.colour_axis is None:
            return [tuple(index)]
        if self.colours == (0, 1, 2):  # one reading: they lie side by side
            index[self.colour_axis] = slice(0, 3)
            return [tuple(index)]
        axis = self.colour_axis
        return [(*index[:axis], colour, *index[axis + 1 :]) for colour in self.colours]

    def arrange(self, parts: list[NDArray[Any]]) -> NDArray[Any]:
        """Put what `parts` has cut out into the order (Y, X) or (Y, X, S)."""
        if len(parts) == 1 and self.colour_axis is not None:
            order = [i for i, a in enumerate(self.axes) if a in "YX" or i == self.colour_axis]
            wanted = [self.axes.index("Y"), self.axes.index("X"), self.colour_axis]
            return parts[0].transpose([order.index(axis) for axis in wanted])
        is_turned = self.axes.index("Y") > self.axes.index("X")
        images = [part.T if is_turned else part for part in parts]
        if self.colour_axis is None:
            return images[0]
        return np.stack([*images, *[np.zeros_like(images[0])] * (3 - len(images))], axis=-1)


def guess_axes(shape: tuple[int, ...]) -> str:
    """Guess the axes of an array that says nothing about them.

    (Y, X); (T, Y, X); either with a last axis of 3 or 4 as RGB.

    Raises
    ------
    ValueError
        If there are too few or too many axes to guess.
    """
    rgb = len(shape) > 2 and shape[-1] in _RGB and min(shape[-3:-1]) > max(_RGB)
    grey = len(shape) - rgb
    if grey not in (2, 3):
        raise ValueError(
            f"expected an image (Y, X) or a movie (T, Y, X), found the shape {tuple(shape)}; "
            + (
                "say which axis is which, for example with the axes TCYX or TZYX"
                if grey > 3
                else "an image needs rows and columns"
            )
        )
    return "YX" * (grey == 2) + "TYX" * (grey == 3) + "S" * rgb


def resolve_layout(
    shape: tuple[int, ...], axes: str | None = None, channel: Channel | None = None
) -> FrameLayout:
    """Decide which axes the frames follow and what is taken of the others.

    Parameters
    ----------
    shape
        Shape of the array.
    axes
        One letter of `AXES` for each axis, for example "TZCYX"; None to guess.
    channel
        Which channel to take: the first by default; of an RGB image all. Two or three
        become red, green and blue.

    Raises
    ------
    ValueError
        If the axes do not fit the shape, or there is no such channel.
    """
    letters = guess_axes(shape) if axes is None else _checked_axes(axes, shape)
    if 0 in shape:
        raise ValueError(f"expected at least one pixel, found the shape {tuple(shape)}")
    present = [letters.index(letter) for letter in "TZ" if letter in letters]
    moving = [axis for axis in present if shape[axis] > 1]
    # one frame only: an axis T or Z of length 1 still names the frames
    frame_axes = tuple(moving or sorted(present)[:1])
    colour_axis, colours = _colours(letters, shape, channel)
    fixed = [(axis, 0) for axis in present if axis not in frame_axes]
    fixed += _fixed_channels(letters, shape, channel, colour_axis)
    return FrameLayout(letters, tuple(shape), frame_axes, colour_axis, colours, tuple(fixed))


def _checked_axes(axes: str, shape: tuple[int, ...]) -> str:
    letters = axes.upper()
    unknown = sorted(set(letters) - set(AXES))
    if unknown or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise ValueError(
            f"axes {axes!r}: expected each letter of {AXES} at most once, with Y and X; "
            "for example TYX, ZYX or TZCYX"
        )
    if len(letters) != len(shape):
        raise ValueError(
            f"axes {axes!r} name {len(letters)} axes, the image has {len(shape)}: "
            f"its shape is {tuple(shape)}; give one letter for each"
        )
    return letters


def _colours(
    letters: str, shape: tuple[int, ...], channel: Channel | None
) -> tuple[int | None, tuple[int, ...]]:
    """Decide which axis is red, green and blue, and which places on it are."""
    if isinstance(channel, tuple):
        axis, count = _channel_axis(letters, shape)
        if not 2 <= len(channel) <= 3 or not all(0 <= c < count for c in channel) or axis is None:
            raise ValueError(
                f"channels {','.join(map(str, channel))}: expected one, or two or three of "
                f"0..{count - 1} to become red, green and blue; the image has the axes {letters} "
                f"and the shape {tuple(shape)}"
            )
        return axis, channel
    samples = letters.find("S")
    # of another length it is grey with alpha, or as many channels as there are
    is_rgb = channel is None and samples >= 0 and shape[samples] in _RGB
    return (samples, (0, 1, 2)) if is_rgb else (None, ())


def _channel_axis(letters: str, shape: tuple[int, ...]) -> tuple[int | None, int]:
    """Find the axis of the channels (of C and S the one that varies) and its length."""
    varying = [i for i, a in enumerate(letters) if a in "CS" and shape[i] > 1]
    return (varying[0], shape[varying[0]]) if varying else (None, 1)


def _fixed_channels(
    letters: str, shape: tuple[int, ...], channel: Channel | None, colour_axis: int | None
) -> list[tuple[int, int]]:
    axes = [i for i, a in enumerate(letters) if a in "CS" and i != colour_axis]
    if colour_axis is not None:
        return [(axis, 0) for axis in axes]
    wanted, count = _channel_axis(letters, shape)
    place = channel if isinstance(channel, int) else 0
    if not 0 <= place < count:
        raise ValueError(
            f"channel {channel}: expected 0..{count - 1}, the image has the axes {letters} "
            f"and the shape {tuple(shape)}"
        )
    return [(axis, place if axis == wanted else 0) for axis in axes]


class Movie(Sequence[NDArray[Any]]):
    """A movie, a stack or an image as a sequence of frames, read when asked for.

    Parameters
    ----------
    array
        Where the frames are cut from; read one frame at a time.
    axes
        One letter of `AXES` for each axis of the array; None to guess.
    channel
        Which channel to take; of two or three, red, green and blue are made.
    calibration
        Pixel size and the like, for the outputs.
    levels
        The same at lower resolutions, finest first: what large windows are read from.

    Raises
    ------
    ValueError
        If the pixels are not real numbers, or as for `resolve_layout`.
    """

    def __init__(
        self,
        array: ArraySource,
        axes: str | None = None,
        channel: Channel | None = None,
        calibration: Calibration | None = None,
        levels: Sequence[ArraySource] = (),
    ) -> None:
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        if self.dtype.kind not in "buif":
            raise ValueError(f"expected pixels that are real numbers, found the type {self.dtype}")
        self.layout = resolve_layout(tuple(array.shape), axes, channel)
        self.calibration = calibration or Calibration()
        self._array = array
        self._levels = (array, *levels)

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return self.layout.n_frames

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.layout.frame_shape

    @property
    def n_planes(self) -> int:
        """Count the planes of each time point of a movie of stacks; 1 for all else."""
        return self.layout.n_planes

    @property
    def is_rgb(self) -> bool:
        """Say whether a frame is (H, W, 3)."""
        return self.layout.colour_axis is not None

    def __len__(self) -> int:
        return self.n_frames

    @overload
    def __getitem__(self, frame: int) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, frame: slice) -> list[NDArray[Any]]: ...

    def __getitem__(self, frame: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        if isinstance(frame, slice):
            return [self[number] for number in range(*frame.indices(self.n_frames))]
        if not 0 <= frame < self.n_frames:  # IndexError ends a `for` loop over the movie
            raise IndexError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")
        return self._read(self._array, self.layout.parts(int(frame)))

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read a part of a frame, from as low a resolution as will do.

        Parameters
        ----------
        frame
            Index of the frame.
        rows, columns
            Which pixels; of step 1 and within the frame.
        size
            How many rows and columns are enough; all by default.

        Returns
        -------
        (h, w) or (h, w, 3) pixels, evenly spread over the window.

        Raises
        ------
        IndexError
            If the frame is outside of the movie.
        """
        if not 0 <= frame < self.n_frames:
            raise IndexError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")
        level, slices = choose_level(
            (rows, columns), size, [self._shape_yx(source) for source in self._levels]
        )
        return self._read(self._levels[level], self.layout.parts(int(frame), *slices))

    def _shape_yx(self, source: ArraySource) -> tuple[int, int]:
        axes = self.layout.axes
        return source.shape[axes.index("Y")], source.shape[axes.index("X")]

    def _read(self, source: ArraySource, parts: list[Index]) -> NDArray[Any]:
        pixels = self.layout.arrange([np.asarray(source[part]) for part in parts])
        return pixels.astype(self.dtype, copy=False)

    def __repr__(self) -> str:
        h, w = self.frame_shape
        planes = self.layout.n_planes
        if planes > 1:
            frames = f"{self.n_frames // planes} time points with {planes} planes"
        else:
            frames = f"{self.n_frames} frame{'s' * (self.n_frames != 1)}"
        return f"{frames} of {h} x {w} {self.dtype} (axes {self.layout.axes})"

    def check_finite(self) -> None:
        """Look into the first, the middle and the last frame for a number.

        Raises
        ------
        ValueError
            If none of them holds a finite pixel.
        """
        if self.dtype.kind != "f":
            return
        looked_at = sorted({0, self.n_frames // 2, self.n_frames - 1})
        if not any(np.isfinite(sample_pixels(self, frame)).any() for frame in looked_at):
            raise ValueError(
                f"expected pixels with numbers, found only NaN or infinity (frames {looked_at})"
            )
