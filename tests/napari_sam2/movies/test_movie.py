import numpy as np
import pytest

from napari_sam2.movies.axes import guess_axes, resolve_layout
from napari_sam2.movies.movie import Movie


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
        ("CYX", (4, 40, 60), (0, 4), r"channels 0,4: expected one, or two or three of 0\.\.3"),
        ("CYX", (4, 40, 60), (0, 1, 2, 3), "two or three of"),
        ("TYX", (4, 40, 60), (0, 1), r"0\.\.0"),
        ("CYX", (2, 40, 60), 2, r"channel 2: expected 0\.\.1"),
        ("TYX", (5, 40, 60), 1, r"channel 1: expected 0\.\.0"),
        ("CYX", (2, 40, 60), -1, "channel -1"),
        (None, (0, 40, 60), None, "expected at least one pixel"),
    ],
)
def test_what_does_not_fit_is_said(axes, shape, channel, message):
    with pytest.raises(ValueError, match=message):
        resolve_layout(shape, axes, channel)


@pytest.mark.parametrize("axes", ["TZCYX", "ZTYXC", "CXYTZ"])
def test_a_movie_of_stacks_counts_its_planes(axes):
    lengths = {"T": 3, "Z": 4, "C": 2, "Y": 40, "X": 60}
    grids = dict(zip(axes, np.indices([lengths[a] for a in axes]), strict=True))
    array = sum(w * grids[a] for a, w in zip("TZCYX", (1, 10, 100, 1000, 100_000), strict=True))
    movie = Movie(array, axes, 1)
    assert (movie.n_frames, movie.layout.n_planes, movie.frame_shape) == (12, 4, (40, 60))
    assert (movie.layout.label_axes, movie.layout.label_shape) == ("TZYX", (3, 4, 40, 60))
    assert movie.layout.place(6) == (1, 2)
    assert movie[6][7, 50] == 1 + 10 * 2 + 100 + 1000 * 7 + 100_000 * 50
    assert "3 time points with 4 planes" in repr(movie)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [((2, 0), (2, 0, None)), ((0, 1, 2), (0, 1, 2)), ((3, 1, 0), (3, 1, 0))],
)
@pytest.mark.parametrize("axes", ["TCYX", "TXYC"])
def test_channels_become_colours(channels, expected, axes):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 999, (2, 4, 5, 6))  # TCYX
    turned = array.transpose(["TCYX".index(a) for a in axes])
    frame = Movie(turned, axes, channels)[1]
    assert frame.shape == (5, 6, 3)
    for colour, channel in enumerate(expected):
        wanted = 0 if channel is None else array[1, channel]
        np.testing.assert_array_equal(frame[..., colour], wanted)


def test_only_the_window_that_is_asked_for_is_read():
    source = CountingSource((9, 2, 40, 60))
    movie = Movie(source, "TCYX", 1)
    window = movie.window(4, slice(3, 10), slice(20, 40))
    np.testing.assert_array_equal(window, source.array[4, 1, 3:10, 20:40])
    assert source.read == 7 * 20


def test_large_windows_come_from_the_level_that_fits():
    full, half, eighth = (CountingSource((2, 640 // n, 960 // n)) for n in (1, 2, 8))
    movie = Movie(full, "TYX", levels=[half, eighth])
    window = movie.window(1, slice(320, 640), slice(480, 960), (150, 200))
    np.testing.assert_array_equal(window, half.array[1, 160:320, 240:480])
    movie.window(1, slice(0, 640), slice(0, 960), (80, 120))
    assert (full.read, half.read, eighth.read) == (0, 160 * 240, 80 * 120)


def test_of_a_window_far_too_large_pixels_are_left_out():
    movie = Movie(CountingSource((1, 640, 960)), "TYX")
    window = movie.window(0, slice(0, 640), slice(0, 960), (16, 16))
    assert 8 * 16 <= min(window.shape) and window.size < 640 * 960 / 20


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
