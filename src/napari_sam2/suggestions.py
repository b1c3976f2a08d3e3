"""What may have happened to the objects: divisions, deaths, entries, exits, and doubles.

The rules, each with a score from 0 (unlikely) to 1; below `LEAST_SCORE` nothing is said. A frame
on which the user gave the mask is not doubted. Of two divisions of one object within three
frames, the likelier one counts.

===========  ===================================================================================
division     The mask falls apart into two parts, the smaller one at least a quarter of the
             larger one: 0.9. Or its area drops to about a half at once: up to 0.8, and 0.2 more
             if another object begins beside it.
             Or an object begins away from the border within one diameter of one that is there: 0.6.
exit         The object is gone, and its last mask touches the border: 0.9.
death        It is gone without that: 0.5, and 0.3 more if it shrank by a third in the four frames
             before.
entry        It begins later than the movie, at the border: 0.9.
double       Two masks lie on each other: the share of the smaller one that both have, where
             that is 0.6 or more.
===========  ===================================================================================
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import label

from napari_sam2.figures import Figures
from napari_sam2.lineage import Lineage
from napari_sam2.masklets import Masklets

if TYPE_CHECKING:
    from sam2_torch.automatic import Division

LEAST_SCORE = 0.4
HALF, HALF_WIDTH = -1.0, 0.8  # log2 of the drop in area at a division, and how far from it
PART = 0.25
OVERLAP = 0.6
SHRUNK = 2 / 3
SHRINKS_WITHIN = 4  # frames
SAME_DIVISION = 3  # frames; a condensing nucleus shrinks before it falls apart


class Kind(StrEnum):
    """What may have happened."""

    DIVISION = "division"
    DEATH = "death"
    EXIT = "exit"
    ENTRY = "entry"
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
    masklets: Masklets, figures: Figures, object_ids: Sequence[int], lineage: Lineage
) -> list[Suggestion]:
    """List what may have happened and is not in the lineage yet, by frame.

    Parameters
    ----------
    masklets
        The masks.
    figures
        What is known of the objects.
    object_ids
        The objects of the figures' rows.
    lineage
        What is said already.
    """
    found = [
        *_divisions(masklets, figures, object_ids, lineage),
        *_beginnings(figures, object_ids, lineage),
        *_endings(figures, object_ids, lineage),
        *_doubles(masklets),
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
    masklets: Masklets, figures: Figures, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    for row, object_id in enumerate(object_ids):
        present, area = figures.present[row], figures.area[row]
        was_two = False
        for frame in np.flatnonzero(present[1:] & present[:-1]) + 1:
            is_two = _falls_apart(masklets, object_id, int(frame))
            if is_two and not was_two and not figures.given[row, frame]:
                yield Suggestion(int(frame), Kind.DIVISION, (object_id,), 0.9)
            was_two = is_two
            drop = np.log2(area[frame] / area[frame - 1])
            score = 0.8 * float(1 - abs(drop - HALF) / HALF_WIDTH)
            if score <= 0 or figures.given[row, frame] or lineage.daughters(object_id):
                continue
            beside = _begins_beside(figures, row, int(frame))
            others = () if beside is None else (object_ids[beside],)
            score += 0.2 * len(others)
            yield Suggestion(int(frame), Kind.DIVISION, (object_id, *others), round(score, 2))


def _falls_apart(masklets: Masklets, object_id: int, frame: int) -> bool:
    mask = masklets.get(object_id, frame)
    if not mask:
        return False
    parts, n = label(mask.window())
    if n < 2:
        return False
    sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
    return bool(sizes[1] >= PART * sizes[0])


def _begins_beside(figures: Figures, row: int, frame: int) -> int | None:
    """Find an object that begins in a frame within a diameter of where another one was."""
    begins = figures.present[:, frame] & ~figures.present[:, :frame].any(axis=1)
    begins[row] = False
    at = _distances(figures, row, frame - 1, frame)
    near = begins & (at <= _diameter(figures, row, frame - 1))
    return int(np.argmin(np.where(near, at, np.inf))) if near.any() else None


def _distances(
    figures: Figures, row: int, then: int, now: int
) -> "np.ndarray[tuple[int], np.dtype]":
    return np.hypot(
        figures.row[:, now] - figures.row[row, then],
        figures.column[:, now] - figures.column[row, then],
    )


def _diameter(figures: Figures, row: int, frame: int) -> float:
    return 2 * float(np.sqrt(figures.area[row, frame] / np.pi))


def _beginnings(
    figures: Figures, object_ids: Sequence[int], lineage: Lineage
) -> Iterator[Suggestion]:
    for row, object_id in enumerate(object_ids):
        frames = np.flatnonzero(figures.present[row])
        if not frames.size or frames[0] == 0 or lineage[object_id].begin is not None:
            continue
        frame = int(frames[0])
        # an object is known from its first frame on; before that nothing was looked for
        if figures.at_border[row, frame]:
            yield Suggestion(frame, Kind.ENTRY, (object_id,), 0.9)
            continue
        at = np.hypot(
            figures.row[:, frame - 1] - figures.row[row, frame],
            figures.column[:, frame - 1] - figures.column[row, frame],
        )
        reach = 2 * np.sqrt(figures.area[:, frame - 1] / np.pi)
        near = figures.present[:, frame - 1] & (at <= reach)
        near[row] = False
        if near.any():
            mother = object_ids[int(np.argmin(np.where(near, at, np.inf)))]
            yield Suggestion(frame, Kind.DIVISION, (mother, object_id), 0.6)


def _endings(figures: Figures, object_ids: Sequence[int], lineage: Lineage) -> Iterator[Suggestion]:
    for row, object_id in enumerate(object_ids):
        frames = np.flatnonzero(figures.present[row])
        if not frames.size or lineage[object_id].end is not None:
            continue
        last = int(frames[-1])
        after = last + 1
        # only where it was looked for and not found
        if after >= figures.shape[1] or not figures.known[row, after]:
            continue
        if figures.at_border[row, last]:
            yield Suggestion(after, Kind.EXIT, (object_id,), 0.9)
        else:
            earlier = frames[frames >= last - SHRINKS_WITHIN]
            areas = figures.area[row, earlier]
            shrank = areas[-1] < SHRUNK * areas.max()
            yield Suggestion(after, Kind.DEATH, (object_id,), 0.8 if shrank else 0.5)


def _doubles(masklets: Masklets) -> Iterator[Suggestion]:
    """Find the first frame of each stretch in which two masks lie on each other."""
    before: set[tuple[int, int]] = set()
    for frame in range(masklets.n_frames):
        doubles = _overlaps(masklets, frame)
        for pair, share in doubles.items():
            if pair not in before:
                yield Suggestion(frame, Kind.DOUBLE, pair, round(share, 2))
        before = set(doubles)


def _overlaps(masklets: Masklets, frame: int) -> dict[tuple[int, int], float]:
    ids, boxes = [], []
    for object_id in masklets.object_ids:
        outline = masklets.outline(object_id, frame)
        if outline and outline.area:
            ids.append(object_id)
            boxes.append((*outline.origin_yx, *outline.extent_yx))
    if len(ids) < 2:
        return {}
    y, x, h, w = np.array(boxes).T
    apart = (y[:, None] >= (y + h)[None]) | (x[:, None] >= (x + w)[None])
    near = ~(apart | apart.T)
    shares = {}
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        share = _shared(masklets, frame, ids[one], ids[other])
        if share >= OVERLAP:
            shares[ids[one], ids[other]] = share
    return shares


def _shared(masklets: Masklets, frame: int, one: int, other: int) -> float:
    """Measure how much of the smaller mask lies in the larger one."""
    a, b = masklets.get(one, frame), masklets.get(other, frame)
    if not a or not b:
        return 0.0
    return float((a.part(*b.slices) & b.window()).sum() / min(a.area, b.area))
