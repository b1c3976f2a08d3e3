"""Frames that hold no number are noticed when they are read."""

import numpy as np
import pytest

from napari_sam2.movies.movie import Movie


@pytest.fixture
def pixels():
    frames = np.random.default_rng(0).normal(9, 1, (8, 80, 120)).astype(np.float32)
    for frame in (1, 3, 4, 5):
        frames[frame] = np.nan
    frames[5] = np.inf
    frames[6, :, :100] = np.nan  # the border of a movie that was registered
    return frames


def test_each_blank_frame_is_named_once(pixels):
    movie = Movie(pixels)
    list(movie[:5])
    assert movie.blank.new_sentence() == (
        "frames 1, 3 to 4 hold only NaN or infinity: the network sees black, and its masks "
        "there mean nothing"
    )
    list(movie)
    assert movie.blank.new_sentence().startswith("frame 5 holds only NaN")
    list(movie)
    assert movie.blank.new_sentence() == ""


@pytest.mark.parametrize("dtype", [np.uint16, np.int8, bool])
def test_integers_are_never_blank(pixels, dtype):
    movie = Movie(np.zeros(pixels.shape, dtype))
    list(movie)
    assert not movie.blank.new_sentence()


def test_a_window_without_a_number_is_not_a_frame_without(pixels):
    movie = Movie(pixels)
    movie.window(6, slice(0, 20), slice(0, 30))
    assert not movie.blank.new_sentence()
    movie.window(3, slice(0, 20), slice(0, 30))
    assert movie.blank.new_sentence().startswith("frame 3 holds")
