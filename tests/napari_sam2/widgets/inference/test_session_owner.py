"""What the worker's thread owns."""

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import Marks
from napari_sam2.annotation.objects import Objects
from napari_sam2.masks.masklets import Masklets
from napari_sam2.widgets.inference.loaded_model import Opened
from napari_sam2.widgets.inference.session_owner import SessionOwner

FRAMES = [np.zeros((30, 50), np.uint8)] * 6
SHAPE = (30, 50)
CELLS = ("cells_nano", "cpu")


@pytest.fixture
def masklets():
    return Masklets(6, SHAPE)


def test_prompts_reach_the_session(stub_owner, masklets):
    assert stub_owner.open(CELLS, FRAMES, masklets, Objects()) == Opened(CELLS, "cpu")
    assert stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE).sparse
    assert masklets.frames(1) == (2,)
    assert stub_owner.prompt((1, 2), Marks(), SHAPE) is None
    stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE)
    stub_owner.remove_object(1)
    assert masklets.object_ids == ()


def test_a_model_is_loaded_once(stub_owner, masklets):
    for model in (CELLS, CELLS, ("cells_nano", "auto")):
        stub_owner.open(model, FRAMES, masklets, Objects())
    assert stub_owner.models == [CELLS, ("cells_nano", "auto")]


def test_nothing_is_answered_without_an_image(stub_owner, masklets):
    with pytest.raises(FileNotFoundError):
        stub_owner.open(("missing.pt", "cpu"), FRAMES, masklets, Objects())
    assert stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE) is None
    assert list(stub_owner.propagate("forward", None)) == []
    stub_owner.remove_object(1)
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    stub_owner.close()
    assert stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE) is None


def test_a_model_that_cannot_be_loaded_leaves_image_and_model_as_they_were(stub_owner, masklets):
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE)
    annotation = stub_owner.annotation
    opened = stub_owner.open(("missing.pt", "cpu"), FRAMES, masklets, Objects())
    assert opened.model == CELLS and isinstance(opened.failure, FileNotFoundError)
    assert stub_owner.annotation is annotation and stub_owner.model == "cells_nano"
    assert annotation.session.masks[1][2].any()


def test_another_image_is_opened_with_the_model_from_before(stub_owner, masklets):
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    stub_owner.close()
    opened = stub_owner.open(("missing.pt", "cpu"), FRAMES, masklets, Objects())
    assert opened.model == CELLS and opened.failure is not None
    assert stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE).sparse


def test_unloading_lets_go_of_image_and_model(stub_owner, masklets):
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    stub_owner.unload()
    assert stub_owner.model is None and stub_owner.annotation is None
    assert list(stub_owner.measure()) == []
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    assert stub_owner.models == [CELLS, CELLS]


def test_progress(stub_owner, masklets):
    stub_owner.open(CELLS, FRAMES, masklets, Objects())
    stub_owner.prompt((1, 2), Marks(((10, 20, 1),)), SHAPE)
    steps = list(stub_owner.propagate("both", (1, 5)))
    assert [step.frame for step in steps] == [2, 3, 4, 1]
    assert [(step.done, step.total) for step in steps] == [(i, 4) for i in (1, 2, 3, 4)]
    assert steps[0].seconds_left is None
    assert steps[-1].seconds_left == 0
    assert steps[0].object_ids == (1,)


def test_the_embedded_model_is_loaded_by_default(masklets):
    """The real network, once: it finds a bright disc where it is clicked."""
    y, x = np.ogrid[:30, :50]
    disc = (y - 12) ** 2 + (x - 30) ** 2 <= 36
    frames = [(disc * 40000 + 2000).astype(np.uint16)] * 6
    owner = SessionOwner()
    opened = owner.open(CELLS, frames, masklets, Objects())
    assert (opened.model, opened.device, opened.failure) == (CELLS, "cpu", None)
    assert opened.dtype in ("float32", "bfloat16")
    mask = owner.prompt((1, 0), Marks(((12, 30, 1),)), SHAPE).mask
    assert (mask & disc).sum() / (mask | disc).sum() > 0.7
