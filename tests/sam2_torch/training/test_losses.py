"""What masks cost."""

import numpy as np
import pytest
import torch

from sam2_torch.nn.mask_decoder import DecodedMasks
from sam2_torch.training.losses import dice_loss, focal_loss, measure_losses, true_ious


def square(side, size=32):
    truth = torch.zeros(1, size, size)
    truth[0, 4 : 4 + side, 6 : 6 + side] = 1
    return truth


def logits_of(*masks, certainty=8.0):
    """(1, M, h, w) logits of masks."""
    return torch.stack([(2 * m[0] - 1) * certainty for m in masks])[None]


def decoded(logits, ious, score=4.0):
    return DecodedMasks(
        logits, torch.tensor([ious]), torch.zeros(1, len(ious), 8), torch.tensor([[score]])
    )


def test_focal_loss_is_that_of_torchvisions_formula():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(0, 2, (2, 3, 5, 7)).astype(np.float32))
    truth = torch.from_numpy((rng.random((2, 5, 7)) < 0.3).astype(np.float32))
    p = logits.sigmoid().numpy()
    t = truth[:, None].numpy()
    p_right = np.where(t == 1, p, 1 - p)
    alpha = np.where(t == 1, 0.25, 0.75)
    expected = (-alpha * (1 - p_right) ** 2 * np.log(p_right)).mean(axis=(2, 3))
    np.testing.assert_allclose(focal_loss(logits, truth, False).numpy(), expected, rtol=1e-4)


def test_by_size_a_wrong_small_object_costs_as_much_as_a_wrong_large_one():
    nothing = logits_of(square(0))
    by_size = [float(focal_loss(nothing, square(side), True)) for side in (4, 16)]
    by_image = [float(focal_loss(nothing, square(side), False)) for side in (4, 16)]
    assert by_size[0] == pytest.approx(by_size[1], rel=0.05)
    assert by_image[1] > 10 * by_image[0]


def test_dice_and_iou_of_half_a_square():
    truth, half = square(8), square(8)
    half[0, 8:] = 0
    found = logits_of(truth, half, square(0), certainty=50.0)
    np.testing.assert_allclose(true_ious(found, truth), [[1, 0.5, 0]])
    np.testing.assert_allclose(dice_loss(found, truth)[0], [0, 1 - 65 / 97, 1 - 1 / 65], atol=1e-3)


def test_only_the_best_candidate_pays_for_its_mask_but_all_for_their_iou():
    truth = square(8)
    good, bad = logits_of(truth)[0, 0], logits_of(square(2))[0, 0]
    logits = torch.stack((bad, good, bad))[None].requires_grad_()
    losses = measure_losses(decoded(logits, [0.0, 1.0, 0.0]), truth, torch.tensor([True]))
    losses.total.backward()
    assert logits.grad[0, 1].abs().sum() > 0
    assert logits.grad[0, [0, 2]].abs().sum() == 0
    assert float(losses.iou) == pytest.approx(2 * (4 / 64) / 3, rel=1e-4)


def test_the_mask_of_an_absent_object_costs_nothing_but_its_score_does():
    logits = logits_of(square(8)).requires_grad_()
    absent = torch.tensor([False])
    losses = measure_losses(decoded(logits, [0.9], score=4.0), square(0), absent)
    losses.total.backward()
    assert float(losses.focal) == float(losses.dice) == float(losses.iou) == 0
    assert logits.grad.abs().sum() == 0
    assert float(losses.score) == pytest.approx(4.018, abs=1e-3)


def test_logits_are_stretched_to_the_truth():
    truth = square(8)
    coarse = torch.nn.functional.avg_pool2d(logits_of(truth), 2)
    losses = measure_losses(decoded(coarse, [1.0]), truth, torch.tensor([True]))
    assert float(losses.iou) == pytest.approx(0, abs=1e-6)
