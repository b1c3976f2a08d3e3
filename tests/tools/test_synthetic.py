"""The generator: every kind, true labels, motion that can be followed."""

import itertools

import numpy as np
import pytest
from synthetic import KINDS, draw_movie


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_makes_movies_with_objects(kind):
    counts, kept = [], []
    for seed in range(3):
        movie = draw_movie(np.random.default_rng(seed), 3, kind)
        assert movie.images.dtype == np.uint8
        assert movie.images.shape[:3] == movie.labels.shape
        assert movie.images.std() > 1
        counts.append(len(np.unique(movie.labels)) - 1)
        first, last = (set(np.unique(movie.labels[t])) - {0} for t in (0, -1))
        kept.append(len(first & last) / max(len(first), 1))
    assert min(counts) >= 1
    assert np.mean(kept) > 0.5  # most objects stay


def test_objects_move_smoothly_and_stay_in_one_piece():
    from skimage.measure import label

    movie = draw_movie(np.random.default_rng(3), 4, "cells")
    pieces, overlaps = [], []
    for i in np.unique(movie.labels)[1:]:
        masks = movie.labels == i
        pieces.append(label(masks[0]).max())
        for a, b in itertools.pairwise(masks):
            if a.any() and b.any():
                overlaps.append((a & b).sum() / min(a.sum(), b.sum()))
    assert np.median(pieces) == 1
    assert np.median(overlaps) > 0.5


def test_objects_differ_from_their_surroundings():
    movie = draw_movie(np.random.default_rng(4), 1, "stack of nuclei")
    inside = movie.images[movie.labels > 0].mean()
    assert inside > 1.3 * movie.images[movie.labels == 0].mean()


def test_rods_divide_and_the_daughters_get_new_labels():
    for seed in range(20):
        movie = draw_movie(np.random.default_rng(seed), 8, "rods")
        first = set(np.unique(movie.labels[0]))
        new = set(np.unique(movie.labels[-1])) - first
        if len(new) >= 2 and len(first - set(np.unique(movie.labels[-1]))) >= 1:
            return
    raise AssertionError("no rod divided in 20 movies")


def test_the_seed_tells_all():
    one, two = (draw_movie(np.random.default_rng(9), 2) for _ in range(2))
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.labels, two.labels)
    with pytest.raises(KeyError):
        draw_movie(np.random.default_rng(0), 1, "unicorns")


def test_all_microscopes_are_used():
    rng = np.random.default_rng(0)
    seen = {draw_movie(rng, 1).modality for _ in range(60)}
    assert seen == {
        "fluorescence",
        "membrane",
        "phase contrast",
        "interference contrast",
        "bright field",
        "electron",
        "stained",
    }
