"""Deleting, duplicating, merging and locking, as changed values."""

import numpy as np
import pytest

from napari_sam2.annotation import object_edits
from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.masks.masklets import Confidence, pack, unpack
from sam2_torch.masks import SparseMask

SHAPE = (8, 12)
CLICK = DrawnPrompts(((1, 2, 1),))


def square(y, x):
    mask = np.zeros(SHAPE, bool)
    mask[y : y + 2, x : x + 3] = True
    return SparseMask.from_dense(mask)


def stored(y, x):
    return StoredMask(pack(square(y, x)), Confidence(0.9, 4.0))


@pytest.fixture
def values():
    """Object 1 in frames 0 (clicked) and 1; object 2 in frames 1 (clicked) and 2."""
    return {
        Key(Kind.OBJECT, 1): ObjectRecord("mother", "dividing", is_locked=True),
        Key(Kind.OBJECT, 2): ObjectRecord("Object 2"),
        Key(Kind.PROMPTS, 1, 0): CLICK,
        Key(Kind.MASK, 1, 0): stored(0, 0),
        Key(Kind.MASK, 1, 1): stored(1, 1),
        Key(Kind.PROMPTS, 2, 1): CLICK,
        Key(Kind.MASK, 2, 1): stored(5, 6),
        Key(Kind.MASK, 2, 2): stored(6, 7),
    }


def applied(values, changes):
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


def pixels(values, object_id, frame):
    return unpack(values[Key(Kind.MASK, object_id, frame)].packed, SHAPE).to_dense()


def test_deleting_takes_all_that_is_known(values):
    left = applied(values, object_edits.delete(values, [1]))
    assert {key.object_id for key in left} == {2}


def test_a_duplicate_has_the_same_marks_and_masks(values):
    after = applied(values, object_edits.duplicate(values, 1, 7))
    assert after[Key(Kind.OBJECT, 7)] == ObjectRecord("mother copy", "dividing")
    assert after[Key(Kind.PROMPTS, 7, 0)] == CLICK
    assert after[Key(Kind.MASK, 7, 1)] is values[Key(Kind.MASK, 1, 1)]


def test_merging_unites_the_masks_and_makes_the_prompted_ones_prompts(values):
    after = applied(values, object_edits.merge(values, 1, [2], SHAPE))
    assert {key.object_id for key in after} == {1}
    both = square(1, 1).to_dense() | square(5, 6).to_dense()
    np.testing.assert_array_equal(pixels(after, 1, 1), both)
    np.testing.assert_array_equal(pixels(after, 1, 2), square(6, 7).to_dense())
    np.testing.assert_array_equal(after[Key(Kind.PROMPTS, 1, 1)].painted.to_dense(), both)
    assert after[Key(Kind.PROMPTS, 1, 0)] == CLICK  # the other was not there
    assert Key(Kind.PROMPTS, 1, 2) not in after


def test_a_locked_frame_is_not_merged_into(values):
    values |= object_edits.lock_frame(values, 1, 1, True, SHAPE)
    after = applied(values, object_edits.merge(values, 1, [2], SHAPE))
    np.testing.assert_array_equal(pixels(after, 1, 1), square(1, 1).to_dense())


def test_a_locked_mask_is_a_prompt_and_unlocking_brings_back_what_was_drawn(values):
    locked = applied(values, object_edits.lock_frame(values, 1, 0, True, SHAPE))
    assert locked[Key(Kind.LOCK, 1, 0)] == CLICK
    painted = locked[Key(Kind.PROMPTS, 1, 0)].painted
    np.testing.assert_array_equal(painted.to_dense(), square(0, 0).to_dense())
    assert object_edits.lock_frame(locked, 1, 0, True, SHAPE) == {}
    assert applied(locked, object_edits.lock_frame(locked, 1, 0, False, SHAPE)) == values


def test_a_tracked_mask_is_tracked_again_when_it_is_unlocked(values):
    locked = applied(values, object_edits.lock_frame(values, 1, 1, True, SHAPE))
    assert applied(locked, object_edits.lock_frame(locked, 1, 1, False, SHAPE)) == values


def test_what_is_not_there_is_told(values):
    with pytest.raises(KeyError, match="object 1 has no mask in frame 5 yet"):
        object_edits.lock_frame(values, 1, 5, True, SHAPE)
    with pytest.raises(KeyError, match=r"object 9 is not there; the objects are \[1, 2\]"):
        object_edits.describe(values, [9], name="x")


def test_saying_something_else(values):
    changes = object_edits.describe(values, [1, 2], category="lost")
    assert changes[Key(Kind.OBJECT, 1)] == ObjectRecord("mother", "lost", is_locked=True)
    assert changes[Key(Kind.OBJECT, 2)] == ObjectRecord("Object 2", "lost")
