"""The log: steps, undo and redo, and the properties that follow from it."""

import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, Entry, History, Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.masks.masklets import Confidence
from napari_sam2.tracks.lineage import Track
from napari_sam2.tracks.reviews import WHOLE_TRACK, Review

CELL = Key(Kind.OBJECT, 1)
DRAWN, MASK = Key(Kind.PROMPTS, 1, 3), Key(Kind.MASK, 1, 3)
CLICK, CLICKS = DrawnPrompts(((1, 2, 1),)), DrawnPrompts(((1, 2, 1), (4, 5, 0)))
ONE, TWO = StoredMask(b"one"), StoredMask(b"two")


@pytest.fixture
def history():
    """Two clicks; the mask of each comes a moment later."""
    history = History(9, (30, 50))
    history.note(Action.NEW, "cell", {CELL: ObjectRecord("cell")})
    first = history.record(Action.PROMPT, {DRAWN: CLICK}, "cell, frame 3")
    history.extend(first, {MASK: ONE})
    second = history.record(Action.PROMPT, {DRAWN: CLICKS}, "again")
    history.extend(second, {MASK: TWO})
    return history


def test_values_are_as_they_were_left(history):
    assert history.values == {CELL: ObjectRecord("cell"), DRAWN: CLICKS, MASK: TWO}


def test_a_step_is_taken_back_with_the_masks_that_came_of_it(history):
    assert history.undo() == {DRAWN: CLICK, MASK: ONE}
    assert history.undo() == {DRAWN: None, MASK: None}
    assert history.values == {CELL: ObjectRecord("cell")}
    assert history.undo() == {}
    assert history.redo() == {DRAWN: CLICK, MASK: ONE}
    assert history.redo() == {DRAWN: CLICKS, MASK: TWO}
    assert history.redo() == {}


def test_the_masks_are_the_same_bytes_not_made_anew(history):
    history.undo()
    assert history.values[MASK] is ONE


def test_what_is_done_after_an_undo_ends_redo(history):
    history.undo()
    assert history.redo_text == "prompt: again"
    history.record(Action.RENAME, {CELL: ObjectRecord("mother")}, "mother")
    assert history.redo_text == ""
    assert history.undo_text == "rename: mother"
    assert history.redo() == {}


def test_locks_are_known_without_going_through_all_masks(history):
    lock = Key(Kind.LOCK, 1, 3)
    history.record(Action.LOCK_FRAME, {lock: CLICK})
    assert history.locks == {(1, 3)}
    history.undo()
    assert history.locks == set()
    history.redo()
    assert history.locks == {(1, 3)}


def test_nothing_is_written_where_nothing_changes(history):
    n = len(history.entries)
    assert history.record(Action.PROMPT, {DRAWN: CLICKS, MASK: TWO}) is None
    assert len(history.entries) == n


def test_a_mask_that_comes_after_its_step_was_undone_is_dropped(history):
    step = history.record(Action.PROMPT, {DRAWN: CLICK})
    history.undo()
    history.extend(step, {MASK: ONE})
    assert history.values[MASK] is TWO


def test_a_step_of_another_object_in_between(history):
    other = Key(Kind.MASK, 2, 3)
    run = history.record(Action.PROPAGATE, {MASK._replace(frame=4): ONE})
    history.record(Action.PROMPT, {other: TWO})
    history.extend(run, {MASK._replace(frame=5): ONE})
    assert history.undo() == {other: None}
    assert history.undo() == {MASK._replace(frame=4): None, MASK._replace(frame=5): None}


def test_the_log_only_grows_and_is_replayed(history):
    history.undo()
    history.record(Action.RENAME, {CELL: ObjectRecord("mother")})
    history.undo()
    again = History(9, (30, 50))
    for entry in history.entries:
        again.replay(entry)
    assert again.entries == history.entries
    assert again.values == history.values
    assert again.undo() == history.undo()
    assert again.redo_text == history.redo_text


@pytest.mark.parametrize(("undone", "word"), [(True, "undone"), (False, "done again")])
def test_a_replay_that_makes_no_sense_is_refused(history, undone, word):
    entry = history.entries[-1]
    wrong = Entry(1, None, "", {}, undone, entry.time)
    with pytest.raises(ValueError, match=f"step 1 cannot be {word} here"):
        history.replay(wrong)
    with pytest.raises(ValueError, match="expected step 3 or an earlier one, found 7"):
        history.replay(Entry(7, Action.NEW, "", {}, None, entry.time))


def test_properties_are_those_of_the_values(history):
    scored = StoredMask(b"scored", Confidence(0.9, 1.0))
    history.record(Action.PROPAGATE, {MASK._replace(frame=4): scored})
    assert history.prompts == {(1, 3): CLICKS}
    assert history.objects.name(1) == "cell"
    assert history.masklets.packed(1, 3) == b"two" and history.masklets.frames(1) == (3, 4)
    assert history.confidence == {(1, 4): Confidence(0.9, 1.0)}
    history.undo()
    assert history.masklets.frames(1) == (3,) and history.confidence == {}
    history.record(Action.DELETE, dict.fromkeys([CELL, DRAWN, MASK]))
    assert (history.prompts, history.objects.ids, history.masklets.object_ids) == ({}, (), ())
    history.undo()
    assert history.prompts == {(1, 3): CLICKS} and history.masklets.packed(1, 3) == b"two"


def test_prompts_are_pending_until_their_mask_comes(history):
    assert history.pending == set()
    step = history.record(Action.PROMPT, {DRAWN: CLICK})
    assert history.pending == {(1, 3)} and history.step_of(DRAWN) is step
    history.extend(step, {MASK: TWO})  # the same mask as before is an answer, too
    assert history.pending == set()
    history.record(Action.PAINT, {DRAWN: CLICKS, MASK: ONE})
    assert history.pending == set()
    history.record(Action.DELETE, {DRAWN: None, MASK: None})
    history.undo()
    assert history.pending == set()


def test_undo_before_the_answer_leaves_what_was_answered_alone(history):
    history.record(Action.PROMPT, {DRAWN: CLICK})
    history.undo()
    assert history.pending == set() and history.values[MASK] is TWO
    history.redo()
    assert history.pending == {(1, 3)}


def test_undo_asks_for_an_answer_that_was_dropped(history):
    """Of two quick clicks only the second is answered; undo leaves the first."""
    place = DRAWN._replace(frame=5)
    first = history.record(Action.PROMPT, {place: CLICK})
    second = history.record(Action.PROMPT, {place: CLICKS})
    history.extend(second, {MASK._replace(frame=5): ONE})
    history.undo()
    assert history.pending == {(1, 5)} and history.step_of(place) is first


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({Key(Kind.PROMPTS, 1, 4): CLICK}, False),
        ({CELL: ObjectRecord("cell", is_locked=True)}, False),
        ({CELL: None}, False),
        ({Key(Kind.TRACK, 1): Track(1, 0, 3)}, False),
    ],
    ids=["free", "prompted", "locked", "deleted", "outside of its track"],
)
def test_where_a_propagated_mask_is_recorded(history, changes, accepted):
    history.record(Action.NEW, changes)
    assert history.accepts_mask(1, 4) is accepted


def test_another_log_is_continued(history):
    other = History(9, (30, 50))
    other.note(Action.NEW, "other", {CELL: ObjectRecord("other")})
    step = other.record(Action.PROMPT, {Key(Kind.PROMPTS, 1, 7): CLICK})
    masklets, earlier = history.masklets, history.step_of(DRAWN)
    changes = history.restore(other)
    assert changes == {**other.values, DRAWN: None, MASK: None}
    assert history.values == other.values and history.entries == other.entries
    assert history.prompts == {(1, 7): CLICK} and history.pending == {(1, 7)}
    assert history.masklets is masklets and masklets.object_ids == ()
    history.extend(earlier, {MASK: ONE})  # an answer that comes too late
    assert MASK not in history.values
    history.extend(step, {Key(Kind.MASK, 1, 7): ONE})
    assert history.undo() == {Key(Kind.PROMPTS, 1, 7): None, Key(Kind.MASK, 1, 7): None}


def test_a_review_ends_when_its_mask_changes(history):
    review, whole, other = (Key(Kind.REVIEW, 1, frame) for frame in (3, WHOLE_TRACK, 4))
    reviews = {key: Review() for key in (review, whole, other)}
    history.record(Action.REVIEW, reviews)
    history.record(Action.PROPAGATE, {MASK: ONE})
    assert review not in history.values and whole not in history.values
    assert other in history.values
    history.undo()
    assert reviews.items() <= history.values.items()
    history.record(Action.PAINT, {MASK: ONE, review: Review(("area",))})
    assert history.values[review] == Review(("area",))
