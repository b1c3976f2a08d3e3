"""Segment or track everything in a movie, without prompts."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.annotation import track_edits
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import USUAL, Appearance, open_session
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    from sam2_torch import SAM2
    from sam2_torch.automatic import Division, EverythingOptions, ObjectRules, TrackOptions
    from sam2_torch.automatic.words import Words

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class AutomaticResult:
    """Objects of a movie that nobody prompted.

    Parameters
    ----------
    masklets
        The masks. Where each frame was segmented on its own, the objects of each frame are
        numbered from 1, best first.
    scores
        0 to 1, by (object id, frame), of each mask that was found without a memory.
    divisions
        Proposed divisions, in a movie that was tracked.
    """

    masklets: Masklets
    scores: dict[tuple[int, int], float] = field(default_factory=dict)
    divisions: "list[Division]" = field(default_factory=list)


def accept_divisions(
    tracked: Tracked, divisions: "Iterable[Division]", least: float
) -> tuple[Tracked, int]:
    """Make proposed divisions part of the lineage, the most probable ones first.

    Parameters
    ----------
    tracked
        The objects.
    divisions
        As in `AutomaticResult`.
    least
        Least score of a division that is accepted, 0 to 1.

    Returns
    -------
    The objects with their lineage, and how many divisions were accepted. One that contradicts
    another of a higher score is left out.
    """
    brought = track_edits.bring_in({}, tracked, 1)
    values = {key: value for key, value in brought.items() if value is not None}
    shape, accepted = tracked.masklets.frame_shape, 0
    for one in sorted(divisions, key=lambda division: -division.score):
        others = [i for i in one.daughters if i != one.mother]
        free = max((key.object_id for key in values), default=0) + 1
        place = values, one.mother, one.frame + 1  # the daughters' first frame
        if one.score < least:
            break
        try:
            if len(others) > 1:
                changes = track_edits.divide_between(*place, (others[0], others[1]), shape)
            else:
                changes = track_edits.divide_into(*place, (free, others[0]), shape)
        except ValueError as error:
            _LOG.warning("division of object %d in frame %d: %s", one.mother, one.frame, error)
            continue
        accepted += 1
        values.update((key, value) for key, value in changes.items() if value is not None)
        for key in [key for key, value in changes.items() if value is None]:
            values.pop(key, None)
    changed = track_edits.tracked_from(values, tracked)
    return replace(changed, names=tracked.names, reviewed=tracked.reviewed), accepted


def segment_all(  # noqa: PLR0913  # what a user may choose, by name
    model: "SAM2",
    movie: Movie,
    options: "EverythingOptions | None" = None,
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = silent,
    appearance: Appearance = USUAL,
    words: "Words | None" = None,
) -> AutomaticResult:
    """Segment everything in an image, or in each frame of a movie on its own.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    movie
        The frames; they are read one at a time and share one contrast.
    options
        Seeds, thresholds and rules; the defaults of `EverythingOptions` if None.
    frames
        First frame and the one after the last; others are neither read nor written.
    progress
        Called with the number of finished seeds and of all.
    appearance
        Contrast and gamma of what the network sees; its resolution is that of the crops in
        `options`.
    words
        What to look for; all objects if None.

    Raises
    ------
    ValueError
        If the range of frames does not fit.
    """
    from sam2_torch import Everything
    from sam2_torch.inputs.transforms import measure_contrast

    first, stop = movie.frame_span(frames)
    shown = appearance.show(movie)
    contrast = shown.contrast or measure_contrast(movie)
    result = AutomaticResult(Masklets(movie.n_frames, movie.frame_shape))
    for frame in range(first, stop):
        everything = Everything(model, shown.frames[frame], options, contrast=contrast)
        before, n = (frame - first) * everything.n_seeds, everything.n_seeds
        for step in everything.run():
            progress(before + step.done, n * (stop - first))
        found = everything.masks()
        if words is not None:
            masks = [one.sparse for one in found]
            found = [found[i] for i in words.fitting(shown.frames[frame], masks, contrast)]
        for number, mask in enumerate(found, start=1):
            result.masklets.set(number, frame, mask.sparse)
            result.scores[number, frame] = mask.score
    movie.blank.warn()
    return result


def track_all(
    model: "SAM2",
    movie: Movie,
    options: "TrackOptions | None" = None,
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = silent,
    appearance: Appearance = USUAL,
) -> AutomaticResult:
    """Find all objects of a movie or stack and track them through it.

    Parameters
    ----------
    model, movie, frames
        As for `segment_all`.
    options
        Seed frames and how to segment them; the defaults of `TrackOptions` if None.
    progress
        Called after each frame; the total grows when new objects are propagated backward.
    appearance
        Contrast, gamma and resolution of what the network sees.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or the movie is one of stacks.
    """
    from napari_sam2.api.find_and_link import TrackAll

    first, stop = movie.frame_span(frames)
    if movie.n_planes > 1:
        raise ValueError(
            f"track everything: expected a movie or a stack, found a movie of stacks of "
            f"{movie.n_planes} planes; save one time point or one plane as a file of its own"
        )
    part = MoviePart(movie, first, stop)
    open_part = partial(open_session, model, part, appearance, correctable=False)
    alone = None if part.is_stack else open_part
    tracking = TrackAll(open_part(), alone, appearance.show(part).frames, options)
    result = AutomaticResult(Masklets(movie.n_frames, movie.frame_shape))
    for step in tracking.run():
        progress(step.done, step.total)
    way = tracking.way
    for (object_id, frame), mask in way.masks.items():
        result.masklets.set(object_id, frame + first, mask)
    for tracked in way.objects.values():
        result.scores[tracked.object_id, tracked.seed_frame + first] = tracked.seed.score
    result.divisions.extend(
        division._replace(frame=division.frame + first) for division in way.divisions
    )
    movie.blank.warn()
    return result


class MoviePart(Sequence[NDArray[Any]]):
    """Some consecutive frames of a movie or stack, as a movie of their own.

    Parameters
    ----------
    movie
        A movie or a stack, not a movie of stacks.
    first, stop
        First frame and the one after the last.
    """

    n_planes = 1

    def __init__(self, movie: Movie, first: int, stop: int) -> None:
        self._movie = movie
        self._range = range(first, stop)
        self.is_stack = movie.is_stack

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._movie.frame_shape

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (np.asarray(self._movie[frame]) for frame in self._range)

    def __getitem__(self, frame: int) -> NDArray[Any]:  # type: ignore[override]  # no slices
        return np.asarray(self._movie[self._range[frame]])

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read part of a frame, as `Movie.window` does."""
        return self._movie.window(self._range[frame], rows, columns, size)


def in_pixels(
    rules: "ObjectRules",
    calibration: Calibration,
    *,
    diameter: tuple[float | None, float | None] = (None, None),
    part_diameter: float | None = None,
) -> "ObjectRules":
    """Return rules with calibrated diameters converted to areas in pixels.

    Parameters
    ----------
    rules
        The other rules; they are kept.
    calibration
        Its pixel size gives the unit of the diameters; without one they are in pixels.
    diameter
        Smallest and largest diameter of a disc with an object's area; None for no limit.
    part_diameter
        Diameter below which holes are filled and specks removed; None to keep them.

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
        None if value is None else pi / 4 * value**2 / abs(height * width)
        for value in (*diameter, part_diameter)
    )
    return replace(rules, min_area=smallest or 0.0, max_area=largest, min_part_area=part or 0.0)
