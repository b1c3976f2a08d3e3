import numpy as np
import pytest

from napari_sam2.images import Movie, guess_axes, resolve_layout


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((40, 60), "YX"),
        ((5, 40, 60), "TYX"),
        ((40, 60, 3), "YXS"),
        ((40, 60, 4), "YXS"),
        ((3, 4, 3), "TYX"),  # too small to be a picture
        ((5, 40, 60, 3), "TYXS"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape, axes):
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(9,), (), (2, 5, 40, 60), (2, 2, 5, 40, 60)])
def test_axes_that_cannot_be_guessed(shape):
    with pytest.raises(ValueError, match=r"expected an image \(Y, X\) or a movie"):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("axes", "shape", "channel", "n_frames", "label_axes", "rgb"),
    [
        ("YX", (40, 60), None, 1, "YX", False),
        ("tyx", (5, 40, 60), None, 5, "TYX", False),
        ("ZYX", (5, 40, 60), None, 5, "ZYX", False),
        ("CYX", (2, 40, 60), 1, 1, "YX", False),
        ("YXC", (40, 60, 2), 1, 1, "YX", False),
        ("TCYX", (5, 2, 40, 60), 1, 5, "TYX", False),
        ("TZCYX", (5, 1, 2, 40, 60), None, 5, "TYX", False),
        ("TZCYX", (1, 7, 2, 40, 60), 1, 7, "ZYX", False),
        ("TZCYX", (1, 1, 1, 40, 60), None, 1, "TYX", False),
        ("CTYX", (2, 5, 40, 60), 1, 5, "TYX", False),
        ("TXY", (5, 60, 40), None, 5, "TYX", False),
        ("YXT", (40, 60, 5), None, 5, "TYX", False),
        ("TYXS", (5, 40, 60, 3), None, 5, "TYX", True),
        ("TSYX", (5, 4, 40, 60), None, 5, "TYX", True),
        ("YXS", (40, 60, 3), None, 1, "YX", True),
        ("YXS", (40, 60, 3), 2, 1, "YX", False),
        ("YXS", (40, 60, 2), None, 1, "YX", False),
        ("CYXS", (1, 40, 60, 3), None, 1, "YX", True),
    ],
)
def test_every_axis_order_gives_rows_and_columns(axes, shape, channel, n_frames, label_axes, rgb):
    letters = axes.upper()
    grids = np.indices(shape)
    weights = {"T": 1, "Z": 1, "Y": 100, "X": 10_000, "C": 10_000_000, "S": 10_000_000}
    array = sum(weights[letter] * grids[i] for i, letter in enumerate(letters))
    movie = Movie(array, axes, channel)
    assert (movie.n_frames, movie.frame_shape) == (n_frames, (40, 60))
    assert (movie.layout.label_axes, movie.is_rgb) == (label_axes, rgb)
    frame = movie[n_frames - 1]
    assert frame.shape == ((40, 60, 3) if rgb else (40, 60))
    value = (n_frames - 1) + 100 * 7 + 10_000 * 50
    if rgb:
        np.testing.assert_array_equal(frame[7, 50], value + 10_000_000 * np.arange(3))
    else:
        assert frame[7, 50] == value + 10_000_000 * (channel or 0)


@pytest.mark.parametrize(
    ("axes", "shape", "channel", "message"),
    [
        ("TZYX", (5, 40, 60), None, r"name 4 axes, the image has 3: its shape is \(5, 40, 60\)"),
        ("TQX", (5, 40, 60), None, "each letter of TZCYXS at most once, with Y and X"),
        ("TTX", (5, 40, 60), None, "at most once"),
        ("TCX", (5, 40, 60), None, "with Y and X"),
        ("TZYX", (5, 6, 40, 60), None, "found both in the axes TZYX"),
        ("CYX", (2, 40, 60), 2, r"channel 2: expected 0\.\.1"),
        ("TYX", (5, 40, 60), 1, r"channel 1: expected 0\.\.0"),
        ("CYX", (2, 40, 60), -1, "channel -1"),
        (None, (0, 40, 60), None, "expected at least one pixel"),
    ],
)
def test_what_does_not_fit_is_said(axes, shape, channel, message):
    with pytest.raises(ValueError, match=message):
        resolve_layout(shape, axes, channel)


class CountingSource:
    """An array that knows how much of it was read."""

    def __init__(self, shape):
        self.array = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
        self.shape, self.dtype = self.array.shape, self.array.dtype
        self.read = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.read += part.size
        return part


def test_only_the_frame_that_is_asked_for_is_read():
    source = CountingSource((9, 2, 40, 60))
    movie = Movie(source, "TCYX", 1)
    np.testing.assert_array_equal(movie[4], source.array[4, 1])
    assert source.read == 40 * 60


def test_a_movie_is_a_sequence():
    movie = Movie(np.zeros((5, 40, 60)))
    assert len(movie) == len(list(movie)) == 5
    with pytest.raises(IndexError, match=r"frame 5 is outside the movie \(0\.\.4\)"):
        movie[5]


@pytest.mark.parametrize("dtype", [complex, object, "datetime64[s]"])
def test_pixels_must_be_real_numbers(dtype):
    with pytest.raises(ValueError, match="expected pixels that are real numbers"):
        Movie(np.zeros((40, 60), dtype))


def test_only_nan_is_said():
    pixels = np.full((4, 40, 60), np.nan, np.float32)
    with pytest.raises(ValueError, match="found only NaN or infinity"):
        Movie(pixels).check_finite()
    pixels[2, 0, 0] = 1
    Movie(pixels).check_finite()
    Movie(np.zeros((40, 60), np.uint8)).check_finite()
