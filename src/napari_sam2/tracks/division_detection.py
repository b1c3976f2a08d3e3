"""Detect divisions from the masks of an object and of the others.

The limits for daughters are those of `sam2_torch.automatic.divisions`. Four signs:

================  ==============================================================================
two begin         Two objects begin in a frame around where the mother was, and her mask is
                  gone, or lies on theirs: 0.95.
falls apart       The mask consists of two daughters, neither of which is an older object, and
                  does so again within two frames, or has one daughter's size: 0.9. A part that
                  is added to a mask that stays as it is belongs to a neighbour.
one begins        An object begins beside the mother, whose mask has one daughter's size: 0.8.
halves            The area drops to a half at once and stays there, away from the border: up to
                  0.7, less the farther from a half. A cell that shrinks further is dying.
================  ==============================================================================

An object that began less than three frames ago does not divide.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from napari_sam2.masks.mask_statistics import MaskStatistics, StatisticsTable
from sam2_torch.automatic.divisions import (
    BEFORE,
    LARGEST,
    ONE,
    PARTS_ALIKE,
    Body,
    daughter_distance,
)
from sam2_torch.automatic.options import COVERED
from sam2_torch.label_images import connected_parts
from sam2_torch.masks import SparseMask

HALF, HALF_WIDTH = -1.0, 0.7
"""Log2 of the drop in area at a division, and how far from it."""

STAYS = 0.75
"""Area of the two frames after a drop, and before it, of that at it."""

WITHIN, LATEST = 3, 3
"""Frames: that a sign lasts; from a mother's end to her daughters."""


class Sign(NamedTuple):
    """Sign of a division: the daughters' first frame, mother and known daughters, score."""

    frame: int
    object_ids: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Signs:
    """Detect divisions.

    Parameters
    ----------
    table
        Masks and statistics of the objects.
    """

    table: StatisticsTable

    @cached_property
    def statistics(self) -> MaskStatistics:
        """Return the statistics, which are not updated meanwhile."""
        return self.table.statistics

    @cached_property
    def object_ids(self) -> tuple[int, ...]:
        """Return the objects of the rows."""
        return self.table.object_ids

    def find(self) -> Iterator[Sign]:
        """Yield all signs; several may be of one division."""
        present = self.statistics.present
        first = np.where(present.any(axis=1), present.argmax(axis=1), -1)
        for frame in range(1, present.shape[1]):
            begun = np.flatnonzero(first == frame).tolist()
            for row in np.flatnonzero((first >= 0) & (first < frame)).tolist():
                is_young = 0 < first[row] and frame - first[row] < WITHIN
                if not is_young and not self.statistics.given[row, frame]:
                    yield from self._signs_of(row, frame, begun)

    def _signs_of(self, row: int, frame: int, begun: list[int]) -> Iterator[Sign]:
        statistics, ids = self.statistics, self.object_ids
        recent = np.flatnonzero(statistics.present[row, max(0, frame - LATEST) : frame])
        if not recent.size:
            return
        last = max(0, frame - LATEST) + int(recent[-1])
        for pair in combinations(begun, 2):
            if self._are_daughters(row, last, frame, pair) and self._is_on(row, frame, pair):
                yield Sign(frame, (ids[row], ids[pair[0]], ids[pair[1]]), 0.95)
        if last < frame - 1 or not statistics.present[row, frame]:
            return
        for other in begun:
            if self._are_daughters(row, last, frame, (row, other)):
                yield Sign(frame, (ids[row], ids[other]), 0.8)
        if self._falls_apart(row, frame):
            yield Sign(frame, (ids[row],), 0.9)
        if score := self._halves(row, frame):
            yield Sign(frame, (ids[row],), score)

    def _before(self, row: int, frame: int) -> float:
        """Return the largest area of an object in the frames before one."""
        return float(self.statistics.area[row, max(0, frame - BEFORE) : frame].max())

    def _mother(self, row: int, last: int, frame: int) -> Body:
        """Return where a mother was last, with her largest area in the frames before one."""
        place = self.statistics.row[row, last], self.statistics.column[row, last]
        return Body(self._before(row, frame), *map(float, place))

    def _body(self, row: int, frame: int) -> Body:
        statistics = self.statistics
        numbers = statistics.area, statistics.row, statistics.column
        return Body(*(float(values[row, frame]) for values in numbers))

    def _are_daughters(self, row: int, last: int, frame: int, pair: tuple[int, int]) -> bool:
        """Return whether two objects are where a mother was last, and of the right size."""
        daughters = self._body(pair[0], frame), self._body(pair[1], frame)
        return daughter_distance(self._mother(row, last, frame), daughters) is not None

    def _is_on(self, row: int, frame: int, others: Sequence[int]) -> bool:
        """Return whether an object's mask is gone, or lies on those of others."""
        mask = self.table.masklets.get(self.object_ids[row], frame)
        if not mask:
            return True
        shared = sum(mask.overlap(self._mask(other, frame)) for other in others)
        return shared >= COVERED * mask.area

    def _falls_apart(self, row: int, frame: int) -> bool:
        """Return whether a mask falls into two daughters here and stays so, or keeps to one."""
        if self._is_two(row, frame - 1, frame) or not self._is_two(row, frame, frame):
            return False
        later = range(frame + 1, min(frame + WITHIN, self.statistics.shape[1]))
        if any(self._is_two(row, each, frame) for each in later):
            return True
        areas = self.statistics.area[row, later.start : later.stop]
        return bool(areas.size and areas.min() and areas.max() <= ONE * self._before(row, frame))

    def _is_two(self, row: int, frame: int, first: int) -> bool:
        """Return whether a mask consists of two daughters, of a mother until a first frame."""
        parts = connected_parts(self._mask(row, frame))[:2]
        if len(parts) < 2:
            return False
        last, (one, other) = max(first - 1, 0), map(Body.of, parts)
        mother = self._mother(row, last, max(first, 1))
        if daughter_distance(mother, (one, other), PARTS_ALIKE) is None:
            return False
        present = self.statistics.present
        older = [
            self._mask(i, frame)
            for i in np.flatnonzero(present[:, last] & present[:, frame]).tolist()
            if i != row
        ]
        return not any(
            part.overlap(each) >= COVERED * part.area for part in parts for each in older
        )

    def _halves(self, row: int, frame: int) -> float:
        """Score a drop in area to a half, 0 to 0.7; 0 if the area does not stay there."""
        statistics, stop = self.statistics, frame + WITHIN
        area = statistics.area[row]
        before, after = area[max(0, frame - 2) : frame], area[frame : min(stop, len(area))]
        if statistics.at_border[row, frame] or statistics.at_border[row, frame - 1]:
            return 0.0
        is_steady = before.min() >= STAYS * before.max() and len(before) > 1
        stays = len(after) > 1 and area[frame] * STAYS <= after.min()
        if not (is_steady and stays and after.max() < LARGEST * before.min()):
            return 0.0
        drop = float(np.log2(np.median(after) / before.mean()))
        return round(max(0.0, 0.7 * (1 - abs(drop - HALF) / HALF_WIDTH)), 2)

    def _mask(self, row: int, frame: int) -> SparseMask:
        mask = self.table.masklets.get(self.object_ids[row], frame)
        return mask or SparseMask.empty(self.table.masklets.frame_shape)
