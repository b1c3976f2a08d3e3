import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import polygon2mask

from napari_sam2.io.tracks.contours import outlines, signed_area
from sam2_torch.masks import SparseMask


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 7)), elements=st.booleans()))
def test_outlines_drawn_again_give_the_mask(pixels: np.ndarray) -> None:
    mask = SparseMask.from_window((30, 20), pixels, (5, 8))
    drawn = np.zeros(mask.shape, int)
    for ring in outlines(mask):
        # corners of pixels: half a pixel before their centres
        inside = polygon2mask(mask.shape, ring - 0.5)
        drawn += inside if signed_area(ring) > 0 else -inside.astype(int)
    np.testing.assert_array_equal(drawn, mask.to_dense())


def test_outlines_turn_at_each_point_and_holes_go_the_other_way() -> None:
    pixels = np.ones((3, 4), bool)
    pixels[1, 1:3] = False
    outer, hole = outlines(SparseMask.from_window((10, 10), pixels, (2, 3)))
    assert outer.tolist() == [[5, 3], [2, 3], [2, 7], [5, 7]]
    assert signed_area(outer) == 12 and signed_area(hole) == -2


def test_parts_that_touch_at_a_corner_are_two() -> None:
    rings = outlines(SparseMask.from_dense(np.eye(2, dtype=bool)))
    assert [signed_area(ring) for ring in rings] == [1, 1]


def test_an_empty_mask_has_no_outline() -> None:
    assert outlines(SparseMask.empty((4, 5))) == []
