"""The review queue: what to check, the worst first, with the reason in words.

It joins the events that `suggestions` finds with the masks to check that `masks.quality` finds.
What the user reviewed is left out.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

import numpy as np

from napari_sam2.masks.mask_statistics import MaskStatistics, StatisticsTable
from napari_sam2.masks.quality import NEEDS_REVIEW, Reason, review_scores
from napari_sam2.tracks.reviews import Place, Review, Reviews, is_decided, with_reason
from napari_sam2.tracks.suggestions import Kind, Suggestion

NEAR = 1  # frames between a check and the event that explains it


class Check(StrEnum):
    """Reasons to check masks."""

    CONFIDENCE = "confidence"
    AREA = "area"
    PLACE = "place"
    VANISHING = "vanishing"
    SAMPLE = "sample"


_CHECKS = {
    Reason.QUALITY: Check.CONFIDENCE,
    Reason.PRESENCE: Check.CONFIDENCE,
    Reason.AREA: Check.AREA,
    Reason.PLACE: Check.PLACE,
    Reason.VANISHING: Check.VANISHING,
}

_EVENTS = {
    Kind.DIVISION: "may divide in frame {frame}",
    Kind.DEATH: "dies or is lost in frame {frame}",
    Kind.LOST: "jumps onto {others} in frame {frame}",
    Kind.EXIT: "leaves the image in frame {frame}",
    Kind.ENTRY: "enters the image in frame {frame}",
    Kind.DOUBLE: "covers the same cell as {others} from frame {frame} on",
}


@dataclass(frozen=True)
class ReviewItem:
    """A line of the queue.

    Parameters
    ----------
    reason
        Of the event, or of the check.
    frames
        The frames that it is about; the first one is shown.
    object_ids
        The object, and the others that take part in an event.
    score
        0 to 1; 1 is worst.
    size
        Of a jump of area, the factor; of a jump of place, the distance in diameters.
    """

    reason: Kind | Check
    frames: tuple[int, ...]
    object_ids: tuple[int, ...]
    score: float
    size: float = 0.0

    @property
    def place(self) -> Place:
        """Return object id and frame to show."""
        return self.object_ids[0], self.frames[0]

    @property
    def suggestion(self) -> Suggestion | None:
        """Return the event as a suggestion; None for a check."""
        if isinstance(self.reason, Check):
            return None
        return Suggestion(self.frames[0], self.reason, self.object_ids, self.score)

    def in_words(self, name: Callable[[int], str]) -> str:
        """Describe the item; `name` returns the name of an object."""
        first, *others = (name(i) for i in self.object_ids)
        return f"{first}: {self._text(' and '.join(others))}"

    def _text(self, others: str) -> str:
        frame = self.frames[0]
        if isinstance(self.reason, Kind):
            text = _EVENTS[self.reason].format(frame=frame, others=others)
            into = f" into {others}" if self.reason is Kind.DIVISION and others else ""
            return f"{text}{into}, {self.score:.0%}"
        n = len(self.frames)
        many = f"{n} frames, from frame {frame} on" if n > 1 else f"frame {frame}"
        return {
            Check.CONFIDENCE: f"low confidence in {many}",
            Check.AREA: f"area jumps {self.size:.1f} x in frame {frame}",
            Check.PLACE: f"moves {self.size:.1f} diameters in frame {frame}",
            Check.VANISHING: f"vanishes in frame {frame}",
            Check.SAMPLE: f"random check, frame {frame}",
        }[self.reason]


def review_queue(
    table: StatisticsTable, events: Iterable[Suggestion], reviews: Reviews, n_planes: int = 1
) -> list[ReviewItem]:
    """Return what is to be checked, the worst first.

    Parameters
    ----------
    table
        Masks and statistics of the objects.
    events
        Suggestions that are open.
    reviews
        What the user reviewed already.
    n_planes
        As for `review_scores`.
    """
    known = list(events)
    divisions = [each for each in known if each.kind is Kind.DIVISION]
    items = [
        ReviewItem(each.kind, (each.frame,), each.object_ids, each.score)
        for each in known
        if not _is_family(each, divisions)
        and not is_decided(reviews, (each.object_ids[0], each.frame), each.kind)
    ]
    explained = {
        (i, item.frames[0] + off)
        for item in items
        for i in item.object_ids
        for off in range(-NEAR, NEAR + 1)
    }
    checks = _masks_to_check(table, reviews, n_planes)
    items += [item for item in checks if not explained.issuperset(_places(item))]
    return sorted(items, key=lambda item: (-round(item.score, 2), item.frames, item.object_ids))


def decided(item: ReviewItem, reviews: Reviews) -> dict[Place, Review]:
    """Return the reviews that change when the user decides on an item."""
    return {place: with_reason(reviews, place, item.reason) for place in _places(item)}


def _is_family(event: Suggestion, divisions: list[Suggestion]) -> bool:
    """Return whether two masks on each other are those of a mother and her daughters."""
    return event.kind is Kind.DOUBLE and any(
        set(event.object_ids) <= set(division.object_ids)
        and abs(division.frame - event.frame) <= NEAR
        for division in divisions
    )


def _places(item: ReviewItem) -> list[Place]:
    return [(item.object_ids[0], frame) for frame in item.frames]


def _masks_to_check(
    table: StatisticsTable, reviews: Reviews, n_planes: int
) -> Iterator[ReviewItem]:
    """Yield jumps one by one, and the frames of low confidence of each object together."""
    statistics, ids = table.statistics, table.object_ids
    scores, reasons = review_scores(statistics, n_planes)
    rows, frames = (each.tolist() for each in np.nonzero(scores >= NEEDS_REVIEW))
    found = [
        (ids[row], check, frame, row)
        for row, frame in zip(rows, frames, strict=True)
        for check in (_CHECKS[Reason(reasons[row, frame])],)
        if not is_decided(reviews, (ids[row], frame), check)
    ]
    for (object_id, check), group in groupby(sorted(found), lambda each: each[:2]):
        known = list(group)
        row = known[0][3]
        if check is Check.CONFIDENCE:
            # the worst one first: it is the one that is shown
            order = sorted((-round(float(scores[row, f]), 2), f) for *_, f, _ in known)
            frames = [frame for _, frame in order]
            yield ReviewItem(check, tuple(frames), (object_id,), float(scores[row, frames].max()))
            continue
        for *_, frame, _ in known:
            size = _jump(statistics, row, frame, check)
            yield ReviewItem(check, (frame,), (object_id,), float(scores[row, frame]), size)


def _jump(statistics: MaskStatistics, row: int, frame: int, check: Check) -> float:
    """Return the larger one of the jumps to both neighbouring frames."""
    near = [f for f in (frame - 1, frame + 1) if 0 <= f < statistics.shape[1]]
    near = [f for f in near if statistics.present[row, f] and statistics.present[row, frame]]
    if not near:
        return 0.0
    area = statistics.area[row]
    if check is Check.AREA:
        factors = area[near] / area[frame]
        return float(np.maximum(factors, 1 / factors).max())
    away = np.hypot(
        statistics.row[row, near] - statistics.row[row, frame],
        statistics.column[row, near] - statistics.column[row, frame],
    )
    return float((away / (2 * np.sqrt(area[near] / np.pi))).max())
