import numpy as np
import pytest

from napari_sam2.masks.exclusion import exclude
from napari_sam2.masks.packing import pack, unpack, unpack_logits
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits

SHAPE = (12, 20)


def bar(first, last, logit=None):
    """Columns of a frame with one logit; None for a mask that a person gave."""
    pixels = np.zeros(SHAPE, bool)
    pixels[2:9, first : last + 1] = True
    if logit is None:
        return pack(SparseMask.from_dense(pixels))
    values = np.full((3, 3), round(logit / 0.25), np.int8)
    return pack(SparseMask.from_dense(pixels), MaskLogits(values, (0, 0), (0.1, 0.1)))


def columns(packed):
    return np.flatnonzero(unpack(packed, SHAPE).to_dense().any(0)).tolist()


def test_a_pixel_belongs_to_the_object_with_the_highest_logit():
    found = exclude({1: bar(2, 8, 3.0), 2: bar(6, 12, 5.0), 3: bar(15, 17, 1.0)}, {}, (), SHAPE)
    assert columns(found[1]) == [2, 3, 4, 5]
    assert columns(found[2]) == list(range(6, 13))
    assert columns(found[3]) == [15, 16, 17]
    assert unpack_logits(found[1]).values[0, 0] == 12  # what it is worth elsewhere stays


@pytest.mark.parametrize(("fixed", "given"), [((2,), 0.5), ((), None)])
def test_finished_masks_keep_all_pixels(fixed, given):
    finished = bar(6, 12, given)
    found = exclude({1: bar(0, 19, 8.0)}, {2: finished}, fixed, SHAPE)
    assert columns(found[1]) == [0, 1, 2, 3, 4, 5, 13, 14, 15, 16, 17, 18, 19]
    assert list(found) == [1]


def test_objects_outside_of_the_run_do_not_change_but_count():
    found = exclude({1: bar(0, 9, 4.0)}, {2: bar(5, 12, 6.0), 3: bar(0, 1, 2.0)}, (), SHAPE)
    assert columns(found[1]) == [0, 1, 2, 3, 4]


def test_masks_without_an_overlap_and_empty_ones_are_the_same_bytes():
    empty = pack(SparseMask.empty(SHAPE), MaskLogits.unknown())
    masks = {1: bar(0, 3, 1.0), 2: bar(4, 8, 9.0), 7: empty}
    assert exclude(masks, {}, (), SHAPE) == masks
    assert exclude({}, masks, (), SHAPE) == {}
