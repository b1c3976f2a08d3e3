"""Prompts of the log in a session."""

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.prompted_session import (
    prompted_places,
    set_prompts,
    stored_mask,
    unlocked,
)
from napari_sam2.masks.masklets import Confidence
from napari_sam2.masks.packing import is_given, read_outline

FRAMES = np.zeros((6, 30, 50), np.uint16)
CLICK, CLICKS = DrawnPrompts(((10, 20, 1),)), DrawnPrompts(((10, 20, 1), (10, 30, 1)))


@pytest.fixture
def session(make_session):
    return make_session(FRAMES)


def test_a_session_is_brought_up_to_the_log(session):
    prompts = {(1, 0): CLICK, (1, 3): CLICK, (2, 0): CLICK}
    assert list(set_prompts(session, prompts, [1])) == [None, None]
    assert prompted_places(session, [2, 1]) == [(1, 0), (1, 3)]
    # one click more refines; a prompt that is gone is removed; the rest is left alone
    list(set_prompts(session, {(1, 0): CLICKS, (2, 0): CLICK}, [1, 2]))
    assert session.log[2:] == [
        ("remove_prompts", 1, 3),
        ("add", 1, 0, 1, False),
        ("add", 2, 0, 1, True),
    ]
    assert prompted_places(session, [1, 2, 7]) == [(1, 0), (2, 0)]


def test_another_time_changes_nothing(session):
    prompts = {(1, 0): CLICKS, (2, 4): DrawnPrompts(((10, 20, 1),), choice=2)}
    list(set_prompts(session, prompts, [1, 2]))
    session.log.clear()
    list(set_prompts(session, prompts, [1, 2]))
    assert session.log == []


def test_locked_objects_are_not_propagated(session):
    list(set_prompts(session, {(1, 0): CLICK, (2, 0): CLICK}, [1, 2]))
    assert unlocked(session, None, []) is None  # all, also those that come
    assert unlocked(session, None, [1]) == [2] == unlocked(session, [2], [1])
    with pytest.raises(ValueError, match="unlock an object first"):
        unlocked(session, [1], [1])
    with pytest.raises(ValueError, match="prompt the object on some frame first"):
        unlocked(session, [3], [])


def test_a_mask_is_packed_with_its_confidence(session):
    prediction = session.set_prompts(1, 0, CLICK.prompts((30, 50)))
    mask = stored_mask(prediction)
    assert mask.confidence == Confidence(0.9, 5.0)
    assert read_outline(mask.packed).area == prediction.sparse.area
    assert not is_given(mask.packed)
    assert is_given(stored_mask(prediction, given=True).packed)
