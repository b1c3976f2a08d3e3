"""Large frames at lower resolutions: tiles made in the background, black until then."""

import time
from threading import Event

import numpy as np
import pytest

from napari_sam2.movies import pyramid
from napari_sam2.movies.lazy_arrays import LazyArray
from napari_sam2.movies.pyramid import Overview, overview_of, true_levels

SHAPE = (3, 90, 130)


class Counted:
    """An array that notes what is read of it."""

    def __init__(self, shape=SHAPE):
        self.pixels = np.random.default_rng(0).integers(1, 60_000, shape, np.uint16)
        self.shape, self.dtype = shape, self.pixels.dtype
        self.read = []

    def __getitem__(self, key):
        self.read.append(key)
        return self.pixels[key]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {"TILE": 8, "BLOCK": 20, "COARSEST_PX": 20, "THUMBNAIL_PX": 7}.items():
        monkeypatch.setattr(pyramid, name, value)


def finish(overview):
    end = time.monotonic() + 20
    while not overview.is_idle:
        assert time.monotonic() < end
        time.sleep(0.002)


def test_levels_are_every_nth_pixel_once_they_were_looked_at():
    source = Counted()
    overview = Overview(source)
    assert overview.steps == [2, 4, 8]
    levels = overview.levels()
    assert [level.shape[1:] for level in levels] == [(45, 65), (23, 33), (12, 17), (3, 5)]
    told = []
    overview.changed = lambda: told.append(None)
    for level, step in zip(levels, (2, 4, 8, 32), strict=True):
        np.asarray(level[:, :30][1])
        finish(overview)
        expected = source.pixels[1, ::step, ::step][:30]
        np.testing.assert_array_equal(level[:, :30][1], expected)
        np.testing.assert_array_equal(
            level[1, 2:, 1::3], source.pixels[1, ::step, ::step][2:, 1::3]
        )
        finish(overview)
    assert told
    assert {key[0] for key in source.read} == {1}  # no other frame was read


def test_what_is_not_there_yet_is_shown_coarser_and_black_elsewhere():
    source = Counted()
    overview = Overview(source)
    fine, _, coarse, thumbnail = overview.levels()
    assert not np.asarray(thumbnail[2]).any() and overview.is_idle and not source.read
    np.asarray(coarse[2, :8, :8])
    finish(overview)
    overview._want = lambda *_: None  # nothing more is made
    stand_in = np.asarray(fine[2])
    coarser = source.pixels[2, ::8, ::8][:8, :8].repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(stand_in[:32, :32], coarser)
    assert not stand_in[32:].any() and not stand_in[:, 32:].any()
    np.testing.assert_array_equal(thumbnail[2, :2, :2], source.pixels[2, ::32, ::32][:2, :2])


def test_what_is_asked_for_last_comes_first_and_old_tiles_go(monkeypatch):
    monkeypatch.setattr(pyramid, "BUDGET", 40 * 8 * 8 * 2)
    go_on = Event()

    class Waiting(Counted):
        def __getitem__(self, key):
            go_on.wait(20)
            return super().__getitem__(key)

    source = Waiting()
    overview = Overview(source)
    for frame in (0, 1, 2):
        np.asarray(overview.levels()[0][frame])
    go_on.set()
    finish(overview)
    assert sum(tile.nbytes for tile in overview._tiles.values()) <= pyramid.BUDGET
    frames = [key[0] for key in source.read]
    assert frames.count(0) <= 1 and 1 not in frames and frames.count(2) == 54


def test_colours_stay_together():
    source = Counted((40, 50, 3))
    overview = Overview(source, n_colours=3)
    level = overview.levels()[0]
    assert level.shape == (20, 25, 3)
    np.asarray(level[:])
    finish(overview)
    np.testing.assert_array_equal(level, source.pixels[::2, ::2])
    np.testing.assert_array_equal(level[4:9, 3, 1], source.pixels[8:18:2, 6, 1])


def test_damaged_chunks_stay_black():
    class Damaged(Counted):
        def __getitem__(self, key):
            raise ValueError("a chunk cannot be read")

    overview = Overview(Damaged())
    level = overview.levels()[0]
    assert not np.asarray(level[0]).any()
    finish(overview)


def test_the_network_is_given_true_levels_only():
    source = Counted()
    overview = Overview(source)
    levels = [LazyArray(source), *overview.levels()]
    assert true_levels(levels) == levels[:1] and overview_of(levels) is overview
    assert overview_of(source.pixels) is None and true_levels([source.pixels])
    assert Overview(Counted((3, 20, 20))).levels() == []
