"""A movie or a stack as a sequence of frames: which axis is which, read one frame at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

AXES = "TZCYXS"  # time, depth, channel, row, column, sample (of RGB)
_RGB = (3, 4)


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
    frame_axis
        Which axis the frames follow; None for a single image.
    sample_axis
        Which axis holds red, green and blue; None for grey images.
    fixed
        (axis, index) of the axes that stay at one place.
    """

    axes: str
    shape: tuple[int, ...]
    frame_axis: int | None
    sample_axis: int | None
    fixed: tuple[tuple[int, int], ...]

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return 1 if self.frame_axis is None else self.shape[self.frame_axis]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    @property
    def label_axes(self) -> str:
        """Axes of a label movie that fits: YX, TYX or ZYX."""
        return "YX" if self.frame_axis is None else self.axes[self.frame_axis] + "YX"

    def index(self, frame: int) -> tuple[int | slice, ...]:
        """Say which part of the array is one frame."""
        index: list[int | slice] = [slice(None)] * len(self.shape)
        for axis, place in self.fixed:
            index[axis] = place
        if self.frame_axis is not None:
            index[self.frame_axis] = frame
        if self.sample_axis is not None:
            index[self.sample_axis] = slice(0, 3)  # without alpha
        return tuple(index)

    def arrange(self, part: NDArray[Any]) -> NDArray[Any]:
        """Put what `index` has cut out into the order (Y, X) or (Y, X, S)."""
        kept = [letter for letter in self.axes if letter in "YX"]
        if self.sample_axis is not None:
            kept = [letter for letter in self.axes if letter in "YXS"]
        return part.transpose([kept.index(letter) for letter in "YXS" if letter in kept])


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
    shape: tuple[int, ...], axes: str | None = None, channel: int | None = None
) -> FrameLayout:
    """Decide which axis the frames follow and what is taken of the others.

    Parameters
    ----------
    shape
        Shape of the array.
    axes
        One letter of `AXES` for each axis, for example "TZCYX"; None to guess.
    channel
        Which channel to take: the first by default; of an RGB image all.

    Raises
    ------
    ValueError
        If the axes do not fit the shape, time and depth are both there, or there is
        no such channel.
    """
    letters = guess_axes(shape) if axes is None else _checked_axes(axes, shape)
    if 0 in shape:
        raise ValueError(f"expected at least one pixel, found the shape {tuple(shape)}")
    moving = [i for i, a in enumerate(letters) if a in "TZ" and shape[i] > 1]
    if len(moving) > 1:
        raise ValueError(
            f"expected a movie (T) or a stack (Z), found both in the axes {letters} of the shape "
            f"{tuple(shape)}; save one time point or one plane as a file of its own"
        )
    # one frame only: an axis T or Z of length 1 still names the frames
    still = [i for i, a in enumerate(letters) if a in "TZ"]
    frame_axis = next(iter(moving + still), None)
    sample_axis = letters.find("S") if channel is None else -1
    if sample_axis >= 0 and shape[sample_axis] not in _RGB:
        sample_axis = -1  # grey with alpha, or as many channels as there are
    fixed = [(i, 0) for i in still if i != frame_axis]
    fixed += _fixed_channels(letters, shape, channel, sample_axis)
    return FrameLayout(
        letters, tuple(shape), frame_axis, sample_axis if sample_axis >= 0 else None, tuple(fixed)
    )


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


def _fixed_channels(
    letters: str, shape: tuple[int, ...], channel: int | None, sample_axis: int
) -> list[tuple[int, int]]:
    channel_axes = [i for i, a in enumerate(letters) if a in "CS" and i != sample_axis]
    wanted = [i for i in channel_axes if shape[i] > 1][:1]  # of C and S the one that varies
    count = shape[wanted[0]] if wanted else 1
    if not 0 <= (channel or 0) < count:
        raise ValueError(
            f"channel {channel}: expected 0..{count - 1}, the image has the axes {letters} "
            f"and the shape {tuple(shape)}"
        )
    return [(i, (channel or 0) if i in wanted else 0) for i in channel_axes]


class Movie(Sequence[NDArray[Any]]):
    """A movie, a stack or an image as a sequence of frames, read when asked for.

    Parameters
    ----------
    array
        Where the frames are cut from; read one frame at a time.
    axes
        One letter of `AXES` for each axis of the array; None to guess.
    channel
        Which channel to take.
    calibration
        Pixel size and the like, for the outputs.

    Raises
    ------
    ValueError
        If the pixels are not real numbers, or as for `resolve_layout`.
    """

    def __init__(
        self,
        array: ArraySource,
        axes: str | None = None,
        channel: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        if self.dtype.kind not in "buif":
            raise ValueError(f"expected pixels that are real numbers, found the type {self.dtype}")
        self.layout = resolve_layout(tuple(array.shape), axes, channel)
        self.calibration = calibration or Calibration()
        self._array = array

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return self.layout.n_frames

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.layout.frame_shape

    @property
    def is_rgb(self) -> bool:
        """Say whether a frame is (H, W, 3)."""
        return self.layout.sample_axis is not None

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
        part = np.asarray(self._array[self.layout.index(int(frame))])
        return self.layout.arrange(part).astype(self.dtype, copy=False)

    def __repr__(self) -> str:
        h, w = self.frame_shape
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
        if not any(np.isfinite(self[frame]).any() for frame in looked_at):
            raise ValueError(
                f"expected pixels with numbers, found only NaN or infinity (frames {looked_at})"
            )
