"""Movies without prompts: segment everything in each frame, or track everything."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import pi
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import USUAL, Appearance, MovieFrames
from napari_sam2.movies.movie import Calibration, Movie

if TYPE_CHECKING:
    from sam2_torch import SAM2
    from sam2_torch.automatic import Division, EverythingOptions, ObjectRules, TrackOptions

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how much is done, and of how much."""


@dataclass(frozen=True)
class Found:
    """What was found in a movie.

    Parameters
    ----------
    masklets
        The masks. Of frames that were segmented each on its own, the objects are numbered
        anew in each frame, best first.
    scores
        0 to 1, by (object id, frame) of each mask that was found without a memory.
    divisions
        Proposals, of a movie that was tracked.
    """

    masklets: Masklets
    scores: dict[tuple[int, int], float] = field(default_factory=dict)
    divisions: "list[Division]" = field(default_factory=list)


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def segment_all(
    model: "SAM2",
    movie: Movie,
    options: "EverythingOptions | None" = None,
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = _silent,
    appearance: Appearance = USUAL,
) -> Found:
    """Segment everything in an image, or in each frame of a movie on its own.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    movie
        Its frames are read one at a time; they share one contrast.
    options
        How.
    frames
        First frame and the one after the last; others are neither read nor written.
    progress
        Called with the seeds that are done.
    appearance
        What the network sees of the movie; in how much detail is up to the crops of `options`.

    Raises
    ------
    ValueError
        If the range of frames does not fit.
    """
    from sam2_torch import Everything
    from sam2_torch.inputs.transforms import measure_contrast

    first, stop = _checked_span(frames, movie)
    shown = appearance.show(movie)
    contrast = shown.contrast or measure_contrast(movie)
    found = Found(Masklets(movie.n_frames, movie.frame_shape))
    for frame in range(first, stop):
        everything = Everything(model, shown.frames[frame], options, contrast=contrast)
        before, n = (frame - first) * everything.n_seeds, everything.n_seeds
        for step in everything.run():
            progress(before + step.done, n * (stop - first))
        for number, mask in enumerate(everything.masks(), start=1):
            found.masklets.set(number, frame, mask.sparse)
            found.scores[number, frame] = mask.score
    return found


def track_all(
    model: "SAM2",
    movie: Movie,
    options: "TrackOptions | None" = None,
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = _silent,
    appearance: Appearance = USUAL,
) -> Found:
    """Find all objects of a movie or stack and follow them through it.

    Parameters
    ----------
    model, movie, frames
        As for `segment_all`.
    options
        How, and where to look for new objects.
    progress
        Called after each frame; the total grows where new objects are followed back.
    appearance
        What the network sees of the movie, as for `api.track`.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or the movie is one of stacks.
    """
    from sam2_torch import VideoSession
    from sam2_torch.automatic import TrackEverything

    first, stop = _checked_span(frames, movie)
    if movie.n_planes > 1:
        raise ValueError(
            f"track everything: expected a movie or a stack, found a movie of stacks of "
            f"{movie.n_planes} planes; save one time point or one plane as a file of its own"
        )
    shown = appearance.show(Span(movie, first, stop))
    session = VideoSession(model, shown.frames, **shown.options)
    tracking = TrackEverything(session, shown.frames, options)
    found = Found(Masklets(movie.n_frames, movie.frame_shape), divisions=[])
    for step in tracking.run():
        progress(step.done, step.total)
    for (object_id, frame), mask in tracking.masks.items():
        found.masklets.set(object_id, frame + first, mask)
    for tracked in tracking.objects.values():
        found.scores[tracked.object_id, tracked.seed_frame + first] = tracked.seed.score
    found.divisions.extend(
        division._replace(frame=division.frame + first) for division in tracking.divisions
    )
    return found


class Span(Sequence[NDArray[Any]]):
    """A part of a movie, as a movie.

    Parameters
    ----------
    frames
        The movie.
    first, stop
        First frame and the one after the last.
    """

    def __init__(self, frames: MovieFrames, first: int, stop: int) -> None:
        self._frames = frames
        self._range = range(first, stop)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._frames.frame_shape

    @property
    def n_planes(self) -> int:
        """Planes of each time point of a movie of stacks; 1 for all else."""
        return self._frames.n_planes

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (np.asarray(self._frames[frame]) for frame in self._range)

    def __getitem__(self, frame: int) -> NDArray[Any]:  # type: ignore[override]  # no slices
        return np.asarray(self._frames[self._range[frame]])

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read a part of a frame, as `Movie.window` does."""
        return self._frames.window(self._range[frame], rows, columns, size)


def in_pixels(
    rules: "ObjectRules",
    calibration: Calibration,
    *,
    diameter: tuple[float | None, float | None] = (None, None),
    part_diameter: float | None = None,
) -> "ObjectRules":
    """Say in pixels how large objects are.

    Parameters
    ----------
    rules
        What else counts as an object.
    calibration
        Says what a pixel is; where it does not, diameters are in pixels.
    diameter
        Smallest and largest diameter, of a disc of an object's area; None for no limit.
    part_diameter
        Diameter below which holes are filled and specks removed.

    Raises
    ------
    ValueError
        If a diameter is not positive, or the range is empty.
    """
    for value in (*diameter, part_diameter):
        if value is not None and not value > 0:
            raise ValueError(f"diameter: expected a positive number, found {value:g}")
    height, width = calibration.pixel_size_yx or (1.0, 1.0)
    smallest, largest, part = (
        None if value is None else pi / 4 * value**2 / (height * width)
        for value in (*diameter, part_diameter)
    )
    return replace(rules, min_area=smallest or 0.0, max_area=largest, min_part_area=part or 0.0)


def _checked_span(frames: tuple[int, int] | None, movie: Movie) -> tuple[int, int]:
    n_planes = movie.n_planes
    n_times = movie.n_frames // n_planes
    first, stop = frames or (0, n_times)
    if not 0 <= first < stop <= n_times:
        raise ValueError(
            f"frames {first}:{stop}: expected a first frame before a last one (which is not "
            f"taken) within 0:{n_times}"
        )
    return first * n_planes, stop * n_planes
