"""Label images of any dtype, with labels of any size, as masks."""

import tracemalloc

import numpy as np
import pytest

from sam2_torch.label_images import connected_parts, masks_of_labels
from sam2_torch.masks import SparseMask


def labels_with(numbers, dtype=np.int64):
    """Draw four objects, one in two pieces, one at the border, in a (30, 50) image."""
    labels = np.zeros((30, 50), dtype)
    labels[3:6, 4:9], labels[20:, 40:], labels[0, 0], labels[10:12, 0:3] = numbers
    labels[25, 45] = numbers[0]
    return labels


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ((1, 2, 3, 4), np.uint8),
        ((7, 100_000, 1, 60_000_000), np.int32),
        ((7, 3_000_000_000, 1, 2**40), np.int64),
        ((7, 2**64 - 1, 1, 2**63), np.uint64),
        ((-1, 5, -(2**62), 2), np.int64),
        ((1, 2, 70_000, 4), np.float32),
        ((1, -2, 2**40, 4), np.float64),
    ],
)
def test_each_label_is_a_mask(numbers, dtype):
    labels = labels_with(numbers, dtype)
    masks = masks_of_labels(labels)
    assert list(masks) == sorted(numbers)
    for number, mask in masks.items():
        np.testing.assert_array_equal(mask.to_dense(), labels == dtype(number))


def test_a_binary_image_is_one_mask():
    labels = labels_with((True,) * 4, bool)
    masks = masks_of_labels(labels)
    assert list(masks) == [1]
    np.testing.assert_array_equal(masks[1].to_dense(), labels)


@pytest.mark.parametrize("shape", [(30, 50), (0, 50)])
def test_no_label_is_no_mask(shape):
    assert masks_of_labels(np.zeros(shape, np.uint8)) == {}


def test_an_image_without_background():
    assert list(masks_of_labels(np.full((4, 5), 9))) == [9]
    assert list(masks_of_labels(np.full((4, 5), 900))) == [900]


@pytest.mark.parametrize("number", [60_000_000, 3_000_000_000])
def test_memory_depends_on_the_number_of_labels_only(number):
    labels = np.zeros((64, 64), np.int64)
    labels[5:9, 5:9] = number
    tracemalloc.start()
    try:
        masks_of_labels(labels)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e300])
def test_what_is_no_whole_number_is_refused(wrong):
    labels = labels_with((1, 2, 3, 4), np.float64)
    labels[7, 7] = wrong
    with pytest.raises(ValueError, match=r"expected whole numbers.*found"):
        masks_of_labels(labels)


@pytest.mark.parametrize("image", [np.zeros((4, 5), complex), np.zeros((4, 5), "U2")])
def test_other_pixels_are_refused(image):
    with pytest.raises(ValueError, match=r"expected whole numbers.*found pixels of dtype"):
        masks_of_labels(image)


def test_a_colour_image_is_refused():
    with pytest.raises(ValueError, match=r"expected the two axes y, x, found \(4, 5, 3\)"):
        masks_of_labels(np.zeros((4, 5, 3), np.uint8))


def test_parts_are_connected_and_the_largest_comes_first():
    dense = np.zeros((30, 50), bool)
    dense[3:6, 4:9] = dense[20:, 40:] = dense[6, 9] = True  # the last one touches by a corner
    parts = connected_parts(SparseMask.from_dense(dense))
    assert [part.area for part in parts] == [100, 15, 1]
    assert [part.origin_yx for part in parts] == [(20, 40), (3, 4), (6, 9)]
    np.testing.assert_array_equal(SparseMask.union(parts).to_dense(), dense)
    assert connected_parts(SparseMask.empty((3, 4))) == []
