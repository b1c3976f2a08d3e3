from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from sam2_torch.automatic.overlaps import (
    covered_by,
    covered_shares,
    is_new,
    near_pairs,
    settle,
    shared_pixels,
)
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import LOGIT_STEP, MaskLogits, MaskPrediction

SHAPE = (40, 60)


def block(rows: slice, columns: slice) -> SparseMask:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return SparseMask.from_dense(mask)


def predict(rows: slice, columns: slice, logits: NDArray[np.float32] | float) -> MaskPrediction:
    """Predict a block with logits for each second pixel of the image, as the network does."""
    mask = block(rows, columns)
    inside = np.where(mask.to_dense()[::2, ::2], logits, -5.0)
    coarse = MaskLogits(np.rint(inside / LOGIT_STEP).astype(np.int8), (0.0, 0.0), (0.5, 0.5))
    return MaskPrediction(mask, torch.from_numpy(inside), 0.9, 4.0, coarse)


def test_new_is_what_is_not_covered() -> None:
    masks = [block(slice(0, 10), slice(0, 10)), block(slice(20, 30), slice(0, 10))]
    shares, ids = covered_shares(masks, {5: block(slice(0, 10), slice(5, 15))})
    assert ids == [5]
    np.testing.assert_allclose(shares, [[0.5], [0]])
    assert is_new(shares, 0.3).tolist() == [False, True]
    assert is_new(covered_shares(masks, {})[0], 0.3).tolist() == [True, True]
    assert is_new(covered_shares([], {})[0], 0.3).tolist() == []


def test_a_mask_mostly_inside_of_another_is_covered_by_it() -> None:
    masks = {1: block(slice(0, 10), slice(0, 10)), 2: SparseMask.empty(SHAPE)}
    half, more = block(slice(0, 10), slice(5, 15)), block(slice(0, 10), slice(4, 30))
    assert covered_by(masks, {7: half}) == {}
    assert covered_by(masks, {7: half, 8: more}) == {1: 8}
    assert covered_by(masks, {}) == {}


def test_near_boxes_and_shared_pixels() -> None:
    masks = [
        block(slice(0, 10), slice(0, 10)),
        block(slice(9, 12), slice(9, 30)),
        block(slice(10, 12), slice(0, 9)),
    ]
    assert near_pairs([mask.box for mask in masks]) == [(0, 1)]
    assert near_pairs([]) == []
    assert [axis.tolist() for axis in shared_pixels(*masks[:2])] == [[9], [9]]
    assert [axis.tolist() for axis in shared_pixels(*masks[1:])] == [[], []]


def test_each_pixel_goes_to_the_highest_logit() -> None:
    high = predict(slice(0, 10), slice(0, 20), 30.0)
    low = predict(slice(0, 10), slice(14, 34), 2.0)
    double = predict(slice(0, 10), slice(2, 20), 1.0)
    masks, doubled = settle({1: low, 2: high, 3: double})
    assert masks[2].area == 200 and masks[1].area == 140 and masks[3].area == 0
    assert doubled == {3}
    assert not (masks[1].to_dense() & masks[2].to_dense()).any()


def test_two_objects_divide_what_they_share_where_their_logits_cross() -> None:
    x = np.arange(0, SHAPE[1], 2, dtype=np.float32)
    left = predict(slice(0, 10), slice(0, 30), 8 - x / 5)
    right = predict(slice(0, 10), slice(10, 40), x / 5)
    masks, doubled = settle({1: left, 2: right})
    assert not doubled and masks[1].overlap(masks[2]) == 0
    assert masks[1].box == (0, 0, 10, 21) and masks[2].box == (0, 21, 10, 40)


def test_a_given_mask_keeps_its_pixels() -> None:
    found = predict(slice(0, 10), slice(0, 20), 30.0)
    given = replace(predict(slice(0, 10), slice(15, 35), 0.5), coarse=None)
    masks, _ = settle({1: found, 2: given})
    assert masks[2].area == 200 and masks[1].area == 150


def test_nothing_overlaps_what_is_not_seen() -> None:
    absent = MaskPrediction(SparseMask.empty(SHAPE), torch.full((20, 30), -9.0), 0.1, -3.0)
    masks, doubled = settle({1: absent, 2: predict(slice(0, 10), slice(0, 20), 8.0)})
    assert not masks[1] and masks[2].area == 200 and doubled == set()
