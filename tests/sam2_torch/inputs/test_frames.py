import numpy as np
import pytest

from sam2_torch.inputs.frames import PATCH_PX, PATCHES, choose_level, read_window, sample_pixels

WINDOW = slice(10, 30), slice(40, 80)


class Reader:
    """Large frames that can be read in parts, and never whole."""

    frame_shape = (4000, 5000)

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 3

    def __getitem__(self, frame):
        raise AssertionError("read whole")

    def window(self, frame, rows, columns, size=None):
        part = np.full((rows.stop - rows.start, columns.stop - columns.start), frame)
        self.read += part.size
        return part


@pytest.mark.parametrize("kind", [np.asarray, list])
@pytest.mark.parametrize("shape", [(3, 50, 90), (3, 50, 90, 3)])
def test_a_window_of_arrays_and_lists(kind, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(read_window(kind(array), 2, WINDOW), array[2][WINDOW])


def test_samples_of_large_frames_are_patches():
    frames = Reader()
    assert set(sample_pixels(frames, 2)) == {2}
    assert frames.read == (PATCHES * PATCH_PX) ** 2


def test_samples_of_small_frames_are_spread():
    frames = np.arange(2 * 512 * 600).reshape(2, 512, 600)
    np.testing.assert_array_equal(sample_pixels(frames, 1), frames[1, ::2, ::2].ravel())


@pytest.mark.parametrize(
    ("size", "level"), [(None, 0), ((20, 40), 0), ((10, 20), 1), ((10, 21), 0), ((2, 2), 2)]
)
def test_the_level_that_has_enough_pixels(size, level):
    assert choose_level(WINDOW, size, [(100, 200), (50, 100), (25, 50)])[0] == level
