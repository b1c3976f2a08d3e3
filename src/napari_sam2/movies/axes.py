"""Axes of an array, and its layout as frames: pure decisions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

AXES = "TZCYXS"  # time, depth, channel, row, column, sample (of RGB)
_NAMES = {
    "T": ("t", "time", "frame", "frames"),
    "Z": ("z", "depth", "plane", "slice"),
    "C": ("c", "channel", "channels", "ch"),
    "Y": ("y", "row", "rows", "height"),
    "X": ("x", "column", "columns", "col", "width"),
    "S": ("s", "sample", "samples", "rgb"),
}
_RGB = (3, 4)
_SAMPLES = (1, 2, *_RGB)  # grey, grey with alpha, RGB, RGB with alpha
_ALL = slice(None)

Index: TypeAlias = tuple[int | slice, ...]
Channel: TypeAlias = int | tuple[int, ...]
"""One channel for grey frames, or two or three that become red, green and blue."""


@dataclass(frozen=True)
class FrameLayout:
    """Layout of an array as frames.

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
        """Number of frames; in a movie of stacks, the planes of all time points."""
        return math.prod(self.grid)

    @property
    def n_planes(self) -> int:
        """Number of planes of each time point of a movie of stacks; 1 otherwise."""
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
        """Return a frame's place on the axes that the frames follow: (), (t,), (z,) or (t, z).

        Parameters
        ----------
        frame
            Index of the frame; in a movie of stacks, counted through all planes.
        """
        return tuple(int(place) for place in np.unravel_index(frame, self.grid))

    def parts(self, frame: int, rows: slice = _ALL, columns: slice = _ALL) -> list[Index]:
        """Return the parts of the array that make one frame: one, or one for each colour.

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
        """Return the pixels of `parts` in the order (Y, X) or (Y, X, S).

        Parameters
        ----------
        parts
            Arrays cut out by the indices of `parts`.
        """
        if len(parts) == 1 and self.colour_axis is not None:
            order = [i for i, a in enumerate(self.axes) if a in "YX" or i == self.colour_axis]
            wanted = [self.axes.index("Y"), self.axes.index("X"), self.colour_axis]
            return parts[0].transpose([order.index(axis) for axis in wanted])
        is_turned = self.axes.index("Y") > self.axes.index("X")
        images = [part.T if is_turned else part for part in parts]
        if self.colour_axis is None:
            return images[0]
        return np.stack([*images, *[np.zeros_like(images[0])] * (3 - len(images))], axis=-1)


def letters_of(names: Sequence[Any], kinds: Sequence[Any] = ()) -> str | None:
    """Translate names of axes, as Zarr, xarray and OME have them, into letters of `AXES`.

    Parameters
    ----------
    names
        One for each axis.
    kinds
        OME's types of them, if there are any: an axis of type time or channel needs no usual name.

    Returns
    -------
    None if an axis has no name that is known, or two have the same.
    """
    by_name = {name: letter for letter, known in _NAMES.items() for name in known}
    by_kind = {"time": "T", "channel": "C"}
    kinds = kinds or [None] * len(names)
    letters = [
        by_name.get(str(name).lower()) or by_kind.get(str(kind))
        for name, kind in zip(names, kinds, strict=True)
    ]
    found = "".join(letter or "?" for letter in letters)
    complete = "?" not in found and len(set(found)) == len(found) and {"Y", "X"} <= set(found)
    return found if complete else None


def guess_axes(shape: tuple[int, ...]) -> str:
    """Guess the axes of an array without metadata.

    (Y, X); (T, Y, X); either with a last axis of 3 or 4 as RGB, or of 1 or 2 as grey.

    Parameters
    ----------
    shape
        Length of each axis.

    Raises
    ------
    ValueError
        If there are too few or too many axes to guess.
    """
    samples = len(shape) > 2 and shape[-1] in _SAMPLES and min(shape[-3:-1]) > max(_SAMPLES)
    grey = len(shape) - samples
    if grey not in (2, 3):
        raise ValueError(
            f"expected an image (Y, X) or a movie (T, Y, X), found the shape {tuple(shape)}; "
            + (
                "give the axes, for example TCYX or TZYX"
                if grey > 3
                else "an image needs rows and columns"
            )
        )
    return "YX" * (grey == 2) + "TYX" * (grey == 3) + "S" * samples


def resolve_layout(
    shape: tuple[int, ...], axes: str | None = None, channel: Channel | None = None
) -> FrameLayout:
    """Return the layout of an array: which axes the frames follow, and the places on the others.

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
    """Return the axis of red, green and blue, and their places on it."""
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
    """Return the axis of the channels (of C and S the one that varies) and its length."""
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
