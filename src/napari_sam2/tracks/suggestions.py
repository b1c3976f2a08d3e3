"""Suggest what may have happened to objects: divisions, deaths, entries, exits, losses, doubles.

Each suggestion has a score from 0 (unlikely) to 1; those below `LEAST_SCORE` are dropped. Frames
that the user prompted or locked give none. Of two divisions of one object within three frames
the likelier one counts.

===========  ===================================================================================
division     See `division_detection`: 0.4 to 0.95.
exit         The object is gone, and its last mask touches the border: 0.9.
death        It is gone without that: 0.5, and 0.3 more if it shrank by a third in the four frames
             before, or its last mask had a low predicted IoU.
entry        It begins later than the movie, at the border: 0.9.
lost         Its mask jumps onto an object that was apart from it, and its predicted IoU was low
             in one of the two frames before, or there: 0.6.
double       Two masks lie on each other otherwise: the shared pixels as a share of the smaller
             mask, where that is more than half.
===========  ===================================================================================
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.masks.mask_statistics import MaskStatistics, StatisticsTable
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.division_detection import Signs
from napari_sam2.tracks.lineage import Lineage
from sam2_torch.automatic.options import COVERED
from sam2_torch.automatic.overlaps import near_pairs

if TYPE_CHECKING:
    from sam2_torch.automatic import Division

LEAST_SCORE = 0.4
LOW_IOU = 0.6  # predicted IoU
JUMP, APART_FOR, LOST_SCORE = 0.4, 2, 0.6  # diameters; frames that two objects were apart before
SHRUNK = 2 / 3
SHRINKS_WITHIN = 4  # frames
SAME_DIVISION = 3  # frames; a condensing nucleus shrinks before it falls apart


class Kind(StrEnum):
    """What may have happened."""

    DIVISION = "division"
    DEATH = "death"
    EXIT = "exit"
    ENTRY = "entry"
    LOST = "lost"
    DOUBLE = "double"


@dataclass(frozen=True, order=True)
class Suggestion:
    """An event that may have happened.

    Parameters
    ----------
    frame
        The first frame after it.
    kind
        Kind of the event.
    object_ids
        Its objects; of a division the mother, and the daughters that exist already.
    score
        Likelihood by the rules, 0 to 1.
    """

    frame: int
    kind: Kind
    object_ids: tuple[int, ...]
    score: float


def suggest(table: StatisticsTable, lineage: Lineage) -> list[Suggestion]:
    """Return events that are not in the lineage yet, by frame.

    Parameters
    ----------
    table
        Masks and statistics of the objects.
    lineage
        The known tracks and divisions.
    """
    statistics, object_ids = table.statistics, table.object_ids
    found = [
        *_divisions(table, lineage),
        *_beginnings(statistics, object_ids, lineage),
        *_endings(statistics, object_ids, lineage),
        *_doubles(table, lineage),
    ]
    best: dict[tuple[int, Kind, int], Suggestion] = {}
    for suggestion in found:
        key = (suggestion.frame, suggestion.kind, suggestion.object_ids[0])
        if suggestion.score >= max(LEAST_SCORE, best[key].score if key in best else 0):
            best[key] = suggestion
    return sorted(_once(best.values()))


def of_divisions(divisions: "Iterable[Division]") -> list[Suggestion]:
    """Convert the divisions that track everything proposes to suggestions."""
    return [
        Suggestion(
            division.frame + 1,
            Kind.DIVISION,
            (division.mother, *(i for i in division.daughters if i != division.mother)),
            division.score,
        )
        for division in divisions
    ]


def still_open(
    proposed: Iterable[Suggestion], object_ids: Collection[int], lineage: Lineage
) -> list[Suggestion]:
    """Return proposed divisions whose objects all exist and have no mother or daughters yet."""
    return sorted(
        each
        for each in proposed
        if all(i in object_ids for i in each.object_ids)
        and not lineage.daughters(each.object_ids[0])
        and not any(lineage[i].parent for i in each.object_ids[1:])
    )


def joined(proposed: Sequence[Suggestion], found: Iterable[Suggestion]) -> list[Suggestion]:
    """Return proposed and found suggestions; of two of the same event the proposed one counts."""
    known = {(each.frame, each.kind, each.object_ids[0]) for each in proposed}
    others = (each for each in found if (each.frame, each.kind, each.object_ids[0]) not in known)
    return sorted([*proposed, *others])


def _once(found: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """Drop divisions near likelier ones of the same object: a cell divides once."""
    divided: dict[int, list[int]] = {}
    for each in sorted(found, key=lambda each: each.score, reverse=True):
        if each.kind is Kind.DIVISION:
            others = divided.setdefault(each.object_ids[0], [])
            if any(abs(each.frame - frame) <= SAME_DIVISION for frame in others):
                continue
            others.append(each.frame)
        yield each


def _divisions(table: StatisticsTable, lineage: Lineage) -> Iterator[Suggestion]:
    """Yield divisions that the lineage does not contain."""
    for sign in Signs(table).find():
        mother, *daughters = sign.object_ids
        is_known = any(lineage[i].parent or lineage[i].begin is not None for i in daughters)
        if not lineage.daughters(mother) and lineage[mother].spans(sign.frame) and not is_known:
            yield Suggestion(sign.frame, Kind.DIVISION, sign.object_ids, sign.score)


def _beginnings(
    statistics: MaskStatistics, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    for row, object_id in enumerate(object_ids):
        frames = np.flatnonzero(statistics.present[row])
        if not frames.size or frames[0] == 0 or lineage[object_id].begin is not None:
            continue
        frame = int(frames[0])
        # an object is known from its first frame on; before that nothing was looked for
        if statistics.at_border[row, frame]:
            yield Suggestion(frame, Kind.ENTRY, (object_id,), 0.9)


def _endings(
    statistics: MaskStatistics, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    for row, object_id in enumerate(object_ids):
        frames = np.flatnonzero(statistics.present[row])
        if not frames.size or lineage[object_id].end is not None:
            continue
        last = int(frames[-1])
        after = last + 1
        # only where it was looked for and not found
        if after >= statistics.shape[1] or not statistics.known[row, after]:
            continue
        if statistics.at_border[row, last]:
            yield Suggestion(after, Kind.EXIT, (object_id,), 0.9)
        else:
            earlier = frames[frames >= last - SHRINKS_WITHIN]
            areas = statistics.area[row, earlier]
            shrank = areas[-1] < SHRUNK * areas.max()
            expected = shrank or statistics.iou[row, last] < LOW_IOU
            yield Suggestion(after, Kind.DEATH, (object_id,), 0.8 if expected else 0.5)


def _doubles(table: StatisticsTable, lineage: Lineage) -> Iterator[Suggestion]:
    """Find where two masks begin to lie on each other: two of one object, or one was lost."""
    masklets, statistics, object_ids = table.masklets, table.statistics, table.object_ids
    rows = {object_id: row for row, object_id in enumerate(object_ids)}
    before: set[tuple[int, int]] = set()
    for frame in range(masklets.n_frames):
        doubles = _overlaps(masklets, frame)
        for pair, share in doubles.items():
            if pair in before:
                continue
            lost = _lost(statistics, [rows[i] for i in pair], frame)
            if lost is None:
                yield Suggestion(frame, Kind.DOUBLE, pair, round(share, 2))
            elif lineage[object_ids[lost]].end is None:
                other = next(i for i in pair if i != object_ids[lost])
                yield Suggestion(frame, Kind.LOST, (object_ids[lost], other), LOST_SCORE)
        before = set(doubles)


def _lost(statistics: MaskStatistics, pair: Sequence[int], frame: int) -> int | None:
    """Return the row of the one of two objects that jumped onto the other; None if none did."""
    earlier = slice(max(0, frame - APART_FOR), frame)
    if frame < APART_FOR or not statistics.present[list(pair), earlier].all():
        return None
    jumps = [_jump(statistics, row, frame) for row in pair]
    larger = int(np.argmax(jumps))
    alone = jumps[larger] >= JUMP and jumps[1 - larger] < JUMP
    scores = statistics.iou[pair[larger], frame - APART_FOR : frame + 1]
    confident = bool((scores >= LOW_IOU).all())  # unknown ones are not
    return pair[larger] if alone and not confident else None


def _jump(statistics: MaskStatistics, row: int, frame: int) -> float:
    """Return how far an object moved since the frame before, in its diameters."""
    off = np.hypot(
        statistics.row[row, frame] - statistics.row[row, frame - 1],
        statistics.column[row, frame] - statistics.column[row, frame - 1],
    )
    return float(off / (2 * np.sqrt(statistics.area[row, frame - 1] / np.pi)))


def _overlaps(masklets: Masklets, frame: int) -> dict[tuple[int, int], float]:
    """Return which share of the smaller mask two objects share, where it is large."""
    outlines = {i: masklets.outline(i, frame) for i in masklets.object_ids}
    boxes = {i: outline.box for i, outline in outlines.items() if outline and outline.area}
    ids, shares = list(boxes), {}
    for one, other in near_pairs(list(boxes.values())):
        a, b = (masklets.get(ids[i], frame) for i in (one, other))
        if a and b and (shared := a.overlap(b)) > COVERED * min(a.area, b.area):
            shares[ids[one], ids[other]] = shared / min(a.area, b.area)
    return shares
