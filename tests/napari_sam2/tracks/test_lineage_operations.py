"""What operations make of lineages, random ones and those that tell."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_tracks import lineages

from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.lineage_operations import NOWHERE

OPERATIONS: dict[str, Any] = {
    "divide": lambda now, one, other, frame, new: lineage_operations.divide(
        now, one, frame, (new, new + 1)
    ),
    "cut": lambda now, one, other, frame, new: lineage_operations.cut(now, one, frame, new),
    "split": lambda now, one, other, frame, new: lineage_operations.split(now, one, frame, new),
    "merge": lambda now, one, other, frame, new: lineage_operations.merge(now, one, other),
    "swap": lambda now, one, other, frame, new: lineage_operations.swap(now, one, other, frame),
    "finish": lambda now, one, other, frame, new: lineage_operations.finish(now, one, frame),
    "start": lambda now, one, other, frame, new: lineage_operations.start(now, one, frame),
    "divide_into": lambda now, one, other, frame, new: lineage_operations.divide_into(
        now, one, frame, new, other
    ),
    "assign_daughters": lambda now, one, other, frame, new: lineage_operations.assign_daughters(
        now, one, frame, (other, new)
    ),
    "link": lambda now, one, other, frame, new: lineage_operations.link(now, one, other, frame),
    "unlink": lambda now, one, other, frame, new: lineage_operations.unlink(now, one),
}


@given(lineages(), st.data())
def test_whatever_is_done_a_lineage_stays_whole(lineage: Lineage, data: st.DataObject) -> None:
    """Each operation gives a valid lineage or refuses with a sentence; the old one stays."""
    first, before = lineage, Lineage(list(lineage))
    for _ in range(data.draw(st.integers(1, 5))):
        one, other = (data.draw(st.sampled_from(lineage.object_ids)) for _ in range(2))
        frame, new = data.draw(st.integers(0, 6)), max(lineage.object_ids) + 1
        operation = OPERATIONS[data.draw(st.sampled_from(sorted(OPERATIONS)))]
        try:
            lineage = operation(lineage, one, other, frame, new).lineage
        except ValueError as error:
            assert "object" in str(error)
            continue
        assert Lineage(list(lineage)) == lineage  # valid
        for track in lineage:
            mother = lineage[track.parent] if track.parent else None
            assert mother is None or mother.end < track.begin  # type: ignore[operator]
    assert first == before


@given(lineages(), st.data())
def test_swapping_twice_is_nothing(lineage: Lineage, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(lineage.object_ids)) for _ in range(2))
    frame = data.draw(st.integers(0, 6))
    try:
        once = lineage_operations.swap(lineage, one, other, frame).lineage
    except ValueError:
        return
    assert lineage_operations.swap(once, one, other, frame).lineage == lineage


@given(lineages(), st.data())
def test_merging_what_was_cut_is_nothing(lineage: Lineage, data: st.DataObject) -> None:
    one, frame = data.draw(st.sampled_from(lineage.object_ids)), data.draw(st.integers(0, 6))
    new = max(lineage.object_ids) + 1
    try:
        cut = lineage_operations.cut(lineage, one, frame, new).lineage
    except ValueError:
        return
    assert lineage_operations.merge(cut, one, new).lineage == lineage


def test_a_division_ends_the_mother_and_begins_two_daughters() -> None:
    edit = lineage_operations.divide(Lineage(), 4, 3, (5, 6))
    assert edit.lineage == Lineage([Track(4, None, 2), Track(5, 3, None, 4), Track(6, 3, None, 4)])
    assert [(m.source, m.target, m.first) for m in edit.moves] == [(4, NOWHERE, 3)]
    assert edit.lineage.daughters(4) == (5, 6) and edit.lineage.parents == {5: 4, 6: 4}
    assert not edit.lineage.spans(4, 3) and edit.lineage.spans(5, 3)


def test_an_object_that_is_there_becomes_a_daughter_beside_the_rest() -> None:
    edit = lineage_operations.divide_into(Lineage([Track(1), Track(2, 3)]), 1, 3, 9, 2)
    expected = [Track(1, None, 2), Track(2, 3, None, 1), Track(9, 3, None, 1)]
    assert edit.lineage == Lineage(expected)
    assert [(m.source, m.target) for m in edit.moves] == [(1, 9), (2, NOWHERE)]


def test_a_cut_takes_the_daughters_along() -> None:
    lineage = lineage_operations.divide(Lineage(), 1, 5, (2, 3)).lineage
    assert lineage_operations.cut(lineage, 1, 2, 9).lineage.parents == {2: 9, 3: 9}


def test_two_that_are_there_are_adopted_and_begin_with_the_division() -> None:
    lineage = Lineage([Track(1, 0), Track(5, 2, 6), Track(6)])
    edit = lineage_operations.assign_daughters(lineage, 1, 4, (5, 6))
    expected = [Track(1, 0, 3), Track(5, 4, 6, 1), Track(6, 4, None, 1)]
    assert edit.lineage == Lineage(expected)
    moved = {(m.source, m.target, m.first) for m in edit.moves}
    assert moved == {(1, NOWHERE, 4), (5, NOWHERE, 0), (6, NOWHERE, 0)}
    assert len(edit.moves) == 3  # the mother's masks go once


def test_daughters_that_divide_themselves_keep_their_own() -> None:
    lineage = lineage_operations.divide(Lineage([Track(1), Track(2, 3)]), 2, 6, (7, 8)).lineage
    adopted = lineage_operations.assign_daughters(lineage, 1, 4, (2, 9)).lineage
    assert adopted.parents == {2: 1, 9: 1, 7: 2, 8: 2} and adopted[2] == Track(2, 4, 5, 1)


@pytest.mark.parametrize(
    ("mother", "frame", "daughters", "said"),
    [
        (1, 0, (5, 6), "after its first frame"),
        (3, 4, (5, 6), "divides already"),
        (1, 4, (1, 6), "after the end of its parent"),
        (1, 9, (5, 6), "expected its end at frame 9"),
    ],
)
def test_who_cannot_be_adopted_is_told(
    mother: int, frame: int, daughters: tuple[int, int], said: str
) -> None:
    before = lineage_operations.divide(
        Lineage([Track(1, 0), Track(5, 2, 6)]), 3, 2, (10, 11)
    ).lineage
    with pytest.raises(ValueError, match=said):
        lineage_operations.assign_daughters(before, mother, frame, daughters)
