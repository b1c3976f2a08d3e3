"""Segment everything against the reference's `SAM2AutomaticMaskGenerator`."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    SMALL,
    SMALL_2_0,
    build_ours,
    build_reference,
    pair,
    random_tensor,
)
from reference_automatic import reference_masks, stand_in_for_torchvision

from sam2_torch import (
    CELLS_NANO,
    SAM2,
    AutomaticMask,
    EverythingOptions,
    SAM2Config,
    load_sam2,
    segment_everything,
)
from sam2_torch.automatic.mask_generator import crops_of
from sam2_torch.automatic.seeds import grid_seeds

pytest.importorskip("sam2")

SIDE = 8
RANDOM = (0.4, 0.15, 1.0)  # least IoU and stability, largest box IoU: random weights see one thing
TRAINED = (0.5, 0.7, 0.7)
NANO = replace(CELLS_NANO, image_size=256)


def our_masks(
    model: SAM2, image: np.ndarray, limits: tuple[float, float, float]
) -> list[AutomaticMask]:
    options = EverythingOptions.like_reference(SIDE)
    min_iou, min_stability, max_box_iou = limits
    thresholds = replace(
        options.thresholds, min_iou=min_iou, min_stability=min_stability, max_box_iou=max_box_iou
    )
    options = replace(options, thresholds=thresholds)
    return segment_everything(model, image, options, contrast=(0, 255))


@cache
def embedded() -> tuple[Any, SAM2]:
    """The embedded weights on both sides, with a smaller input."""
    model = build_ours(NANO)
    model.load_state_dict(load_sam2("cells_nano", "cpu").state_dict())
    network = build_reference(NANO)
    network.load_state_dict(model.state_dict())
    return network, model


def make_discs(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side
    image = np.full((side, side), 20.0)
    for cy, cx, r in ((0.2, 0.25, 0.1), (0.25, 0.7, 0.14), (0.6, 0.45, 0.12), (0.8, 0.8, 0.1)):
        image[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = 180 + 100 * cx - 50
    image += 6 * np.random.default_rng(0).standard_normal(image.shape)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def make_image(height: int, width: int) -> np.ndarray:
    noise = random_tensor(1, 3, 9, 11, seed=5)
    clouds = torch.nn.functional.interpolate(noise, size=(height, width), mode="bicubic")[0]
    return (40 * clouds + 128).clamp(0, 255).byte().permute(1, 2, 0).numpy()


def assert_same(found: list[AutomaticMask], expected: list[dict[str, Any]]) -> None:
    found = sorted(found, key=lambda mask: -mask.iou)
    expected = sorted(expected, key=lambda mask: -mask["predicted_iou"])
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert abs(one.iou - other["predicted_iou"]) < 1e-5
        assert abs(one.stability - other["stability_score"]) < 1e-3
        np.testing.assert_allclose(one.seed_yx, other["point_coords"][0][::-1], rtol=1e-5)
        assert (one.sparse.to_dense() != other["segmentation"]).mean() <= 1e-3


@pytest.mark.parametrize("config", [SMALL, SMALL_2_0], ids=["2.1", "2.0"])
def test_the_same_candidates_of_random_weights(config: SAM2Config) -> None:
    # an image as large as the grid of the logits: nothing is interpolated on either side
    network, model = pair(config)
    image = make_image(config.logits_size, config.logits_size)
    expected = reference_masks(network, image, SIDE, RANDOM)
    assert len(expected) > 20
    assert_same(our_masks(model, image, RANDOM), expected)


def test_the_same_masks_of_trained_weights_where_logits_are_pixels() -> None:
    network, model = embedded()
    image = make_discs(NANO.logits_size)
    expected = reference_masks(network, image, SIDE, TRAINED)
    assert len(expected) >= 4
    assert_same(our_masks(model, image, TRAINED), expected)


def test_nearly_the_same_masks_of_another_size() -> None:
    # stability and boxes are measured on logits here, on interpolated pixels there, which
    # counts for doubtful masks: so fewer of these
    network, model = embedded()
    image, limits = make_discs(150), (0.6, *TRAINED[1:])
    expected = reference_masks(network, image, SIDE, limits)
    found = our_masks(model, image, limits)
    assert len(found) == pytest.approx(len(expected), rel=0.2)
    masks = np.stack([mask.sparse.to_dense() for mask in found]).reshape(len(found), -1)
    best = []
    for other in expected:
        truth = other["segmentation"].ravel()
        best.append(((masks & truth).sum(1) / (masks | truth).sum(1)).max())
    assert np.mean(np.array(best) > 0.9) >= 0.75


def test_points_and_crops_are_the_references() -> None:
    with stand_in_for_torchvision():
        from sam2.utils.amg import build_point_grid, generate_crop_boxes

    expected = build_point_grid(6)[:, ::-1] * (70, 110)
    np.testing.assert_allclose(grid_seeds((70, 110), 6), expected, rtol=1e-6)
    boxes, _ = generate_crop_boxes((301, 507), 2, 512 / 1500)
    ours = crops_of((301, 507), 2, 512 / 1500)
    corners = [[x.start, y.start, x.stop, y.stop] for y, x in (crop.window for crop in ours)]
    assert corners == [list(box) for box in boxes]
