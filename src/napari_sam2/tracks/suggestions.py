"""What may have happened to the objects: divisions, deaths, entries, exits, losses, and doubles.

The rules, each with a score from 0 (unlikely) to 1; below `LEAST_SCORE` nothing is said. A frame
on which the user gave the mask is not doubted. Of two divisions of one object within three
frames, the likelier one counts.

===========  ===================================================================================
division     See `division_detection`: 0.4 to 0.95.
exit         The object is gone, and its last mask touches the border: 0.9.
death        It is gone without that: 0.5, and 0.3 more if it shrank by a third in the four frames
             before, or the network was unsure of its last mask.
entry        It begins later than the movie, at the border: 0.9.
lost         Its mask jumps onto an object that was apart from it, and the network was unsure of it
             in one of the two frames before, or there: 0.6.
double       Two masks lie on each other otherwise: the share of the smaller one that both have,
             where that is more than half.
===========  ===================================================================================
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.masks.mask_statistics import MaskStatistics
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.division_detection import Signs
from napari_sam2.tracks.lineage import Lineage
from sam2_torch.automatic.options import COVERED
from sam2_torch.automatic.overlaps import near_pairs

if TYPE_CHECKING:
    from sam2_torch.automatic import Division

LEAST_SCORE = 0.4
UNSURE = 0.6  # predicted IoU
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
    """Something that may have happened.

    Parameters
    ----------
    frame
        The first frame after it.
    kind
        What.
    object_ids
        To whom; of a division the mother, and the daughters that are there already, if any are.
    score
        How likely by the rules, 0 to 1.
    """

    frame: int
    kind: Kind
    object_ids: tuple[int, ...]
    score: float


def suggest(
    masklets: Masklets, statistics: MaskStatistics, object_ids: Sequence[int], lineage: Lineage
) -> list[Suggestion]:
    """List what may have happened and is not in the lineage yet, by frame.

    Parameters
    ----------
    masklets
        The masks.
    statistics
        What is known of the objects.
    object_ids
        The objects of the statistics' rows.
    lineage
        What is said already.
    """
    found = [
        *_divisions(masklets, statistics, object_ids, lineage),
        *_beginnings(statistics, object_ids, lineage),
        *_endings(statistics, object_ids, lineage),
        *_doubles(masklets, statistics, object_ids, lineage),
    ]
    best: dict[tuple[int, Kind, int], Suggestion] = {}
    for suggestion in found:
        key = (suggestion.frame, suggestion.kind, suggestion.object_ids[0])
        if suggestion.score >= max(LEAST_SCORE, best[key].score if key in best else 0):
            best[key] = suggestion
    return sorted(_once(best.values()))


def of_divisions(divisions: "Iterable[Division]") -> list[Suggestion]:
    """Make suggestions of the divisions that "track everything" proposes."""
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
    """List the divisions whose objects are all there, and of whom nothing is said yet."""
    return sorted(
        each
        for each in proposed
        if all(i in object_ids for i in each.object_ids)
        and not lineage.daughters(each.object_ids[0])
        and not any(lineage[i].parent for i in each.object_ids[1:])
    )


def joined(proposed: Sequence[Suggestion], found: Iterable[Suggestion]) -> list[Suggestion]:
    """Put what was found beside what was proposed, which counts where both say the same."""
    said = {(each.frame, each.kind, each.object_ids[0]) for each in proposed}
    others = (each for each in found if (each.frame, each.kind, each.object_ids[0]) not in said)
    return sorted([*proposed, *others])


def _once(found: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """Leave out divisions beside likelier ones of the same object: a cell divides once."""
    divided: dict[int, list[int]] = {}
    for each in sorted(found, key=lambda each: each.score, reverse=True):
        if each.kind is Kind.DIVISION:
            others = divided.setdefault(each.object_ids[0], [])
            if any(abs(each.frame - frame) <= SAME_DIVISION for frame in others):
                continue
            others.append(each.frame)
        yield each


def _divisions(
    masklets: Masklets, statistics: MaskStatistics, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    """Take the signs of divisions of which nothing is said yet."""
    for sign in Signs(masklets, statistics, object_ids).find():
        mother, *daughters = sign.object_ids
        is_said = any(lineage[i].parent or lineage[i].begin is not None for i in daughters)
        if not lineage.daughters(mother) and lineage[mother].spans(sign.frame) and not is_said:
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
            expected = shrank or statistics.iou[row, last] < UNSURE
            yield Suggestion(after, Kind.DEATH, (object_id,), 0.8 if expected else 0.5)


def _doubles(
    masklets: Masklets, statistics: MaskStatistics, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    """Find where two masks begin to lie on each other: two of one object, or one was lost."""
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
    """Find which of two objects that were apart jumped onto the other one, by row, if one did."""
    earlier = slice(max(0, frame - APART_FOR), frame)
    if frame < APART_FOR or not statistics.present[list(pair), earlier].all():
        return None
    jumps = [_jump(statistics, row, frame) for row in pair]
    larger = int(np.argmax(jumps))
    alone = jumps[larger] >= JUMP and jumps[1 - larger] < JUMP
    scores = statistics.iou[pair[larger], frame - APART_FOR : frame + 1]
    sure = bool((scores >= UNSURE).all())  # unknown ones are not
    return pair[larger] if alone and not sure else None


def _jump(statistics: MaskStatistics, row: int, frame: int) -> float:
    """Measure how far an object is from where it was, in diameters of then."""
    off = np.hypot(
        statistics.row[row, frame] - statistics.row[row, frame - 1],
        statistics.column[row, frame] - statistics.column[row, frame - 1],
    )
    return float(off / (2 * np.sqrt(statistics.area[row, frame - 1] / np.pi)))


def _overlaps(masklets: Masklets, frame: int) -> dict[tuple[int, int], float]:
    """Return the share of the smaller mask that two objects share, where it is large enough."""
    outlines = {i: masklets.outline(i, frame) for i in masklets.object_ids}
    boxes = {i: outline.box for i, outline in outlines.items() if outline and outline.area}
    ids, shares = list(boxes), {}
    for one, other in near_pairs(list(boxes.values())):
        a, b = (masklets.get(ids[i], frame) for i in (one, other))
        if a and b and (shared := a.overlap(b)) > COVERED * min(a.area, b.area):
            shares[ids[one], ids[other]] = shared / min(a.area, b.area)
    return shares
