import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam2.annotation.daughters import (
    daughter_masks,
    disjoint_pair,
    split_mask,
)
from napari_sam2.masks.masklets import Masklets
from sam2_torch.automatic.seeds import deepest_pixel
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction

SHAPE = (40, 70)


def disc(*centres: tuple[float, float], radius: float = 7) -> np.ndarray:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= radius**2 for cy, cx in centres], axis=0)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(2, 12)), elements=st.booleans()))
def test_halves_are_two_that_lie_in_the_mask_and_not_on_each_other(pixels: np.ndarray) -> None:
    if pixels.sum() < 2:
        return
    mask = SparseMask.from_window(SHAPE, pixels, (4, 9))
    one, other = split_mask(mask)
    assert one and other
    assert not (one.to_dense() & other.to_dense()).any()
    assert not ((one.to_dense() | other.to_dense()) & ~mask.to_dense()).any()
    for half in (one, other):
        assert half.to_dense()[deepest_pixel(half)]


def test_touching_daughters_are_parted_between_them() -> None:
    one, other = split_mask(SparseMask.from_dense(disc((20, 20), (20, 33))))
    places = sorted(deepest_pixel(half)[1] for half in (one, other))
    assert abs(places[0] - 20) <= 2 and abs(places[1] - 33) <= 2


def test_parts_of_a_mask_are_the_daughters_and_specks_are_not() -> None:
    mask = SparseMask.from_dense(disc((12, 20), (12, 50)))
    assert {half.area for half in split_mask(mask)} == {disc((12, 20)).sum()}
    speck = disc((12, 20), (12, 34))
    speck[2, 2] = True
    assert sum(half.area for half in split_mask(SparseMask.from_dense(speck))) == speck.sum()


def test_a_mask_that_kept_one_daughter_leaves_the_other_where_it_was() -> None:
    masklets = Masklets(3, SHAPE)
    masklets.paint(1, 0, disc((20, 20), (20, 32)))
    masklets.paint(1, 1, disc((20, 18)))
    one, other = daughter_masks(masklets, 1, 1)
    assert one.area == disc((20, 18)).sum() and deepest_pixel(other)[1] >= 29


def test_without_a_mask_in_the_frame_the_one_before_is_taken() -> None:
    masklets = Masklets(3, SHAPE)
    masklets.paint(1, 1, disc((20, 20), (20, 32)))
    assert sum(half.area for half in daughter_masks(masklets, 1, 2)) > 0
    with pytest.raises(ValueError, match="found none"):
        daughter_masks(masklets, 1, 0)


def prediction(mask: np.ndarray, iou: float) -> MaskPrediction:
    return MaskPrediction(SparseMask.from_dense(mask), None, iou, 5.0)  # type: ignore[arg-type]


def test_of_what_clicks_can_mean_the_surest_two_that_lie_apart_are_chosen() -> None:
    left, right, both = disc((20, 20)), disc((20, 40)), disc((20, 20), (20, 40))
    speck = disc((20, 40), radius=2)
    first = [prediction(both, 0.9), prediction(left, 0.7), prediction(left, 0.6)]
    second = [prediction(both, 0.9), prediction(speck, 0.95), prediction(right, 0.5)]
    assert disjoint_pair(first, second) == (1, 2)
    assert disjoint_pair(first[:1], second[:1]) is None
    nothing = prediction(disc((20, 20), radius=-1) & False, 0.9)
    assert disjoint_pair(first, [nothing]) is None
