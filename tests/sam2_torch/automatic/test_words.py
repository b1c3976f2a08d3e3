"""Ranking by words with a tiny CLIP of random weights."""

import numpy as np
import pytest
import torch
from tests.tiny_clip import save_tiny_clip

from sam2_torch.automatic.words import Words, _view
from sam2_torch.masks import SparseMask

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


def disc(cy, cx, shape=(60, 80), radius=8):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return SparseMask.from_dense((y - cy) ** 2 + (x - cx) ** 2 <= radius**2)


def test_objects_are_compared_with_all_words(folder):
    image = np.random.default_rng(0).integers(0, 4000, (60, 80)).astype(np.uint16)
    masks = [disc(30, 20), disc(2, 75), disc(30, 60, radius=3)]
    found = Words("cell, dust", folder).similarities(image, masks, (0, 4000))
    assert found.shape == (3,) and found.dtype == np.float32
    assert ((found > 0) & (found < 1)).all() and len(set(found.tolist())) == 3
    turned = Words("dust, cell", folder).similarities(image, masks, (0, 4000))
    assert (found + turned < 1).all()  # "something else" has the rest
    assert len(Words("cell", folder).similarities(image, [], (0, 1))) == 0


@pytest.mark.parametrize("centre", [(30, 40), (2, 75)])
def test_a_view_shows_the_object_in_its_middle(centre):
    mask = disc(*centre)
    pixels = torch.from_numpy(mask.to_dense()).float().expand(3, -1, -1)
    view = _view(pixels, mask, 32)
    assert view.shape == (3, 32, 32) and view[0, 16, 16] > 0.9
    assert view[0, 0].max() < 0.1 and view[0, :, 0].max() < 0.1


@pytest.mark.parametrize(
    ("words", "model", "sentence"),
    [
        (" , ", None, "expected what to look for, found nothing"),
        ("cell", "no/such folder", "no/such folder cannot be loaded"),
    ],
)
def test_what_is_wrong_is_told(folder, words, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        Words(words, model or folder)
