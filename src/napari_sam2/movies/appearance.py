"""Appearance: contrast, gamma and resolution of what the network sees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam2_torch.inputs.frames import (
    Contrast,
    contrast_of_frame,
    measure_contrast,
    read_window,
    shape_of_frames,
)

if TYPE_CHECKING:
    from sam2_torch import SAM2, VideoSession

Resolution: TypeAlias = float | Literal["auto", "whole"]
LARGE_PX = 2048  # rows or columns, beyond which frames are seen in windows
INPUT_PX = 512  # of the embedded network; others see windows twice as wide
BLACK_AND_WHITE: Contrast = (0.0, 1.0)


class MovieFrames(Protocol):
    """Frames of one shape that can be read in parts: `Movie`, or those of a layer."""

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @property
    def n_planes(self) -> int:
        """Number of planes of each time point of a movie of stacks; 1 otherwise."""

    def __len__(self) -> int: ...

    def __getitem__(self, frame: int, /) -> Any: ...

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read a part of a frame."""


@dataclass(frozen=True)
class Appearance:
    """Contrast, gamma and resolution of what the network sees.

    Parameters
    ----------
    contrast
        Intensities that become black and white; None for percentiles of a few frames.
    gamma
        Power of the intensities between black and white: below 1 dark ones become brighter.
    per_frame
        Whether to take the percentiles of each frame, in place of `contrast`: for movies
        that bleach or flicker.
    resolution
        Pixels of the network's input for one of the image, in windows that follow each
        object; "whole" squeezes the whole frame into the input; "auto" does so, but takes 1
        for frames of more than `LARGE_PX` rows or columns.

    channels
        Of a layer with an axis of channels: which one to take, or which two or three to be
        red, green and blue; None for the one that is shown.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """

    contrast: Contrast | None = None
    gamma: float = 1.0
    per_frame: bool = False
    resolution: Resolution = "auto"
    channels: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.gamma < math.inf:
            raise ValueError(f"gamma: expected a positive number, found {self.gamma:g}")
        if self.contrast is not None and not np.isfinite(self.contrast).all():
            raise ValueError(f"contrast: expected two numbers, found {self.contrast}")
        if isinstance(self.resolution, str):
            if self.resolution not in ("auto", "whole"):
                raise ValueError(
                    f"resolution: expected auto, whole or a number, found {self.resolution!r}"
                )
        elif not 0 < self.resolution < math.inf:
            raise ValueError(f"resolution: expected a positive number, found {self.resolution:g}")

    @property
    def is_plain(self) -> bool:
        """Whether the network's own normalisation does it all."""
        return self.gamma == 1 and not self.per_frame

    def input_pixels(self, frame_shape: tuple[int, int]) -> float | None:
        """Return the pixels of the input for one of the image; None for whole frames.

        Parameters
        ----------
        frame_shape
            (H, W) of a frame in pixels.
        """
        if self.resolution == "whole":
            return None
        if self.resolution == "auto":
            return 1.0 if max(frame_shape) > LARGE_PX else None
        return float(self.resolution)

    def show(self, frames: MovieFrames) -> "Shown":
        """Return the input of a session.

        Parameters
        ----------
        frames
            The movie.
        """
        resolution = self.input_pixels(shape_of_frames(frames))  # type: ignore[arg-type]
        if self.is_plain:  # the session measures the contrast itself unless it is given
            return Shown(frames, self.contrast, resolution)
        return Shown(ShownFrames(frames, self), BLACK_AND_WHITE, resolution)


USUAL = Appearance()


def preview(
    frames: MovieFrames,
    frame: int,
    centre_yx: tuple[float, float],
    appearance: Appearance,
    side: int,
) -> tuple[NDArray[np.float32], str]:
    """Return a picture of what the network sees of a frame, and a description of it.

    Parameters
    ----------
    frames, frame
        The movie, and which of its frames.
    centre_yx
        In image pixels, where a window would lie.
    appearance
        How it is seen.
    side
        Rows and columns of the picture at most.

    Returns
    -------
    (h, w) or (h, w, 3) of 0 (black) to 1 (white), and a sentence.
    """
    resolution = appearance.input_pixels(frames.frame_shape)
    length = max(frames.frame_shape) if resolution is None else round(INPUT_PX / resolution)
    height, width = (min(length, n) for n in frames.frame_shape)
    y, x = (
        min(max(round(centre - part / 2), 0), n - part)
        for centre, part, n in zip(centre_yx, (height, width), frames.frame_shape, strict=True)
    )
    step = max(height, width) / side
    size = max(1, round(height / step)), max(1, round(width / step))
    window = slice(y, y + height), slice(x, x + width)
    pixels = ShownFrames(frames, appearance).window(frame, *window, size)
    rows = np.arange(size[0]) * pixels.shape[0] // size[0]
    columns = np.arange(size[1]) * pixels.shape[1] // size[1]
    seen = "the whole frame" if resolution is None else f"a window of {height} x {width} pixels"
    time, plane = divmod(frame, frames.n_planes)
    where = f"Time {time}, plane {plane}" if frames.n_planes > 1 else f"Frame {frame}"
    return pixels[rows[:, None], columns], f"{where}: {seen}"


class Shown(NamedTuple):
    """Input of a session: frames, their contrast and the resolution."""

    frames: Any
    contrast: Contrast | None
    resolution: float | None

    @property
    def options(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        options = {"contrast": self.contrast, "resolution": self.resolution}
        return {name: choice for name, choice in options.items() if choice is not None}


class ShownFrames(Sequence[NDArray[np.float32]]):
    """Frames with contrast and gamma applied: 0 is black and 1 is white.

    Parameters
    ----------
    frames
        What to show; read when asked for.
    appearance
        How.
    """

    def __init__(self, frames: MovieFrames, appearance: Appearance) -> None:
        self._frames, self._appearance = frames, appearance
        self._contrasts: dict[int, Contrast] = {}

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return shape_of_frames(self._frames)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> NDArray[np.float32]:  # type: ignore[override]  # no slices
        return self._shown(frame, np.asarray(self._frames[frame]))

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Read a part of a frame, as `Movie.window` does."""
        pixels = read_window(self._frames, frame, (rows, columns), size)  # type: ignore[arg-type]
        return self._shown(frame, pixels)

    def _shown(self, frame: int, pixels: NDArray[Any]) -> NDArray[np.float32]:
        low, high = self._contrast(frame)
        span = np.float32(max(high - low, 1e-12))
        shown = ((pixels.astype(np.float32) - np.float32(low)) / span).clip(0, 1)
        return shown if self._appearance.gamma == 1 else shown ** np.float32(self._appearance.gamma)

    def _contrast(self, frame: int) -> Contrast:
        # the frame's, or that of all, which has the key of none
        key = frame if self._appearance.per_frame else -1
        if key not in self._contrasts:
            self._contrasts[key] = self._measure(key)
        return self._contrasts[key]

    def _measure(self, key: int) -> Contrast:
        if key >= 0:
            return contrast_of_frame(self._frames, key)  # type: ignore[arg-type]
        return self._appearance.contrast or measure_contrast(self._frames)  # type: ignore[arg-type]


def open_session(
    model: "SAM2",
    frames: MovieFrames,
    appearance: Appearance | None = None,
    **options: Any,
) -> "VideoSession":
    """Create the session that fits a movie: of frames, of the planes of a stack, or of stacks.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    frames
        The movie; read when needed.
    appearance
        What the network sees of it; the usual by default.
    **options
        Of `VideoSession`.
    """
    from sam2_torch import Depth, VideoSession

    shown = (appearance or Appearance()).show(frames)
    options |= shown.options
    n_planes, step = getattr(frames, "n_planes", 1), getattr(frames, "plane_step_px", None)
    if n_planes > 1:
        options["depth"] = Depth(n_planes, step)
    elif getattr(frames, "is_stack", False):
        options["depth"] = Depth()
    return VideoSession(model, shown.frames, **options)
