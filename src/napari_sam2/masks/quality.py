"""Scores of how much each mask needs a review: pure functions of `MaskStatistics`.

Five rules give a score from 0 (nothing to check) to 1; the highest one counts:

=========  =====================================================================================
reason     score
=========  =====================================================================================
quality    0 at a predicted IoU of 0.9, 1 at 0.5
presence   4 p (1 - p), p = sigmoid(object score): 1 where the network cannot decide
area       0 at a change by a factor of 1.3 since the frame before, 1 at a factor of 2.5
place      0 at half a diameter, 1 at 1.5 diameters between the centroid and its last place, or
           the place that its last step leads to (the nearer one)
vanishing  0.75 on the absent frame next to the last (first) mask, where that mask is away from
           the border of the frame and had not shrunk below two thirds in the four frames before
=========  =====================================================================================

A frame that the user prompted or locked has the score 0; a jump between it and a neighbour is
the neighbour's. From 0.5 on, a mask needs a review.
"""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.mask_statistics import MaskStatistics, StatisticsTable

NEEDS_REVIEW = 0.5
CONTEXT = 5  # frames to both sides that the score of a frame depends on
GOOD_IOU, POOR_IOU = 0.9, 0.5
FREE_GROWTH, MAX_GROWTH = 1.3, 2.5
FREE_STEP, MAX_STEP = 0.5, 1.5  # in diameters
VANISHING = 0.75
SHRUNK = 2 / 3
SHRINKS_WITHIN = 4  # frames


class Reason(IntEnum):
    """The rule that gave a score."""

    QUALITY = 0
    PRESENCE = 1
    AREA = 2
    PLACE = 3
    VANISHING = 4


def review_scores(
    statistics: MaskStatistics, n_planes: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Score how much each mask needs a review, and why.

    Parameters
    ----------
    statistics
        N objects in T frames. The score of a frame depends on up to `CONTEXT` frames to both
        sides, so parts of a movie can be scored alone if they overlap by that.
    n_planes
        In a movie of stacks, the number of planes of each time; a plane is then compared with its
        neighbours at that time only.

    Returns
    -------
    scores
        (N, T), 0 to 1; 0 where no mask is known.
    reasons
        (N, T), the `Reason` of each score.
    """
    if n_planes > 1:
        scores, reasons = review_scores(statistics.stacks(n_planes))
        return scores.reshape(statistics.shape), reasons.reshape(statistics.shape)
    size, place = _jumps(statistics)
    reasons = np.stack(
        [
            _quality(statistics),
            _presence(statistics),
            _on_found_side(size, statistics.given),
            _on_found_side(place, statistics.given),
            _vanishing(statistics),
        ]
    )
    reasons[:, statistics.given | ~statistics.known] = 0
    return reasons.max(0), reasons.argmax(0).astype(np.uint8)


def expected_iou(
    iou: NDArray[np.floating] | float, calibration: tuple[float, float] | None
) -> NDArray[np.float32]:
    """Return the IoU to expect of masks, from what the network predicted.

    Parameters
    ----------
    iou
        Predicted IoU; 1 or NaN for masks that are not the network's, which stay so.
    calibration
        Offset and slope; None to take the predicted IoU as it is.
    """
    offset, slope = calibration or (0.0, 1.0)
    predicted = np.asarray(iou, np.float32)
    return np.where(predicted < 1, np.clip(offset + slope * predicted, 0, 1), predicted)


class ReviewTable:
    """Scores that are updated with the statistics.

    Parameters
    ----------
    table
        The statistics; from now on objects are set, and masks read, through this class.
    n_planes
        As for `review_scores`.

    Attributes
    ----------
    scores, reasons
        (N, T) as `review_scores` returns them, in the order of the table's rows.
    calibration
        As for `expected_iou`.
    """

    def __init__(self, table: StatisticsTable, n_planes: int = 1) -> None:
        self.table = table
        self._n_planes = n_planes
        self.scores, self.reasons = review_scores(table.statistics)
        self.calibration: tuple[float, float] | None = None

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Confidence in each mask, (N, T), 0 to 1: at most the expected IoU."""
        expected = expected_iou(self.table.statistics.iou, self.calibration)
        return np.fmin(1 - self.scores, np.where(self.table.statistics.present, expected, np.nan))

    def set_objects(self, object_ids: Iterable[int]) -> list[int]:
        """Make these objects the rows; return the new ones, which are to be read."""
        rows = {object_id: row for row, object_id in enumerate(self.table.object_ids)}
        new = self.table.set_objects(object_ids)
        now = self.table.object_ids
        if tuple(rows) != now:
            kept = [i for i in now if i in rows]
            old, to = [rows[i] for i in kept], [now.index(i) for i in kept]
            scores = np.zeros(self.table.statistics.shape, np.float32)
            reasons = np.zeros(self.table.statistics.shape, np.uint8)
            scores[to], reasons[to] = self.scores[old], self.reasons[old]
            self.scores, self.reasons = scores, reasons
        return new

    def read(self, object_id: int) -> None:
        """Update all frames of an object, if it has a row."""
        row = self.table.row(object_id)
        if row is not None:
            self.table.read(object_id)
            self._judge_row(row)

    def update(self, changed: Iterable[tuple[int, int]]) -> None:
        """Update the masks of these (object id, frame)."""
        frames = set()
        for object_id, frame in changed:
            self.table.update(frame, (object_id,))
            frames.add(frame)
        for first, stop in _stretches(frames, self.scores.shape[1]):
            self._judge_frames(first, stop)

    def _judge_frames(self, first: int, stop: int) -> None:
        n = self._n_planes
        if n > 1:  # whole stacks, which depend on nothing else
            begin, end = first // n * n, -(-stop // n) * n
            first, stop = begin, end
        else:
            begin, end = max(first - CONTEXT, 0), min(stop + CONTEXT, self.scores.shape[1])
        scores, reasons = review_scores(self.table.statistics.frames(begin, end), n)
        inner = slice(first - begin, stop - begin)
        self.scores[:, first:stop] = scores[:, inner]
        self.reasons[:, first:stop] = reasons[:, inner]

    def set_given(self, given: Iterable[tuple[int, int]]) -> None:
        """Set on which (object id, frame) the user prompted or locked."""
        for row in self.table.set_given(given):
            self._judge_row(row)

    def _judge_row(self, row: int) -> None:
        rows = slice(row, row + 1)
        self.scores[rows], self.reasons[rows] = review_scores(
            self.table.statistics.objects(rows), self._n_planes
        )


def _stretches(frames: Iterable[int], n_frames: int) -> list[tuple[int, int]]:
    """Join frames, and those that depend on them, to ranges: first, the one after the last."""
    stretches: list[tuple[int, int]] = []
    for frame in sorted(frames):
        first, stop = max(frame - CONTEXT, 0), min(frame + CONTEXT + 1, n_frames)
        if stretches and first <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], stop
        else:
            stretches.append((first, stop))
    return stretches


def places_to_review(scores: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the (frame, row) of the highest score of each run of frames that need a review.

    Parameters
    ----------
    scores
        (N, T) from `review_scores`.

    Returns
    -------
    In the order of frames, then of rows.
    """
    padded = np.pad(scores >= NEEDS_REVIEW, ((0, 0), (1, 1)))
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    runs = zip(rows[::2].tolist(), edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return sorted((first + int(scores[row, first:stop].argmax()), row) for row, first, stop in runs)


def next_to_review(
    scores: NDArray[np.float32], here: tuple[int, int], *, backward: bool = False
) -> tuple[int, int] | None:
    """Return the place to review after (or before) `here`, from the other end if there is none.

    Parameters
    ----------
    scores
        (N, T) from `review_scores`.
    here
        (frame, row).
    backward
        Whether to go towards earlier frames.

    Returns
    -------
    (frame, row); None if no mask needs a review.
    """
    places = places_to_review(scores)
    if not places:
        return None
    if backward:
        return max((place for place in places if place < here), default=places[-1])
    return min((place for place in places if place > here), default=places[0])


def _quality(statistics: MaskStatistics) -> NDArray[np.float32]:
    iou = np.where(statistics.present & np.isfinite(statistics.iou), statistics.iou, 1)
    return _ramp(-iou, -GOOD_IOU, -POOR_IOU)


def _presence(statistics: MaskStatistics) -> NDArray[np.float32]:
    score = np.where(np.isfinite(statistics.object_score), statistics.object_score, np.inf)
    # 4 p (1 - p) of p = sigmoid(score), written so that nothing overflows
    return (1 / np.cosh(np.minimum(np.abs(score), 50) / 2) ** 2).astype(np.float32)


def _jumps(statistics: MaskStatistics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score jumps of area and of place between each frame and the one before, (N, T) each."""
    size = np.zeros(statistics.shape, np.float32)
    place = np.zeros(statistics.shape, np.float32)
    both = statistics.present[:, 1:] & statistics.present[:, :-1]
    area = np.maximum(statistics.area, 1)
    growth = np.abs(np.log(area[:, 1:] / area[:, :-1]))
    size[:, 1:] = np.where(both, _ramp(growth, np.log(FREE_GROWTH), np.log(MAX_GROWTH)), 0)
    step_y, step_x = np.diff(statistics.row), np.diff(statistics.column)
    away = np.hypot(step_y, step_x)
    went_on = np.hypot(np.diff(step_y), np.diff(step_x))
    thrice = both[:, 1:] & both[:, :-1]
    away[:, 1:] = np.where(thrice, np.minimum(away[:, 1:], went_on), away[:, 1:])
    diameters = away / (2 * np.sqrt(area[:, :-1] / np.pi))
    place[:, 1:] = np.where(both, _ramp(diameters, FREE_STEP, MAX_STEP), 0)
    return size, place


def _on_found_side(jump: NDArray[np.float32], given: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Move a jump into a frame that the user gave to the frame before it."""
    moved = np.where(given, 0, jump)
    moved[:, :-1] = np.maximum(moved[:, :-1], np.where(given[:, 1:], jump[:, 1:], 0))
    return moved


def _vanishing(statistics: MaskStatistics) -> NDArray[np.float32]:
    after = _vanishes(statistics.area, statistics.at_border)
    before = _vanishes(statistics.area[:, ::-1], statistics.at_border[:, ::-1])[:, ::-1]
    return np.where(after | before, np.float32(VANISHING), np.float32(0))


def _vanishes(area: NDArray[np.float32], at_border: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the absent frames right after a mask that neither shrank nor left, (N, T)."""
    largest = area.copy()
    for back in range(1, SHRINKS_WITHIN + 1):
        largest[:, back:] = np.maximum(largest[:, back:], area[:, :-back])
    suddenly = (area > 0) & (area >= SHRUNK * largest) & ~at_border
    vanishes = np.zeros(area.shape, bool)
    vanishes[:, 1:] = suddenly[:, :-1] & (area[:, 1:] == 0)
    return vanishes


def _ramp(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
