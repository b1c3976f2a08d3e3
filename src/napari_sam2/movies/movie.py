"""Movies and stacks as sequences of frames, read one at a time."""

import math
from collections.abc import Sequence
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from napari_sam2.movies import blank_frames
from napari_sam2.movies.axes import Channel, Index, resolve_layout
from napari_sam2.movies.calibration import Calibration as Calibration
from sam2_torch.inputs.frames import choose_level, sample_pixels


class ArraySource(Protocol):
    """Sources of frames: numpy, memmap, zarr, dask, the pages of a TIFF."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the pixels."""

    def __getitem__(self, index: Any, /) -> Any:
        """Read a part, given one integer or slice for each axis."""


class Movie(Sequence[NDArray[Any]]):
    """A movie, a stack or an image as a sequence of frames, read on access.

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

    Attributes
    ----------
    blank
        Frames that turned out to hold no number.

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
        self.array = array
        self.blank = blank_frames.BlankFrames()
        self._levels = (array, *levels)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.layout.n_frames

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.layout.frame_shape

    @property
    def n_planes(self) -> int:
        """Number of planes of each time point of a movie of stacks; 1 otherwise."""
        return self.layout.n_planes

    @property
    def plane_step_px(self) -> float | None:
        """Distance of two planes in pixels; None if unknown."""
        step, pixel = self.calibration.z_step, self.calibration.pixel_size_yx
        return abs(step) / math.sqrt(abs(pixel[0] * pixel[1])) if step and pixel else None

    @property
    def is_stack(self) -> bool:
        """Whether the frames are the planes of one stack."""
        return self.layout.label_axes == "ZYX"

    @property
    def is_rgb(self) -> bool:
        """Whether a frame is (H, W, 3)."""
        return self.layout.colour_axis is not None

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 without an axis of them."""
        axes = self.layout.axes
        return self.layout.shape[axes.index("C")] if "C" in axes else 1

    def frame_span(self, times: tuple[int, int] | None = None) -> tuple[int, int]:
        """Return a range of time points as a range of frames.

        Parameters
        ----------
        times
            First time point and the one after the last; all by default. In a movie that is not
            one of stacks, each frame is a time point.

        Returns
        -------
        First frame and the one after the last.

        Raises
        ------
        ValueError
            If the range is empty or reaches beyond the movie.
        """
        n_times = self.n_frames // self.n_planes
        first, stop = times or (0, n_times)
        if not 0 <= first < stop <= n_times:
            raise ValueError(
                f"frames {first}:{stop}: expected a first frame before a last one (which is not "
                f"taken) within 0:{n_times}"
            )
        return first * self.n_planes, stop * self.n_planes

    def with_channel(self, channel: int) -> "Movie":
        """Return the movie of another channel.

        Parameters
        ----------
        channel
            Index of the channel.
        """
        axes, levels = self.layout.axes, self._levels
        return Movie(levels[0], axes, channel, self.calibration, levels[1:])

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
        pixels = self._read(self.array, self.layout.parts(int(frame)))
        self.blank.note(int(frame), pixels, lambda: pixels)
        return pixels

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
        pixels = self._window(frame, rows, columns, size)
        self.blank.note(int(frame), pixels, lambda: self._sample(frame))
        return pixels

    def _window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None
    ) -> NDArray[Any]:
        level, slices = choose_level(
            (rows, columns), size, [self._shape_yx(source) for source in self._levels]
        )
        return self._read(self._levels[level], self.layout.parts(int(frame), *slices))

    def _sample(self, frame: int) -> NDArray[Any]:
        height, width = self.frame_shape
        side = blank_frames.SAMPLED_SIDE
        return self._window(frame, slice(0, height), slice(0, width), (side, side))

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
        """Check that the first, the middle or the last frame has a finite pixel.

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
