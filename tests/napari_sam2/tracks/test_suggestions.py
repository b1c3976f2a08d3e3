import numpy as np
import pytest

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.suggestions import (
    Kind,
    Suggestion,
    joined,
    of_divisions,
    still_open,
    suggest,
)
from sam2_torch.automatic import Division

SHAPE = (50, 80)
Scores = dict[tuple[int, int], Confidence]
Boxes = dict[int, dict[int, tuple[int, int, int, int]]]


def suggestions(
    boxes: Boxes, n: int = 6, lineage: Lineage | None = None, scores: Scores | None = None
) -> list[Suggestion]:
    """Draw boxes (y, x, h, w) by object and frame; the other frames are looked at and empty."""
    masklets = Masklets(n, SHAPE)
    for object_id, by_frame in boxes.items():
        for frame in range(n):
            image = np.zeros(SHAPE, bool)
            if frame in by_frame:
                y, x, h, w = by_frame[frame]
                image[y : y + h, x : x + w] = True
            masklets.paint(object_id, frame, image)
    table = statistics_of(masklets, scores)
    return suggest(table, lineage or Lineage())


def statistics_of(masklets: Masklets, scores: Scores | None = None) -> StatisticsTable:
    table = StatisticsTable(masklets, scores or {})
    for object_id in table.set_objects(masklets.object_ids):
        table.read(object_id)
    return table


def test_an_even_life_says_nothing() -> None:
    assert suggestions({1: {f: (10, 10 + 2 * f, 9, 9) for f in range(6)}}) == []


def test_divisions_of_which_something_is_said_are_not_suggested() -> None:
    mother = dict.fromkeys(range(3), (10, 20, 10, 20))
    mother |= dict.fromkeys(range(3, 6), (10, 18, 10, 9))
    second = dict.fromkeys(range(3, 6), (10, 32, 10, 10))
    (found,) = suggestions({4: mother, 7: second})
    assert (found.frame, found.kind, found.object_ids) == (3, Kind.DIVISION, (4, 7))
    divided = lineage_operations.divide(Lineage(), 4, 3, (8, 9)).lineage
    daughter = lineage_operations.link(Lineage(), 1, 7, 3).lineage
    ended = lineage_operations.finish(Lineage(), 4, 2).lineage
    for lineage in (divided, daughter, ended):
        assert not [
            s for s in suggestions({4: mother, 7: second}, lineage=lineage) if 7 in s.object_ids
        ]


@pytest.mark.parametrize(
    ("boxes", "kind", "frame"),
    [
        (dict.fromkeys(range(3), (20, 70, 9, 10)), Kind.EXIT, 3),
        (dict.fromkeys(range(3), (20, 30, 9, 10)), Kind.DEATH, 3),
        (dict.fromkeys(range(2, 6), (20, 0, 9, 10)), Kind.ENTRY, 2),
    ],
)
def test_beginnings_and_ends(boxes: dict, kind: Kind, frame: int) -> None:
    (found,) = suggestions({3: boxes})
    assert (found.kind, found.frame, found.object_ids) == (kind, frame, (3,))


def test_a_death_that_was_seen_coming_is_more_likely() -> None:
    sudden = dict.fromkeys(range(4), (20, 30, 9, 10))
    slow = {f: (20, 30, 9 - f, 10 - f) for f in range(4)}
    (one,), (other,) = suggestions({3: sudden}), suggestions({3: slow})
    assert one.kind is other.kind is Kind.DEATH and other.score > one.score
    unsure = {(3, 3): Confidence(0.4, 0.3)}
    assert suggestions({3: sudden}, scores=unsure) == [other]


def test_two_masks_of_one_object_are_told_once() -> None:
    box = dict.fromkeys(range(6), (10, 10, 9, 9))
    near = dict.fromkeys(range(3, 6), (10, 11, 9, 9))
    doubles = [s for s in suggestions({1: box, 2: near}) if s.kind is Kind.DOUBLE]
    assert [(s.frame, s.object_ids, s.score) for s in doubles] == [(3, (1, 2), 0.89)]


def test_an_object_whose_mask_jumps_onto_another_one_is_lost() -> None:
    stays = dict.fromkeys(range(6), (10, 10, 9, 9))
    jumps = {f: (11, 10, 8, 9) if f > 3 else (10, 40, 9, 9) for f in range(6)}
    (found,) = suggestions({1: stays, 2: jumps})
    assert (found.frame, found.kind, found.object_ids) == (4, Kind.LOST, (2, 1))
    ended = lineage_operations.finish(Lineage(), 2, 3).lineage
    assert suggestions({1: stays, 2: jumps}, lineage=ended) == []
    scores = {(2, f): Confidence(0.9, 4) for f in range(6)}
    (found,) = suggestions({1: stays, 2: jumps}, scores=scores)
    assert found.kind is Kind.DOUBLE  # the network was sure of it all the time
    (found,) = suggestions({1: stays, 2: jumps}, scores=scores | {(2, 3): Confidence(0.3, 1)})
    assert found.kind is Kind.LOST
    creeps = {f: (10, 25 - 3 * f, 9, 9) for f in range(6)}  # both may have been one all along
    (found,) = suggestions({1: stays, 2: creeps})
    assert found.kind is Kind.DOUBLE


def test_what_is_bounded_already_is_not_suggested() -> None:
    lineage = lineage_operations.finish(Lineage(), 3, 2).lineage
    assert suggestions({3: dict.fromkeys(range(3), (20, 70, 9, 10))}, lineage=lineage) == []


def test_proposed_divisions_count_until_something_is_said_of_their_objects() -> None:
    other, one = of_divisions([Division(2, 1, (1, 4), 0.7), Division(0, 2, (6, 5), 0.3)])
    assert one == Suggestion(1, Kind.DIVISION, (2, 6, 5), 0.3)
    assert other == Suggestion(3, Kind.DIVISION, (1, 4), 0.7)
    proposed, ids = [other, one], (1, 2, 4, 5, 6)
    assert still_open(proposed, ids, Lineage()) == [one, other]
    assert still_open(proposed, (1, 2, 4, 6), Lineage()) == [other]
    assert still_open(proposed, ids, lineage_operations.link(Lineage(), 1, 4, 3).lineage) == [one]
    found = [Suggestion(3, Kind.DIVISION, (1,), 0.9), Suggestion(3, Kind.EXIT, (1,), 0.9)]
    assert joined([one, other], found) == [one, other, found[1]]
