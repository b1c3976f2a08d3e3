"""What a user would say who sees the truth."""

import numpy as np
import pytest
import torch

from sam2_torch.training.simulated_prompts import Prompter, PromptPlan

STRIDE = 2


@pytest.fixture
def prompter():
    return Prompter(torch.Generator().manual_seed(0), STRIDE)


@pytest.fixture
def truth():
    """Three objects, the last of which is absent, (3, 24, 32)."""
    masks = torch.zeros(3, 24, 32)
    masks[0, 3:9, 20:30] = 1
    masks[1, 10:20, 2:6] = 1
    return masks


def at(mask, points_xy):
    """The values of (N, h, w) masks at (N, P, 2) points of the input."""
    grid = ((points_xy + 0.5) / STRIDE - 0.5).round().long()
    return mask[torch.arange(len(mask))[:, None], grid[..., 1], grid[..., 0]]


def test_first_clicks_are_inside_and_one_at_an_absent_object_is_negative(prompter, truth):
    for _ in range(20):
        points, labels = prompter.first("point", truth)
        assert points.shape == (3, 1, 2)
        assert labels[:, 0].tolist() == [1, 1, 0]
        assert at(truth, points)[:2].all()


def test_boxes_are_about_the_objects(prompter, truth):
    tight = 0
    for _ in range(20):
        corners, labels = prompter.first("box", truth)
        assert labels.tolist() == [[2, 3], [2, 3], [0, 0]]
        exact = torch.tensor([[[40.0, 6.0], [60.0, 18.0]], [[4.0, 20.0], [12.0, 40.0]]])
        assert (corners[:2] - exact).abs().max() <= 2.0 + 1e-6  # a tenth of 20 pixels
        tight += int((corners[:2] == exact).all(dim=(1, 2)).sum())
    assert 5 < tight < 35  # of 40: half of them are drawn hastily


def test_corrections_fall_into_the_error_and_know_its_kind(prompter, truth):
    logits = torch.where(truth > 0, 3.0, -3.0)
    logits[0, 3:6, 20:30] = -1.0  # its upper half is missing
    logits[1, 20:24, 2:6] = 1.0  # this is in excess
    error = (logits > 0) != (truth > 0)
    for _ in range(20):
        points, labels = prompter.click(logits, truth)
        assert labels[:2, 0].tolist() == [1, 0]
        assert at(error, points)[:2].all()


def test_a_mask_without_error_is_confirmed(prompter, truth):
    points, labels = prompter.click(torch.where(truth > 0, 1.0, -1.0), truth)
    assert labels[:2, 0].tolist() == [1, 1]
    assert at(truth, points)[:2].all()


def test_an_object_smaller_than_a_pixel_of_the_grid_is_found(prompter):
    truth = torch.zeros(1, 24, 32)
    truth[0, 7, 9] = 0.25
    points, labels = prompter.first("point", truth)
    assert labels.item() == 1
    assert points[0, 0].tolist() == [18.5, 14.5]


def test_the_same_seed_says_the_same(truth):
    one, two = (Prompter(torch.Generator().manual_seed(7), STRIDE) for _ in range(2))
    for kind in ("point", "box"):
        for a, b in zip(one.first(kind, truth), two.first(kind, truth), strict=True):
            assert torch.equal(a, b)


def test_plans_are_as_in_the_paper():
    rng = np.random.default_rng(0)
    plans = [PromptPlan.draw(rng, 6, 3) for _ in range(400)]
    kinds = [plan.kind for plan in plans]
    assert {kind: kinds.count(kind) > 40 for kind in ("point", "box", "mask")} == dict.fromkeys(
        ("point", "box", "mask"), True
    )
    for plan in plans:
        assert plan.prompted[0] == 0
        assert len(plan.prompted) in (1, 2)
        assert len(plan.corrected) <= 2
        assert all(0 <= frame < 6 for frame in plan.corrected)
        assert not (plan.kind == "mask" and set(plan.prompted) & set(plan.corrected))
        assert plan.clicks in ((1, 2, 3) if plan.corrected else (0,))
    assert any(len(plan.prompted) == 2 for plan in plans)
    assert any(plan.corrected for plan in plans)
    assert any(not plan.corrected for plan in plans)


def test_single_images_are_prompted_in_all_ways_and_corrected():
    rng = np.random.default_rng(0)
    plans = [PromptPlan.draw(rng, 1, 2) for _ in range(100)]
    assert {plan.kind for plan in plans} == {"point", "box", "mask"}
    assert all(plan.corrected == (0,) for plan in plans)


def test_rough_masks_overlap_the_true_ones_without_being_them(prompter, truth):
    rough = prompter.rough_masks(truth)
    assert rough.shape == truth.shape and set(rough.unique().tolist()) <= {0.0, 1.0}
    for mask, true in zip(rough[:2] > 0, truth[:2] >= 0.5, strict=True):
        iou = (mask & true).sum() / (mask | true).sum()
        assert 0.3 < iou < 1
    assert not rough[truth.flatten(1).sum(dim=1) == 0].any()


def test_a_tossed_coin_falls_on_both_sides(prompter):
    assert {prompter.toss() for _ in range(40)} == {True, False}
