import numpy as np
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
