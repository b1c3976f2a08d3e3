import numpy as np
import pytest

from sam2_torch.automatic.divisions import (
    PARTS_ALIKE,
    Body,
    daughter_distance,
    division_score,
    find_splits,
)
from sam2_torch.automatic.overlaps import covered_shares
from sam2_torch.masks import SparseMask

SHAPE = (40, 60)
MOTHER = Body(400.0, 20.0, 30.0)  # some 23 pixels wide
DAUGHTER = Body(180.0, 20.0, 20.0)


def block(rows: slice, columns: slice) -> SparseMask:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return SparseMask.from_dense(mask)


def test_two_of_about_half_the_size_around_the_mother_are_daughters() -> None:
    assert daughter_distance(MOTHER, (DAUGHTER, Body(180.0, 20.0, 40.0))) == pytest.approx(0)
    off = daughter_distance(MOTHER, (DAUGHTER, Body(180.0, 26.0, 40.0)))
    assert off == pytest.approx(3 / (2 * np.sqrt(400 / np.pi)))


@pytest.mark.parametrize(
    "other",
    [
        Body(80.0, 20.0, 40.0),
        Body(330.0, 20.0, 40.0),
        Body(180.0, 20.0, 62.0),
        Body(180.0, 20.0, 12.0),
        Body(0.0, 20.0, 40.0),
    ],
    ids=["a speck", "as large as the mother", "far away", "both on one side", "empty"],
)
def test_others_are_not(other: Body) -> None:
    assert daughter_distance(MOTHER, (DAUGHTER, other)) is None


def test_parts_of_a_mask_may_differ_more() -> None:
    parts = DAUGHTER, Body(80.0, 20.0, 40.0)
    assert daughter_distance(MOTHER, parts, PARTS_ALIKE) is not None


def test_a_mother_without_pixels_has_no_daughters() -> None:
    assert daughter_distance(Body(0.0, 20.0, 30.0), (DAUGHTER, DAUGHTER)) is None


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
