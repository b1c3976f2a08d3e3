"""What was done, taken back and done again."""

import pytest

from napari_sam2.annotation.drawn_prompts import Marks
from napari_sam2.annotation.history import Action, Entry, History, Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord

CELL = Key(Kind.OBJECT, 1)
DRAWN, MASK = Key(Kind.MARKS, 1, 3), Key(Kind.MASK, 1, 3)
CLICK, CLICKS = Marks(((1, 2, 1),)), Marks(((1, 2, 1), (4, 5, 0)))
ONE, TWO = StoredMask(b"one"), StoredMask(b"two")


@pytest.fixture
def history():
    """Two clicks; the mask of each comes a moment later."""
    history = History()
    history.note(Action.NEW, "cell", {CELL: ObjectRecord("cell")})
    first = history.record(Action.PROMPT, {DRAWN: CLICK}, "cell, frame 3")
    history.record(Action.PROMPT, {MASK: ONE}, step=first)
    second = history.record(Action.PROMPT, {DRAWN: CLICKS}, "again")
    history.record(Action.PROMPT, {MASK: TWO}, step=second)
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
    assert history.record(Action.PROMPT, {MASK: ONE}, step=step) is None
    assert history.values[MASK] is TWO


def test_a_step_of_another_object_in_between(history):
    other = Key(Kind.MASK, 2, 3)
    run = history.record(Action.PROPAGATE, {MASK._replace(frame=4): ONE})
    history.record(Action.PROMPT, {other: TWO})
    history.record(Action.PROPAGATE, {MASK._replace(frame=5): ONE}, step=run)
    assert history.undo() == {other: None}
    assert history.undo() == {MASK._replace(frame=4): None, MASK._replace(frame=5): None}


def test_the_log_only_grows_and_is_replayed(history):
    history.undo()
    history.record(Action.RENAME, {CELL: ObjectRecord("mother")})
    history.undo()
    again = History()
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
