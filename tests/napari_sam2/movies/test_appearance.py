import argparse

import numpy as np
import pytest

from napari_sam2.cli.options import add_appearance, appearance_of
from napari_sam2.movies.appearance import Appearance, ShownFrames
from napari_sam2.movies.movie import Movie

SHAPE = (40, 60)


def ramp(dtype, low, high, n_frames=3):
    frame = np.linspace(low, high, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    return Movie(np.stack([frame] * n_frames).astype(dtype))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 0, 255),
        (np.int16, -2000, 2000),
        (np.uint16, 100, 4095),  # 12 bits in 16
        (np.int64, -(10**12), 10**12),
        (np.float32, -0.5, 0.5),
        (np.float64, 1e6, 1.001e6),
    ],
)
def test_percentiles_become_black_and_white(dtype, low, high):
    frame = ShownFrames(ramp(dtype, low, high), Appearance(per_frame=True))[0]
    assert frame.dtype == np.float32 and frame.shape == SHAPE
    np.testing.assert_allclose(frame, np.linspace(0, 1, frame.size).reshape(SHAPE), atol=0.02)


def test_contrast_and_gamma():
    shown = ShownFrames(ramp(np.uint16, 0, 4000), Appearance((1000, 3000), gamma=0.5))
    frame = shown[0].ravel()
    assert frame[0] == 0 and frame[-1] == 1
    assert frame[len(frame) * 3 // 8] == pytest.approx(0.25**0.5, abs=0.01)
    window = shown.window(1, slice(10, 20), slice(5, 9))
    np.testing.assert_array_equal(window, shown[1][10:20, 5:9])


def test_a_bleaching_movie():
    bright = np.random.default_rng(0).integers(0, 4000, SHAPE)
    movie = Movie(np.stack([bright, bright // 4]))
    each = ShownFrames(movie, Appearance(per_frame=True))
    np.testing.assert_allclose(each[0], each[1], atol=0.01)
    together = ShownFrames(movie, Appearance(gamma=0.9))
    assert together[1].max() < 0.4 < together[0].max()


@pytest.mark.parametrize("value", [np.nan, 7.0, np.inf])
@pytest.mark.parametrize("per_frame", [True, False])
def test_frames_that_hold_nothing(value, per_frame):
    pixels = np.stack([np.full(SHAPE, value), np.random.default_rng(0).normal(size=SHAPE)])
    shown = ShownFrames(Movie(pixels), Appearance(gamma=0.8, per_frame=per_frame))
    assert shown[0].shape == SHAPE and not np.isinf(shown[0]).any()
    assert np.isfinite(shown[1]).all()


@pytest.mark.parametrize(
    ("resolution", "shape", "found"),
    [
        ("auto", (2048, 1000), None),
        ("auto", (2049, 1000), 1),
        ("whole", (9000, 9000), None),
        (2.0, (300, 300), 2),
    ],
)
def test_resolution(resolution, shape, found):
    assert Appearance(resolution=resolution).input_pixels(shape) == found


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": 0},
        {"gamma": np.nan},
        {"contrast": (0, np.nan)},
        {"resolution": "half"},
        {"resolution": 0},
        {"resolution": -2},
    ],
)
def test_numbers_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        Appearance(**wrong)


def test_the_options_of_the_command_line():
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_appearance(parser)
    assert appearance_of(parser.parse_args([])) == Appearance()
    given = ["--contrast", "5:90.5", "--gamma", "0.7", "--contrast-per-frame", "--resolution", "2"]
    assert appearance_of(parser.parse_args(given)) == Appearance((5, 90.5), 0.7, True, 2)
    for wrong in (["--contrast", "9:5"], ["--contrast", "9"], ["--resolution", "fine"]):
        with pytest.raises(argparse.ArgumentError, match="expected"):
            parser.parse_args(wrong)
