"""Losses of predicted masks.

Notes
-----
Paper, section D.2.2: focal and dice loss on the best of the masks (20 : 1), L1 on the predicted
IoU of all of them, cross-entropy on the object score. Masks of absent objects have no loss.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_torch.nn.mask_decoder import DecodedMasks

FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT, SCORE_WEIGHT = 20.0, 1.0, 1.0, 1.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
TYPICAL_SHARE = 0.02
"""Share of the input at which focal loss by object size and by image size are the same."""
LEAST_SHARE = 0.0005  # smaller objects count as if they had this share of the input


class Losses(NamedTuple):
    """Means over the objects; `focal`, `dice` and `iou` over those that are present.

    Attributes
    ----------
    total
        Weighted sum, with gradient.
    focal, dice, iou, score
        Without the weights.
    """

    total: Tensor
    focal: Tensor
    dice: Tensor
    iou: Tensor
    score: Tensor


def focal_loss(logits: Tensor, truth: Tensor, by_object_size: bool) -> Tensor:
    """Compute the focal loss, (N, M).

    Parameters
    ----------
    logits
        (N, M, h, w).
    truth
        (N, h, w), 0 to 1; fractions where a pixel of the grid is partly covered.
    by_object_size
        Whether to divide the sum over the pixels by the object's area rather than by that of
        the image, so that small objects count as much as large ones.

    Notes
    -----
    Lin et al. 2017, with alpha = 0.25 and gamma = 2 as in SAM.
    """
    truth = truth[:, None].expand_as(logits)
    probability = logits.sigmoid()
    right = probability * truth + (1 - probability) * (1 - truth)
    weight = FOCAL_ALPHA * truth + (1 - FOCAL_ALPHA) * (1 - truth)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    loss = (weight * (1 - right) ** FOCAL_GAMMA * entropy).flatten(2).mean(dim=2)
    if not by_object_size:
        return loss
    share = truth.flatten(2).mean(dim=2).clamp(min=LEAST_SHARE)
    return loss * TYPICAL_SHARE / share


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Compute one minus the soft Dice coefficient, (N, M), of (N, M, h, w) and (N, h, w)."""
    probability, truth = logits.sigmoid().flatten(2), truth.flatten(1)[:, None]
    overlap = (probability * truth).sum(dim=2)
    return 1 - (2 * overlap + 1) / (probability.sum(dim=2) + truth.sum(dim=2) + 1)


def true_ious(logits: Tensor, truth: Tensor) -> Tensor:
    """Compute the IoU of thresholded (N, M, h, w) logits with (N, h, w) truth, (N, M)."""
    masks, truth = logits.flatten(2) > 0, truth.flatten(1)[:, None] >= 0.5
    union = (masks | truth).sum(dim=2)
    return (masks & truth).sum(dim=2) / union.clamp(min=1)


def measure_losses(
    decoded: DecodedMasks, truth: Tensor, present: Tensor, by_object_size: bool = True
) -> Losses:
    """Compute the losses of one answer for N objects.

    Parameters
    ----------
    decoded
        Candidates with their scores.
    truth
        (N, h, w), 0 to 1, in any resolution; the logits are resized to it.
    present
        (N,) bool, whether each object is in the frame.
    by_object_size
        See `focal_loss`.
    """
    logits = F.interpolate(decoded.logits.float(), size=truth.shape[-2:], mode="bilinear")
    focal, dice = focal_loss(logits, truth, by_object_size), dice_loss(logits, truth)
    best = (FOCAL_WEIGHT * focal + DICE_WEIGHT * dice).argmin(dim=1, keepdim=True)
    iou = (decoded.ious.float() - true_ious(logits, truth)).abs().mean(dim=1)
    score = F.binary_cross_entropy_with_logits(
        decoded.object_scores[:, 0].float(), present.float(), reduction="none"
    )
    here = present.float()
    n_present = here.sum().clamp(min=1)
    means = [
        (each * here).sum() / n_present
        for each in (focal.gather(1, best)[:, 0], dice.gather(1, best)[:, 0], iou)
    ]
    weights = (FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT, SCORE_WEIGHT)
    parts = (*means, score.mean())
    total = torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum()
    return Losses(total, *(part.detach() for part in parts))


def mean_losses(losses: list[Losses]) -> Losses:
    """Average over the answers of a clip."""
    return Losses(*(torch.stack(parts).mean() for parts in zip(*losses, strict=True)))
