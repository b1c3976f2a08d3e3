import numpy as np
import pytest
import torch

from sam2_torch.automatic.overlaps import (
    covered_shares,
    division_score,
    find_splits,
    is_new,
    mean_logit,
    settle,
)
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction

SHAPE = (40, 60)


def block(rows: slice, columns: slice) -> SparseMask:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return SparseMask.from_dense(mask)


def predict(rows: slice, columns: slice, logit: float) -> MaskPrediction:
    mask = block(rows, columns)
    logits = torch.where(torch.from_numpy(mask.to_dense()[::2, ::2]), logit, -5.0)
    return MaskPrediction(mask, logits, 0.9, 4.0)


def test_new_is_what_is_not_covered() -> None:
    masks = [block(slice(0, 10), slice(0, 10)), block(slice(20, 30), slice(0, 10))]
    shares, ids = covered_shares(masks, {5: block(slice(0, 10), slice(5, 15))})
    assert ids == [5]
    np.testing.assert_allclose(shares, [[0.5], [0]])
    assert is_new(shares, 0.3).tolist() == [False, True]
    assert is_new(covered_shares(masks, {})[0], 0.3).tolist() == [True, True]
    assert is_new(covered_shares([], {})[0], 0.3).tolist() == []


def test_two_parts_of_one_object_are_a_division() -> None:
    mother = block(slice(10, 20), slice(10, 30))
    parts = [block(slice(10, 20), slice(10, 19)), block(slice(10, 20), slice(21, 30))]
    elsewhere = block(slice(30, 40), slice(40, 50))
    masks = [elsewhere, *parts]
    shares, _ = covered_shares(masks, {3: mother})
    assert find_splits(masks, shares, {3: mother}) == {3: (1, 2)}
    shares, _ = covered_shares(masks[:2], {3: mother})
    assert find_splits(masks[:2], shares, {3: mother}) == {}


def test_the_score_of_a_division() -> None:
    mother = block(slice(10, 20), slice(10, 30))
    halves = block(slice(10, 20), slice(10, 20)), block(slice(10, 20), slice(20, 30))
    assert division_score(mother, halves) == pytest.approx(1)
    uneven = block(slice(10, 20), slice(10, 25)), block(slice(10, 20), slice(25, 30))
    assert division_score(mother, uneven) == pytest.approx(1 / 3)
    apart = block(slice(30, 40), slice(40, 50)), block(slice(0, 5), slice(40, 50))
    assert division_score(mother, apart) == 0


def test_the_surest_object_gets_the_pixels() -> None:
    sure = predict(slice(0, 10), slice(0, 20), 8.0)
    unsure = predict(slice(0, 10), slice(14, 34), 2.0)
    double = predict(slice(0, 10), slice(2, 20), 1.0)
    masks, doubled = settle({1: unsure, 2: sure, 3: double})
    assert masks[2].area == 200 and masks[1].area == 140 and masks[3].area == 0
    assert doubled == {3}
    assert not (masks[1].to_dense() & masks[2].to_dense()).any()


def test_nothing_overlaps_what_is_not_seen() -> None:
    absent = MaskPrediction(SparseMask.empty(SHAPE), torch.full((20, 30), -9.0), 0.1, -3.0)
    masks, doubled = settle({1: absent, 2: predict(slice(0, 10), slice(0, 20), 8.0)})
    assert not masks[1] and masks[2].area == 200 and doubled == set()
    assert mean_logit(absent, np.array([3])) == float("-inf")


def test_logits_are_read_at_the_pixels() -> None:
    one = predict(slice(10, 20), slice(20, 40), 8.0)
    one.logits[5:10, 10:15] = 2.0  # the left half of the mask
    left = np.ravel_multi_index((np.array([12]), np.array([24])), SHAPE)
    right = np.ravel_multi_index((np.array([12]), np.array([36])), SHAPE)
    assert mean_logit(one, left) == 2.0 and mean_logit(one, right) == 8.0
