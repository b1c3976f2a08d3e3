import numpy as np
import pytest

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import prompts_box


def test_points_keep_rows_and_columns():
    prompt = PointPrompt([(3, 40), (5.5, 1)], [1, 0])
    np.testing.assert_array_equal(prompt.points_yx, [[3, 40], [5.5, 1]])
    np.testing.assert_array_equal(prompt.labels, [1, 0])


@pytest.mark.parametrize(
    ("points", "labels", "sentence"),
    [
        ([3, 4], [1], r"expected shape \(P, 2\)"),
        (np.zeros((0, 2)), [], r"expected shape \(P, 2\) with P >= 1"),
        ([(3, 4)], [1, 1], r"expected shape \(1,\)"),
        ([(3, np.nan)], [1], "finite"),
        ([(3, 4)], [2], r"expected 1 \(positive\) or 0 \(negative\), found \[2\]"),
    ],
)
def test_points_that_make_no_sense_are_refused(points, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        PointPrompt(points, labels)


def test_box_corners_may_come_in_any_order():
    assert BoxPrompt(9, 1, 3, 8) == BoxPrompt(3, 1, 9, 8)


@pytest.mark.parametrize("corners", [(1, 1, 1, 1), (0, 0, np.inf, 2)])
def test_box_without_extent_is_refused(corners):
    with pytest.raises(ValueError, match="box: expected"):
        BoxPrompt(*corners)


def test_mask_is_any_nonzero_pixel():
    prompt = MaskPrompt(np.array([[0, 7], [0, 0]], np.uint16))
    np.testing.assert_array_equal(prompt.mask, [[False, True], [False, False]])
    with pytest.raises(ValueError, match=r"expected shape \(H, W\), found \(2,\)"):
        MaskPrompt(np.zeros(2))


def test_a_mask_of_a_large_image_takes_no_more_than_its_object():
    disc = np.hypot(*np.mgrid[-9:10, -9:10]) < 9
    sparse = SparseMask.from_window((20_000, 20_000), disc, (15_000, 40))
    prompt = MaskPrompt(sparse)
    assert prompt.sparse is sparse and prompt.sparse.bits.nbytes < 100
    assert prompts_box([prompt]) == (15_001, 41, 15_018, 58)
    assert prompts_box([MaskPrompt(SparseMask.empty((20_000, 20_000)))]) is None
