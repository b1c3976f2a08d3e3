"""Clips out of movies: right size, true labels, as random as their seed."""

import numpy as np
import pytest
import torch
from tests.sam2_torch.training.conftest import disc_movie
from tests.tiny_network import TINY

from sam2_torch import SAM2Config
from sam2_torch.training.data.batches import Batch
from sam2_torch.training.data.clips import ClipCutter
from sam2_torch.training.data.labelled_movies import DataError, LabelledMovie


def cut(movie, n_frames=4, seed=0, config=TINY, objects=4):
    return ClipCutter(config, objects).cut(movie, n_frames, np.random.default_rng(seed))


def test_a_clip_fills_the_input_as_inference_does(movie):
    clip = cut(movie)
    assert clip.images.shape == (4, 1, 64, 64)
    assert clip.images.dtype == np.uint8
    assert clip.labels.shape == (4, 64, 64)
    height, width = clip.content
    assert max(clip.content) == 64
    assert not clip.images[:, :, height:].any()
    assert not clip.labels[:, :, width:].any()


@pytest.mark.parametrize("n_frames", [1, 6])
def test_labels_stay_on_their_objects(n_frames):
    """Objects are bright: wherever a label went, light went along."""
    movie = disc_movie(n_frames=n_frames)
    bright, dark = [], []
    for seed in range(12):
        clip = cut(movie, 4, seed)
        if clip.images[0][clip.labels[:1] > 0].mean() < 100:
            continue  # one of the few clips with inverted contrast
        inside = (clip.labels > 0)[:, None]
        height, width = clip.content
        bright.append(clip.images[inside].mean())
        dark.append(clip.images[..., :height, :width][~inside[..., :height, :width]].mean())
    assert len(bright) > 6
    assert np.mean(bright) > 3 * np.mean(dark)


def test_objects_of_the_first_frame_are_chosen(movie):
    for seed in range(10):
        clip = cut(movie, 3, seed)
        assert len(clip.object_ids) in (1, 2)
        assert set(clip.object_ids) <= set(np.unique(clip.labels[0]))
        assert len(cut(movie, 3, seed, objects=1).object_ids) == 1


def test_what_is_drawn_depends_on_the_seed_alone(movie):
    one, two, other = cut(movie, seed=5), cut(movie, seed=5), cut(movie, seed=6)
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.labels, two.labels)
    assert not np.array_equal(one.images, other.images)


def test_still_images_move():
    movie = disc_movie(n_frames=1)
    moving = [
        not np.array_equal(clip.labels[0], clip.labels[-1])
        for clip in (cut(movie, 4, seed) for seed in range(10))
    ]
    assert sum(moving) >= 6
    assert len(moving) == 10


def test_a_large_image_is_made_smaller_and_stretched_where_the_network_wants_it():
    labels = np.zeros((1, 300, 500), np.uint16)
    labels[0, 100:200, 200:330] = 3
    images = np.random.default_rng(0).integers(0, 60000, (1, 300, 500, 3), np.uint16)
    movie = LabelledMovie("large", "a", "2d", "rgb", images, labels)
    config = SAM2Config(**{**TINY.to_dict(), "keep_aspect": False})
    clip = cut(movie, 1, config=config)
    assert clip.images.shape == (1, 3, 64, 64)
    assert clip.content == (64, 64)
    assert clip.object_ids.tolist() == [3]


def test_specks_are_refused():
    labels = np.zeros((1, 400, 500), np.uint16)
    labels[0, 10:13, 10:12] = 1
    movie = LabelledMovie("specks", "a", "2d", "x", np.zeros((1, 400, 500)), labels)
    with pytest.raises(DataError, match="specks: expected objects of at least 30 pixels"):
        cut(movie, 1)


def test_batches_mix_grey_and_colour_and_normalise_as_inference_does(movie):
    from sam2_torch.inputs.transforms import image_to_input

    grey = cut(movie, 1)
    colour = cut(
        LabelledMovie(
            "c", "a", "2d", "x", movie.images[:1, ..., None].repeat(3, 3), movie.labels[:1]
        ),
        1,
    )
    batch = Batch.of([grey, colour], stride=2)
    assert batch.images.shape == (2, 1, 3, 64, 64)
    assert batch.n_objects == len(grey.object_ids) + len(colour.object_ids)
    height, width = grey.content
    pixels = grey.images[0, 0, :height, :width]
    expected = image_to_input(pixels, (0, 255), TINY)
    np.testing.assert_allclose(batch.inputs()[:1], expected, atol=1e-5)
    assert batch.present(0).all()
    with pytest.raises(ValueError, match="all of one shape"):
        Batch.of([grey, cut(movie, 2)], stride=2)


def test_truth_is_drawn_on_the_grid_of_the_losses(movie):
    clip = cut(movie, 1)
    fine, coarse = (Batch.of([clip], stride).truth(0) for stride in (2, 4))
    n = len(clip.object_ids)
    assert fine.shape == (n, 32, 32)
    assert coarse.shape == (n, 16, 16)
    assert ((fine > 0) & (fine < 1)).any()  # pixels that are partly covered
    torch.testing.assert_close(fine.mean(dim=(1, 2)), coarse.mean(dim=(1, 2)))
