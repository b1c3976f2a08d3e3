import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sam2_torch import SparseMask


@settings(max_examples=60, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_sparse_mask_round_trip(mask):
    sparse = SparseMask.from_dense(mask)
    np.testing.assert_array_equal(sparse.to_dense(), mask)
    assert sparse.area == mask.sum()
    assert bool(sparse) == mask.any()
    np.testing.assert_array_equal(mask[sparse.slices], sparse.window())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 50))
def test_window_lands_where_it_was_cut(y, x):
    mask = np.zeros((64, 96), bool)
    mask[y + 2 : y + 9, x + 1 : x + 20] = True
    sparse = SparseMask.from_window(mask.shape, mask[y : y + 30, x : x + 40], (y, x))
    np.testing.assert_array_equal(sparse.to_dense(), mask)


def test_small_mask_in_a_large_frame_costs_bytes():
    mask = np.zeros((2048, 2048), bool)
    mask[100:120, 900:925] = True
    assert SparseMask.from_dense(mask).bits.nbytes <= 20 * 25 / 8 + 1


def test_masks_are_joined_cut_and_compared_without_a_whole_image():
    random = np.random.default_rng(3)
    dense = np.zeros((2, 30, 50), bool)
    dense[0, 3:9, 40:48] = random.random((6, 8)) > 0.4
    dense[1, 7:20, 2:44] = random.random((13, 42)) > 0.4
    one, other = map(SparseMask.from_dense, dense)
    empty = SparseMask.empty((30, 50))
    np.testing.assert_array_equal(SparseMask.union([one, empty, other]).to_dense(), dense.any(0))
    assert SparseMask.union([empty]) is empty and SparseMask.union([empty, one]) is one
    for rows, columns in [
        (slice(5, 12), slice(30, 46)),
        (slice(0, 30), slice(0, 50)),
        (slice(0, 3), slice(0, 9)),
        (slice(7, 8), slice(2, 3)),
    ]:
        np.testing.assert_array_equal(other.part(rows, columns), dense[1][rows, columns])
    around = other.part(slice(-2, 32), slice(-1, 51))
    np.testing.assert_array_equal(around, np.pad(dense[1], ((2, 2), (1, 1))))
    assert one.equals(SparseMask.from_dense(dense[0])) and not one.equals(other)
    assert not empty.equals(SparseMask.empty((50, 30)))


@given(arrays(bool, (2, 12, 17)))
def test_geometry_is_that_of_the_pixels(dense: np.ndarray) -> None:
    one, other = (SparseMask.from_dense(mask) for mask in dense)
    shared, union = (dense[0] & dense[1]).sum(), (dense[0] | dense[1]).sum()
    assert one.overlap(other) == other.overlap(one) == shared
    assert one.iou(other) == pytest.approx(shared / union if union else 0)
    border = dense[0].copy()
    border[1:-1, 1:-1] = False
    assert one.touches_border == border.any()
    if one:
        (y0, x0), (y1, x1) = np.argwhere(dense[0]).min(0), np.argwhere(dense[0]).max(0) + 1
        assert one.box == (y0, x0, y1, x1)
        np.testing.assert_allclose(one.centroid_yx, np.argwhere(dense[0]).mean(0))
    else:
        assert one.box == (0, 0, 0, 0) and np.isnan(one.centroid_yx).all()
