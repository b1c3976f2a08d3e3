"""Segment everything with the embedded network, on discs of known places."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sam2_torch import (
    SAM2,
    Everything,
    EverythingOptions,
    ObjectRules,
    SeedGrid,
    segment_everything,
)
from sam2_torch.automatic.mask_generator import crops_of, layers_for
from sam2_torch.inputs.frames import Crop

GRID = EverythingOptions(SeedGrid(points_per_side=10, crop_layers=0))
DISCS = ((30, 40, 13), (80, 60, 15), (45, 150, 14), (95, 130, 12))


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint16]:
    """(128, 200), four bright discs, one cut by the border, and one dark."""
    y, x = np.mgrid[:128, :200]
    pixels = np.full((128, 200), 800.0)
    for cy, cx, r in DISCS:
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = 4000
    pixels += np.random.default_rng(0).normal(0, 60, pixels.shape)
    return pixels.clip(0).astype(np.uint16)


def iou(mask: NDArray[np.bool_], disc: tuple[int, int, int]) -> float:
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    truth = (y - disc[0]) ** 2 + (x - disc[1]) ** 2 < disc[2] ** 2
    return float((mask & truth).sum() / (mask | truth).sum())


def test_every_disc_is_found_once(model: SAM2, image: NDArray[np.uint16]) -> None:
    told: list[tuple[int, int]] = []
    found = segment_everything(model, image, GRID, progress=lambda *step: told.append(step))
    assert told[0] == (0, 100) and told[-1] == (100, 100)
    masks = [mask.sparse.to_dense() for mask in found]
    for disc in DISCS:
        assert sum(iou(mask, disc) > 0.7 for mask in masks) == 1
    assert np.sum(masks, axis=0).max() == 1  # they do not overlap
    scores = [mask.score for mask in found]
    assert scores == sorted(scores, reverse=True) and min(scores) >= GRID.min_score
    assert found[0].score == pytest.approx(found[0].iou * found[0].stability)


def test_stopping_keeps_what_was_found(model: SAM2, image: NDArray[np.uint16]) -> None:
    options = replace(GRID, grid=replace(GRID.grid, points_at_once=10))
    everything = Everything(model, image, options)
    run = everything.run()
    for step in run:
        if step.done == 50:  # the upper half of the grid
            break
    run.close()
    masks = [mask.sparse.to_dense() for mask in everything.masks()]
    assert any(iou(mask, DISCS[0]) > 0.7 for mask in masks)
    assert not any(iou(mask, DISCS[3]) > 0.7 for mask in masks)


def test_given_seeds_alone_are_asked(model: SAM2, image: NDArray[np.uint16]) -> None:
    everything = Everything(model, image, GRID, seeds_yx=[DISCS[2][:2]])
    assert everything.n_seeds == 1
    list(everything.run())
    (mask,) = everything.masks()
    assert iou(mask.sparse.to_dense(), DISCS[2]) > 0.7
    assert mask.seed_yx == DISCS[2][:2]
    with pytest.raises(ValueError, match=r"seed \(row 128, column 3\) is outside of the image"):
        Everything(model, image, seeds_yx=[[128, 3]])


def test_crops_give_whole_objects_in_image_pixels(model: SAM2, image: NDArray[np.uint16]) -> None:
    options = replace(GRID, grid=SeedGrid(points_per_side=6, crop_layers=1))
    found = segment_everything(model, image, options)
    masks = [mask.sparse.to_dense() for mask in found]
    assert all(mask.shape == image.shape for mask in masks)
    for disc in DISCS:
        assert sum(iou(mask, disc) > 0.7 for mask in masks) == 1


def test_rules_hold(model: SAM2, image: NDArray[np.uint16]) -> None:
    areas = [np.pi * r**2 for *_, r in DISCS]
    rules = ObjectRules(min_area=0.9 * sorted(areas)[-1], max_area=2 * max(areas))
    found = segment_everything(model, image, replace(GRID, rules=rules))
    assert all(rules.min_area <= mask.sparse.area <= 2 * max(areas) for mask in found)
    large = [iou(mask.sparse.to_dense(), disc) > 0.7 for mask in found for disc in DISCS[:2]]
    assert sum(large) == 1  # the larger one of the two
    dark = replace(GRID, rules=ObjectRules(contrast="dark", max_area=2 * max(areas)))
    discs = [m for m in segment_everything(model, image, dark) if m.sparse.area > 300]
    assert not any(iou(mask.sparse.to_dense(), disc) > 0.5 for mask in discs for disc in DISCS)


def test_an_empty_image_gives_nothing(model: SAM2) -> None:
    options = replace(GRID, rules=ObjectRules(max_area=0.5))
    assert segment_everything(model, np.zeros((60, 50), np.uint8), options) == []


def test_wrong_numbers_are_told(model: SAM2) -> None:
    with pytest.raises(ValueError, match="points: expected 1 or more"):
        SeedGrid(points_per_side=0)
    with pytest.raises(ValueError, match="crops: expected 0 or more layers"):
        SeedGrid(crop_layers=-1)
    with pytest.raises(ValueError, match=r"frame: expected shape \(H, W\)"):
        Everything(model, np.zeros((3, 4, 5, 6)))


def test_crops_cover_the_image_and_overlap() -> None:
    whole, *quarters = crops_of((101, 203), 1, 0.3)
    assert whole == Crop((0, 0), (101, 203))
    assert len(quarters) == 4
    seen = np.zeros((101, 203), int)
    for crop in quarters:
        seen[crop.window] += 1
    assert seen.min() == 1 and seen.max() == 4


def test_layers_follow_the_size() -> None:
    assert layers_for((256, 256), 512) == 0
    assert layers_for((600, 512), 512) == 0
    assert layers_for((1024, 700), 512) == 1
    assert layers_for((2048, 2048), 512) == 2
