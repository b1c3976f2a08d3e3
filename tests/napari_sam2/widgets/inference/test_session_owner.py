"""Model and session on the inference thread."""

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.masks.packing import read_outline, unpack
from napari_sam2.widgets.inference.loaded_model import Opened
from napari_sam2.widgets.inference.session_owner import SessionOwner
from sam2_torch.masks import SparseMask

FRAMES = [np.zeros((30, 50), np.uint8)] * 6
SHAPE = (30, 50)
CELLS = ("cells_nano", "cpu")
PROMPTS = {(1, 2): DrawnPrompts(((10, 20, 1),))}


def area(mask):
    return read_outline(mask.packed).area


def test_prompts_reach_the_session(stub_owner):
    assert stub_owner.open(CELLS, FRAMES) == Opened(CELLS, "cpu")
    assert area(stub_owner.answer((1, 2), PROMPTS))
    assert stub_owner.answer((1, 2), {}) is None
    assert stub_owner.session.prompted_frames(1) == ()
    # prompts on other frames are set first: they are the object's memory
    stub_owner.answer((1, 2), PROMPTS | {(1, 4): PROMPTS[1, 2]})
    assert stub_owner.session.log[-2:] == [("add", 1, 4, 1, True), ("add", 1, 2, 1, True)]
    stub_owner.forget([(1, 4), (7, 4)], [], [1, 7])
    assert stub_owner.session.prompted_frames(1) == (2,)
    assert stub_owner.session.log[-1] == ("forget_tracked", 1)
    stub_owner.forget([], [1, 7], [1])
    assert stub_owner.session.object_ids == ()


def test_a_drawn_mask_is_kept_to_the_pixel(stub_owner):
    drawn = SparseMask.from_dense(np.eye(*SHAPE))
    stub_owner.open(CELLS, FRAMES)
    mask = stub_owner.answer((1, 2), {(1, 2): DrawnPrompts(painted=drawn)})
    assert unpack(mask.packed, SHAPE).equals(drawn)


def test_an_error_leaves_the_session_as_it_was(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    with pytest.raises(IndexError, match=r"frame 6 is outside the movie \(0\.\.5\)"):
        stub_owner.answer((1, 6), {(1, 6): PROMPTS[1, 2]})
    assert stub_owner.session.object_ids == ()


def test_candidates(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    assert stub_owner.candidates((1, 2)) == []
    stub_owner.answer((1, 2), PROMPTS)
    assert [bool(mask) for mask in stub_owner.candidates((1, 2))] == [True, False, True]


def test_a_model_is_loaded_once(stub_owner):
    for model in (CELLS, CELLS, ("cells_nano", "auto")):
        stub_owner.open(model, FRAMES)
    assert stub_owner.models == [CELLS, ("cells_nano", "auto")]


def test_nothing_is_answered_without_an_image(stub_owner):
    with pytest.raises(FileNotFoundError):
        stub_owner.open(("missing.pt", "cpu"), FRAMES)
    assert stub_owner.answer((1, 2), PROMPTS) is None
    assert list(stub_owner.propagate(PROMPTS, [], "forward", None)) == []
    assert list(stub_owner.propagate_changes(PROMPTS, [])) == []
    stub_owner.forget([(1, 2)], [1], [2])
    stub_owner.open(CELLS, FRAMES)
    stub_owner.close()
    assert stub_owner.answer((1, 2), PROMPTS) is None


def test_a_model_that_cannot_be_loaded_leaves_image_and_model_as_they_were(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    stub_owner.answer((1, 2), PROMPTS)
    session = stub_owner.session
    opened = stub_owner.open(("missing.pt", "cpu"), FRAMES)
    assert opened.model == CELLS and isinstance(opened.failure, FileNotFoundError)
    assert stub_owner.session is session and stub_owner.model == "cells_nano"
    assert session.masks[1][2].any()


def test_another_image_is_opened_with_the_model_from_before(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    stub_owner.close()
    opened = stub_owner.open(("missing.pt", "cpu"), FRAMES)
    assert opened.model == CELLS and opened.failure is not None
    assert area(stub_owner.answer((1, 2), PROMPTS))


def test_unloading_ends_session_and_model(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    stub_owner.unload()
    assert stub_owner.model is None and stub_owner.session is None
    assert list(stub_owner.measure()) == []
    stub_owner.open(CELLS, FRAMES)
    assert stub_owner.models == [CELLS, CELLS]


def test_a_propagation_begins_with_the_prompts_of_the_log(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    prompts = PROMPTS | {(2, 0): DrawnPrompts(((5, 5, 1),))}
    steps = list(stub_owner.propagate(prompts, [2], "both", (1, 5)))
    assert steps[:2] == [None, None]  # prompts of others are answered in between
    assert [step.frame for step in steps[2:]] == [1, 2, 3, 4]
    assert [(step.done, step.total) for step in steps[2:]] == [(i, 4) for i in (1, 2, 3, 4)]
    assert steps[2].seconds_left is None
    assert steps[-1].seconds_left == 0
    assert all(step.object_ids == (1,) and area(step.masks[1]) for step in steps[2:])


def test_changes_concern_the_objects_that_the_session_has(stub_owner):
    stub_owner.open(CELLS, FRAMES)
    stub_owner.answer((1, 2), PROMPTS)
    prompts = {(1, 2): DrawnPrompts(((10, 20, 1), (12, 20, 1))), (2, 0): DrawnPrompts(((5, 5, 1),))}
    masks = [step for step in stub_owner.propagate_changes(prompts, []) if step]
    assert {step.object_ids for step in masks} == {(1,)}
    assert ("add", 1, 2, 1, False) in stub_owner.session.log
    assert stub_owner.session.object_ids == (1,)


def test_the_embedded_model_is_loaded_by_default():
    """The real network, once: it finds a bright disc where it is clicked."""
    y, x = np.ogrid[:30, :50]
    disc = (y - 12) ** 2 + (x - 30) ** 2 <= 36
    frames = [(disc * 40000 + 2000).astype(np.uint16)] * 6
    owner = SessionOwner()
    opened = owner.open(CELLS, frames)
    assert (opened.model, opened.device, opened.failure) == (CELLS, "cpu", None)
    assert opened.dtype in ("float32", "bfloat16")
    mask = unpack(
        owner.answer((1, 0), {(1, 0): DrawnPrompts(((12, 30, 1),))}).packed, SHAPE
    ).to_dense()
    assert (mask & disc).sum() / (mask | disc).sum() > 0.7
