from dataclasses import replace

import numpy as np
import pytest

from sam2_torch.automatic.found_masks import (
    AutomaticMask,
    clean,
    contrast_of,
    drop_duplicates,
    keep_rules,
    share_out,
)
from sam2_torch.automatic.options import ObjectRules
from sam2_torch.masks import SparseMask

SHAPE = (40, 70)


def make(rows: slice, columns: slice, score: float = 0.5) -> AutomaticMask:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    sparse = SparseMask.from_dense(mask)
    return AutomaticMask(sparse, score, score, 1.0, (0.0, 0.0))


def test_holes_are_filled_and_specks_removed() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5:20, 10:40] = True
    mask[10:12, 15:17] = False  # a small hole
    mask[8:16, 25:35] = False  # a large one
    mask[30, 60] = True  # a speck
    cleaned = clean(SparseMask.from_dense(mask), 10).to_dense()
    assert cleaned[10, 15] and not cleaned[10, 30] and not cleaned[30, 60]
    assert clean(SparseMask.from_dense(mask), 0).area == mask.sum()
    speck = SparseMask.from_dense(np.eye(*SHAPE, dtype=bool)[:, ::-1])
    assert clean(speck, 1e6).area == 1  # something always stays


def test_sizes_borders_and_contrast() -> None:
    image = np.full(SHAPE, 100.0, np.float32)
    image[10:20, 10:20] = 200
    image[10:20, 40:50] = 50
    bright, dark = make(slice(10, 20), slice(10, 20)), make(slice(10, 20), slice(40, 50))
    border, small = make(slice(0, 10), slice(55, 65)), make(slice(30, 33), slice(5, 8))
    everything = [bright, dark, border, small]

    def kept(**rules: object) -> list[AutomaticMask]:
        found = keep_rules(everything, ObjectRules(**rules), image)  # type: ignore[arg-type]
        return [
            m for m in everything if any(m.sparse.origin_yx == f.sparse.origin_yx for f in found)
        ]

    assert kept() == everything
    assert kept(min_area=10) == [bright, dark, border]
    assert kept(max_area=10) == [small]
    assert kept(exclude_border=True) == [bright, dark, small]
    assert kept(contrast="bright") == [bright]
    assert kept(contrast="dark") == [dark]
    assert contrast_of(border.sparse, image) == "any"
    assert make(slice(30, 40), slice(5, 8)).sparse.touches_border


def test_each_pixel_goes_to_the_best() -> None:
    best = make(slice(0, 10), slice(0, 10), 0.9)
    touched = make(slice(0, 10), slice(8, 20), 0.8)
    eaten = make(slice(2, 9), slice(5, 12), 0.7)
    found = share_out([best, touched, eaten], ObjectRules())
    assert [mask.sparse.area for mask in found] == [100, 100]
    assert not (found[0].sparse.to_dense() & found[1].sparse.to_dense()).any()
    assert share_out([], ObjectRules()) == []


def test_a_mask_that_is_cut_apart_keeps_its_largest_part() -> None:
    bar = make(slice(10, 12), slice(0, 70), 0.5)
    across = make(slice(0, 40), slice(10, 14), 0.9)
    _, rest = share_out([across, bar], ObjectRules())
    assert rest.sparse.origin_yx == (10, 14) and rest.sparse.area == 2 * 56


def test_duplicates_go() -> None:
    one, same = make(slice(0, 10), slice(0, 10), 0.5), make(slice(0, 10), slice(1, 11), 0.8)
    other = make(slice(20, 30), slice(0, 10), 0.6)
    assert drop_duplicates([one, same, other], 0.7, 0.5) == [same, other]
    assert drop_duplicates([], 0.7, 0.5) == []


def test_wrong_rules_are_told() -> None:
    with pytest.raises(ValueError, match="area: expected a smallest below the largest"):
        ObjectRules(min_area=10, max_area=5)
    with pytest.raises(ValueError, match="contrast: expected any, bright or dark"):
        replace(ObjectRules(), contrast="blue")  # type: ignore[arg-type]
