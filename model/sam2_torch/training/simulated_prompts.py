"""Simulate the prompts of a user who sees the true masks: first prompts, and corrections.

Notes
-----
Paper, section D.2.2 and appendix: first a point, a box or a mask; one or two prompted frames;
corrections by clicks into the error regions of random frames.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT

Kind: TypeAlias = Literal["point", "box", "mask"]
Points: TypeAlias = tuple[Tensor, Tensor]
"""(N, P, 2) in (x, y) of the input's pixels, and (N, P) labels."""

POINT_SHARE, BOX_SHARE = 0.5, 0.3  # masks get the rest
TWO_FRAMES_SHARE = 0.3
CORRECTED_SHARE = 0.5
CENTRED_SHARE = 0.5
LOOSE_BOX = 0.1  # of its sides, by which the corners of a hasty box are off
ROUGHNESS = 0.12  # of an object's side, by which the outline of a rough mask is off
ROUGH_NODES = 8  # of the grid of random shifts, along each side of the input
MIDDLE_SIDES = (3, 9, 27)  # of the neighbourhoods that tell the middle of a region from its rim


@dataclass(frozen=True)
class PromptPlan:
    """Kind and frames of the prompts of a batch, the same for all of its objects.

    Parameters
    ----------
    kind
        Kind of the first prompts. A mask is the truth in a clip, and a rough mask to be refined
        in a single image.
    prompted
        The frames that are prompted before any propagation; the first is 0.
    corrected
        The frames on which clicks correct the masks.
    clicks
        Number of clicks on each of these.
    """

    kind: Kind
    prompted: tuple[int, ...]
    corrected: tuple[int, ...] = ()
    clicks: int = 0

    @classmethod
    def draw(cls, rng: np.random.Generator, n_frames: int, max_clicks: int) -> "PromptPlan":
        """Draw a plan as in the paper."""
        chance = rng.random()
        kind: Kind = "mask"
        if chance < POINT_SHARE + BOX_SHARE:
            kind = "point" if chance < POINT_SHARE else "box"
        two = n_frames > 2 and rng.random() < TWO_FRAMES_SHARE
        prompted = (0, int(rng.integers(1, n_frames))) if two else (0,)
        clicks = int(rng.integers(1, max_clicks + 1)) if max_clicks else 0
        correct = n_frames == 1 or rng.random() < CORRECTED_SHARE
        if not clicks or not correct:
            return cls(kind, prompted)
        # the mask given on a frame of a clip is the truth: it needs no correction
        given = kind == "mask" and n_frames > 1
        candidates = [f for f in range(n_frames) if not (given and f in prompted)]
        n = min(len(candidates), int(rng.integers(1, 3)))
        frames = sorted(rng.choice(candidates, n, replace=False).tolist()) if candidates else []
        return cls(kind, prompted, tuple(frames), clicks)


class Prompter:
    """Draw the prompts of all objects of a batch at once.

    Parameters
    ----------
    generator
        Random numbers, on the device of the masks.
    stride
        Input pixels to one pixel of the masks.
    """

    def __init__(self, generator: torch.Generator, stride: int) -> None:
        self._generator = generator
        self._stride = stride

    def first(self, kind: Kind, truth: Tensor) -> Points:
        """Return a click or a box on present objects, a negative click for absent ones.

        Parameters
        ----------
        kind
            "point" or "box".
        truth
            (N, h, w), 0 to 1.
        """
        return self._boxes(truth) if kind == "box" else self.click(torch.zeros_like(truth), truth)

    def toss(self, share: float = 0.5) -> bool:
        """Return True in a share of the calls, 0 to 1."""
        return float(self._random((1,), self._generator.device)) < share

    def rough_masks(self, truth: Tensor) -> Tensor:
        """Return masks as another program or a hurried person draws them, (N, h, w) of 0 and 1.

        Parameters
        ----------
        truth
            (N, h, w), 0 to 1.

        Notes
        -----
        Each mask is warped by smooth random shifts of about an eighth of the object's side.
        """
        n, height, width = truth.shape
        sides = truth.flatten(1).sum(dim=1).clamp(min=1).sqrt()  # in pixels of the grid
        shifts = 2 * self._random((n, 2, ROUGH_NODES, ROUGH_NODES), truth.device) - 1
        shifts = shifts * (2 * ROUGHNESS * sides / width)[:, None, None, None]
        still = torch.eye(2, 3, device=truth.device).expand(n, 2, 3)
        grid = F.affine_grid(still, [n, 1, height, width], align_corners=False)
        bend = F.interpolate(shifts, size=(height, width), mode="bicubic")
        warped = F.grid_sample(truth[:, None], grid + bend.permute(0, 2, 3, 1), align_corners=False)
        return (warped[:, 0] >= 0.5).float()

    def click(self, logits: Tensor, truth: Tensor) -> Points:
        """Click once into each object's error region: missing or excess pixels.

        Parameters
        ----------
        logits
            (N, h, w) of the masks to correct; positive inside.
        truth
            (N, h, w), 0 to 1.

        Notes
        -----
        In half of the batches, clicks fall anywhere in the region, as in the paper, in the other
        half into its middle, as people click. Where the mask is right, the object is confirmed.
        """
        inside = truth >= 0.5
        # small objects may cover no pixel of the grid by half: then the one they cover most
        faint = ~inside.flatten(1).any(dim=1)
        peak = truth.flatten(1).amax(dim=1)[:, None, None]
        inside = inside | (faint[:, None, None] & (truth > 0) & (truth == peak))
        masks = logits > 0
        error = inside ^ masks
        right = ~error.flatten(1).any(dim=1)[:, None, None]
        place = self._choose(torch.where(right, inside, error))
        positive = inside.flatten(1).gather(1, place[:, None])
        labels = torch.where(positive, POSITIVE, NEGATIVE)
        return self._to_input(place, truth.shape[-1])[:, None], labels

    def _choose(self, region: Tensor) -> Tensor:
        """Return the flat index of a pixel in each (N, h, w) region, or of any if it is empty."""
        region = torch.where(region.flatten(1).any(dim=1)[:, None, None], region, True)
        weight = self._random(region.shape, region.device)
        if self.toss(CENTRED_SHARE):
            weight = weight * 1e-3 + _middle(region)
        return torch.where(region, weight + 1, 0.0).flatten(1).argmax(dim=1)

    def _boxes(self, truth: Tensor) -> Points:
        """Return boxes, some of them imprecise, (N, 2, 2)."""
        n, height, width = truth.shape
        ends = []
        for inside, size in ((truth.amax(dim=1) > 0, width), (truth.amax(dim=2) > 0, height)):
            index = torch.arange(size, device=truth.device)
            first = torch.where(inside, index, size - 1).amin(dim=1)
            last = torch.where(inside, index, 0).amax(dim=1) + 1
            ends.append(torch.stack((first, last), dim=1) * float(self._stride))  # (N, 2)
        corners = torch.stack(ends, dim=2)  # (N, first or last, x or y)
        sides = (corners[:, 1] - corners[:, 0])[:, None].clamp(min=1)
        hasty = self._random((n, 1, 1), truth.device) < 0.5
        shift = (2 * self._random(corners.shape, truth.device) - 1) * LOOSE_BOX * sides
        corners = (corners + hasty * shift).clamp(0, float(width * self._stride))
        absent = ~(truth > 0).flatten(1).any(dim=1)
        labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], device=truth.device).expand(n, 2).clone()
        labels[absent] = NEGATIVE
        return corners, labels

    def _to_input(self, place: Tensor, width: int) -> Tensor:
        """Convert flat indices of the grid to (N, 2) points (x, y) of the input."""
        grid = torch.stack((place % width, place // width), dim=1)
        return (grid.float() + 0.5) * self._stride - 0.5

    def _random(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        return torch.rand(shape, generator=self._generator, device=device)


def _middle(region: Tensor) -> Tensor:
    """Return how far in the middle of a region each pixel is, (N, h, w), 0 to 1."""
    inside = region[:, None].float()
    return torch.stack([_smoothed(inside, side) for side in MIDDLE_SIDES]).mean(dim=0)[:, 0]


def _smoothed(images: Tensor, side: int) -> Tensor:
    """Average over squares: along columns, then rows, which is much less work."""
    columns = F.avg_pool2d(images, (side, 1), stride=1, padding=(side // 2, 0))
    return F.avg_pool2d(columns, (1, side), stride=1, padding=(0, side // 2))
