from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_tracks import lineages

from napari_sam2.lineage import NOWHERE, Lineage, Track

OPERATIONS: dict[str, Any] = {
    "fork": lambda now, one, other, frame, new: now.fork(one, frame, (new, new + 1)),
    "cut": lambda now, one, other, frame, new: now.cut(one, frame, new),
    "split": lambda now, one, other, frame, new: now.split(one, frame, new),
    "merge": lambda now, one, other, frame, new: now.merge(one, other),
    "swap": lambda now, one, other, frame, new: now.swap(one, other, frame),
    "finish": lambda now, one, other, frame, new: now.finish(one, frame),
    "start": lambda now, one, other, frame, new: now.start(one, frame),
    "part": lambda now, one, other, frame, new: now.part(one, frame, new, other),
    "link": lambda now, one, other, frame, new: now.link(one, other, frame),
    "unlink": lambda now, one, other, frame, new: now.unlink(one),
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
        once = lineage.swap(one, other, frame).lineage
    except ValueError:
        return
    assert once.swap(one, other, frame).lineage == lineage


@given(lineages(), st.data())
def test_merging_what_was_cut_is_nothing(lineage: Lineage, data: st.DataObject) -> None:
    one, frame = data.draw(st.sampled_from(lineage.object_ids)), data.draw(st.integers(0, 6))
    new = max(lineage.object_ids) + 1
    try:
        cut = lineage.cut(one, frame, new).lineage
    except ValueError:
        return
    assert cut.merge(one, new).lineage == lineage


def test_a_division_ends_the_mother_and_begins_two_daughters() -> None:
    edit = Lineage().fork(4, 3, (5, 6))
    assert edit.lineage == Lineage([Track(4, None, 2), Track(5, 3, None, 4), Track(6, 3, None, 4)])
    assert [(m.source, m.target, m.first) for m in edit.moves] == [(4, NOWHERE, 3)]
    assert edit.lineage.daughters(4) == (5, 6) and edit.lineage.parents == {5: 4, 6: 4}
    assert not edit.lineage.spans(4, 3) and edit.lineage.spans(5, 3)


def test_an_object_that_is_there_becomes_a_daughter_beside_the_rest() -> None:
    edit = Lineage([Track(1), Track(2, 3)]).part(1, 3, 9, 2)
    expected = [Track(1, None, 2), Track(2, 3, None, 1), Track(9, 3, None, 1)]
    assert edit.lineage == Lineage(expected)
    assert [(m.source, m.target) for m in edit.moves] == [(1, 9), (2, NOWHERE)]


def test_a_cut_takes_the_daughters_along() -> None:
    lineage = Lineage().fork(1, 5, (2, 3)).lineage
    assert lineage.cut(1, 2, 9).lineage.parents == {2: 9, 3: 9}


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        ([Track(1), Track(1)], "two of"),
        ([Track(2, 3, 4, parent=1)], "a parent that is there"),
        ([Track(1, 0, 3), Track(2, 3, 4, parent=1)], "after the end of its parent"),
        ([Track(1, 0), Track(2, 3, 4, parent=1)], "after the end of its parent"),
        ([Track(1, 0, 2, parent=1)], "after the end of its parent"),
    ],
)
def test_what_cannot_be_is_refused(tracks: list[Track], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Lineage(tracks)


def test_a_track_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Track(0)
    with pytest.raises(ValueError, match="found 2"):
        Track(1, 3, 2)


def test_resolved_follows_the_masks_within_the_bounds() -> None:
    lineage = Lineage().fork(1, 3, (2, 3)).lineage
    frames = {1: [0, 1, 2, 3, 4], 2: [3, 4], 3: [4, 5], 7: [2], 8: []}
    assert lineage.resolved(frames) == Lineage(
        [Track(1, 0, 2), Track(2, 3, 4, 1), Track(3, 4, 5, 1), Track(7, 2, 2)]
    )
    assert lineage.resolved({2: [3]}) == Lineage([Track(2, 3, 3)])  # the mother has no mask
