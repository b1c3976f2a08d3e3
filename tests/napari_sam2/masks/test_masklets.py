import sys
import threading

import numpy as np
import pytest

from napari_sam2.masks.masklets import Masklets
from napari_sam2.masks.packing import as_given
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import LOGIT_STEP, MaskLogits

SHAPE = (40, 60)


def disc(centre_yx, radius, shape=SHAPE):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre_yx[0]) ** 2 + (x - centre_yx[1]) ** 2 <= radius**2


def test_a_painted_mask_comes_back():
    masklets = Masklets(3, SHAPE)
    mask = disc((12, 45), 7)
    masklets.paint(5, 1, mask)
    np.testing.assert_array_equal(masklets.get(5, 1).to_dense(), mask)
    np.testing.assert_array_equal(masklets.labels(1, (5,)), np.where(mask, 5, 0))
    assert masklets.object_ids == (5,)
    assert masklets.frames(5) == (1,)


@pytest.mark.parametrize("noise", [False, True])
def test_a_large_mask_comes_back(noise):
    """Large masks are compressed, but not where noise makes that larger."""
    masklets = Masklets(1, (300, 500))
    mask = disc((150, 250), 140, (300, 500))
    if noise:
        mask &= np.random.default_rng(0).random(mask.shape) < 0.5
    masklets.paint(1, 0, mask)
    np.testing.assert_array_equal(masklets.get(1, 0).to_dense(), mask)
    assert noise or masklets.nbytes < 0.2 * mask.size / 8


def test_the_outline_of_a_mask_is_known_without_its_pixels():
    masklets = Masklets(3, SHAPE)
    mask = disc((12, 45), 7) & ~disc((12, 50), 3)
    masklets.paint(5, 1, mask)
    outline = masklets.outline(5, 1)
    assert (outline.origin_yx, outline.extent_yx) == ((5, 38), (15, 14))
    assert outline.area == mask.sum()
    np.testing.assert_allclose(outline.centroid_yx, np.argwhere(mask).mean(0), rtol=1e-6)
    masklets.paint(5, 2, np.zeros(SHAPE))
    assert masklets.outline(5, 2).area == 0
    assert masklets.outline(5, 0) is None


def test_an_empty_mask_is_known_and_draws_nothing():
    masklets = Masklets(2, SHAPE)
    masklets.set(1, 0, SparseMask.empty(SHAPE))
    assert masklets.frames(1) == (0,)
    assert not masklets.get(1, 0)
    assert masklets.get(1, 1) is None
    assert not masklets.labels(0).any()


def test_touching_cells_keep_their_pixels():
    masklets = Masklets(1, SHAPE)
    left, right = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    left[10:20, 10:30] = right[10:20, 30:50] = True
    masklets.paint(1, 0, left)
    masklets.paint(2, 0, right)
    np.testing.assert_array_equal(masklets.labels(0), left + 2 * right)


def test_later_objects_are_drawn_over_earlier_ones():
    masklets = Masklets(1, SHAPE)
    masklets.paint(9, 0, disc((20, 20), 8))
    masklets.paint(2, 0, disc((20, 26), 8))
    assert masklets.labels(0)[20, 23] == 9
    assert masklets.labels(0, (9, 2))[20, 23] == 2
    assert set(np.unique(masklets.labels(0, (2,)))) == {0, 2}


def falling(shape, at_top, at_bottom):
    """Logits of a mask over the whole frame, on a grid of a quarter of its rows and columns."""
    rows, columns = shape[0] // 4, shape[1] // 4
    values = np.linspace(at_top, at_bottom, rows)[:, None].repeat(columns, 1)
    values = np.rint(values / LOGIT_STEP).astype(np.int8)
    return MaskLogits(values, (0.125 - 0.5, 0.125 - 0.5), (0.25, 0.25))


def test_the_highest_logit_wins_where_masks_overlap():
    masklets = Masklets(1, SHAPE)
    both = SparseMask.from_dense(disc((20, 30), 12))
    masklets.set(2, 0, both, falling(SHAPE, 12.0, 1.0))
    masklets.set(7, 0, both, falling(SHAPE, 1.0, 12.0))
    for order in (None, (2, 7), (7, 2)):
        labels = masklets.labels(0, order)
        np.testing.assert_array_equal(labels > 0, both.to_dense())
        assert set(np.unique(labels[:19])) == {0, 2}
        assert set(np.unique(labels[21:])) == {0, 7}
    assert masklets.get(2, 0).area == masklets.get(7, 0).area == both.area  # each keeps its own
    # the same in every part, at every n-th pixel
    rows, columns = range(9, 40, 3), range(20, 60, 2)
    part = masklets.draw(0, (rows, columns), np.zeros((len(rows), len(columns)), np.uint16))
    np.testing.assert_array_equal(part, masklets.labels(0)[9::3, 20::2])


def test_of_three_masks_each_pixel_shows_the_most_certain():
    masklets = Masklets(1, SHAPE)
    everywhere = SparseMask.from_dense(np.ones(SHAPE))
    masklets.set(1, 0, everywhere, falling(SHAPE, 10.0, 0.5))
    masklets.set(2, 0, everywhere, falling(SHAPE, 7.0, 7.0))
    masklets.set(3, 0, everywhere, falling(SHAPE, 0.5, 10.0))
    assert [*dict.fromkeys(masklets.labels(0)[:, 5].tolist())] == [1, 2, 3]


def test_what_a_person_gave_wins_over_what_was_found():
    masklets = Masklets(1, SHAPE)
    masklets.paint(1, 0, disc((20, 20), 8))
    masklets.set(2, 0, SparseMask.from_dense(disc((20, 26), 8)), falling(SHAPE, 30.0, 30.0))
    assert masklets.labels(0)[20, 23] == 1
    assert masklets.labels(0, (2, 1))[20, 23] == 1
    locked = as_given(masklets.packed(2, 0), True)
    masklets.put(2, 0, locked)
    assert masklets.labels(0)[20, 23] == 2  # both are given: the later one
    np.testing.assert_array_equal(masklets.get(2, 0).to_dense(), disc((20, 26), 8))
    masklets.paint(2, 0, disc((20, 26), 8))
    assert masklets.packed(2, 0) is locked  # nothing that was not known
    masklets.put(2, 0, as_given(locked, False))
    assert masklets.labels(0)[20, 23] == 1


def test_without_logits_a_found_mask_loses_to_one_that_has_them():
    masklets = Masklets(1, SHAPE)
    left, right = (SparseMask.from_dense(disc((20, x), 8)) for x in (20, 26))
    masklets.set(1, 0, left, falling(SHAPE, 3.0, 3.0))
    masklets.set(2, 0, right, MaskLogits.unknown())
    assert masklets.labels(0)[20, 23] == 1
    masklets.set(1, 0, left, MaskLogits.unknown())
    assert masklets.labels(0)[20, 23] == 2


def test_an_object_that_leaves():
    masklets = Masklets(4, SHAPE)
    for frame in range(4):
        masklets.paint(3, frame, disc((20, 54 + 6 * frame), 5))
    areas = [masklets.get(3, frame).area for frame in range(4)]
    assert areas[0] > areas[1] > areas[2] == areas[3] == 0
    assert masklets.frames(3) == (0, 1, 2, 3)


def test_remove():
    masklets = Masklets(2, SHAPE)
    for frame in (0, 1):
        masklets.paint(1, frame, disc((9, 9), 4))
    masklets.remove(1, 0)
    assert masklets.frames(1) == (1,)
    masklets.remove(1)
    masklets.remove(1)
    assert masklets.object_ids == ()


def test_labels_fills_the_array_it_is_given():
    masklets = Masklets(1, SHAPE)
    masklets.paint(7, 0, disc((20, 20), 3))
    out = np.full(SHAPE, 99, np.uint8)
    assert masklets.labels(0, out=out) is out
    assert set(np.unique(out)) == {0, 7}


def test_dtype_grows_with_the_ids():
    masklets = Masklets(1, SHAPE)
    masklets.paint(65535, 0, disc((20, 20), 3))
    assert masklets.labels(0).dtype == np.uint16
    masklets.paint(70000, 0, disc((20, 20), 3))
    assert masklets.labels(0).dtype == np.uint32
    assert masklets.labels(0).max() == 70000


@pytest.mark.parametrize(
    ("object_id", "frame", "shape", "message"),
    [
        (0, 0, SHAPE, r"object id: expected 1\.\.4294967295"),
        (2**32, 0, SHAPE, r"object id: expected 1\.\.4294967295"),
        (1, 4, SHAPE, r"frame 4 is outside the movie \(0\.\.3\)"),
        (1, -1, SHAPE, "frame -1 is outside the movie"),
        (1, 0, (60, 40), r"expected the shape of the frames \(40, 60\), found \(60, 40\)"),
        (1, 0, (3, 40, 60), r"expected shape \(40, 60\), found \(3, 40, 60\)"),
    ],
)
def test_what_does_not_fit_is_refused(object_id, frame, shape, message):
    with pytest.raises(ValueError, match=message):
        Masklets(4, SHAPE).paint(object_id, frame, np.ones(shape))


def test_no_frames_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 10000000 frames"):
        Masklets(0, SHAPE)


def test_300_objects_in_500_large_frames_are_tens_of_megabytes():
    shape, objects, frames = (2048, 2048), 30, 50
    masklets = Masklets(frames, shape)
    cell = disc((16, 16), 15, (33, 33))
    for object_id in range(1, objects + 1):
        for frame in range(frames):
            origin = (60 * object_id, 37 * frame)
            masklets.set(object_id, frame, SparseMask.from_window(shape, cell, origin))
    per_object = masklets._packed[1]
    size = sys.getsizeof(per_object) + sum(map(sys.getsizeof, per_object.values()))
    assert size / frames * 300 * 500 < 50e6


def test_one_thread_writes_while_another_reads():
    masklets = Masklets(200, SHAPE)
    mask = SparseMask.from_dense(disc((20, 30), 6))

    def write():
        for object_id in range(1, 21):
            for frame in range(200):
                masklets.set(object_id, frame, mask)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        for object_id in masklets.object_ids:
            assert set(masklets.frames(object_id)) <= set(range(200))
        assert masklets.labels(0).max() <= 20
    writer.join()
    assert masklets.labels(199).max() == 20


def test_a_watcher_is_told_which_masks_change():
    masklets = Masklets(3, SHAPE)
    masklets.paint(1, 0, disc((12, 45), 7))
    watcher = masklets.watch()
    masklets.paint(2, 1, disc((12, 45), 7))
    masklets.set(2, 2, SparseMask.empty(SHAPE))
    masklets.remove(2, 1)
    assert list(watcher) == [(2, 1), (2, 2), (2, 1)]
    watcher.clear()
    masklets.remove(2)
    masklets.remove(7)
    assert list(watcher) == [(2, 2)]
    masklets.unwatch(watcher)
    masklets.paint(1, 1, disc((12, 45), 7))
    assert list(watcher) == [(2, 2)]


def test_a_snapshot_stays_as_it_was() -> None:
    masklets = Masklets(3, (6, 8))
    masklets.paint(2, 1, np.ones((6, 8)))
    before = masklets.snapshot()
    masklets.paint(2, 1, np.zeros((6, 8)))
    masklets.remove(2, 0)
    masklets.paint(3, 0, np.ones((6, 8)))
    assert before.object_ids == (2,)
    assert before.labels(1, (2,)).all()
