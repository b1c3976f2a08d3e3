"""Convert the decoder's logits to candidates on the host, and drop those below the thresholds."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.automatic.options import Thresholds
from sam2_torch.nn.point_decoder import DecodedPoints, PointDecoder

MARGIN = 2  # logits around a mask that its interpolation looks at
OUTSIDE = -32.0


@dataclass(frozen=True, eq=False)
class Candidates:
    """M candidate masks on one crop's grid of logits.

    Parameters
    ----------
    boxes
        (M, 4) int, first and last row and column of each mask: y0, x0, y1, x1, inclusive.
    windows
        M arrays of logits: each box with `MARGIN` around it, cut at the border of the grid.
    ious, stabilities
        (M,) predicted IoU, 0 to 1; stability, 0 to 1.
    seeds
        (M,) index of the seed.
    grid
        Side of the square grid of logits.
    """

    boxes: NDArray[np.int64]
    windows: list[Tensor]
    ious: NDArray[np.float32]
    stabilities: NDArray[np.float32]
    seeds: NDArray[np.int64]
    grid: int

    def __len__(self) -> int:
        return len(self.windows)

    @classmethod
    def join(cls, parts: "list[Candidates]") -> "Candidates":
        """Concatenate the candidates of several batches of one crop."""
        return cls(
            np.concatenate([part.boxes for part in parts]),
            [window for part in parts for window in part.windows],
            np.concatenate([part.ious for part in parts]),
            np.concatenate([part.stabilities for part in parts]),
            np.concatenate([part.seeds for part in parts]),
            parts[0].grid,
        )

    def origin(self, i: int) -> tuple[int, int]:
        """Return the first row and column of a window in the grid."""
        y0, x0 = self.boxes[i, :2].tolist()
        return max(0, y0 - MARGIN), max(0, x0 - MARGIN)

    def logits(self, i: int) -> Tensor:
        """Return a candidate's logits, (grid, grid); `OUTSIDE` beyond its window."""
        logits = torch.full((self.grid, self.grid), OUTSIDE)
        (y, x), window = self.origin(i), self.windows[i]
        logits[y : y + window.shape[0], x : x + window.shape[1]] = window
        return logits

    def pixels(self) -> list[NDArray[np.int64]]:
        """Return the positive places of each mask as indices of the flat grid."""
        places = []
        for i, window in enumerate(self.windows):
            y, x = (window.numpy() > 0).nonzero()
            y0, x0 = self.origin(i)
            places.append((y + y0) * self.grid + x + x0)
        return places


def find_candidates(
    decoder: PointDecoder, decoded: DecodedPoints, first_seed: int, thresholds: Thresholds
) -> Candidates:
    """Compute the masks of decoded points and select those above the thresholds.

    Parameters
    ----------
    decoder, decoded
        N points of one crop.
    first_seed
        Index of the first of them.
    thresholds
        Limits of predicted IoU and stability.
    """
    points, which = (decoded.ious > thresholds.min_iou).nonzero(as_tuple=True)
    logits = decoder.masks(decoded, points, which).float()
    inner = (logits > thresholds.stability_offset).sum((1, 2), dtype=torch.float32)
    outer = (logits > -thresholds.stability_offset).sum((1, 2), dtype=torch.float32)
    stability = torch.where(outer > 0, inner / outer, 0.0)
    positive = logits > 0
    area = positive.sum((1, 2))
    kept = (stability >= thresholds.min_stability) & (area > 0)
    points, which, stability, logits = points[kept], which[kept], stability[kept], logits[kept]
    boxes = _boxes(positive[kept]).cpu().numpy()
    return Candidates(
        boxes,
        _windows(logits, boxes),
        decoded.ious[points, which].float().cpu().numpy(),
        stability.cpu().numpy(),
        points.cpu().numpy() + first_seed,
        logits.shape[-1],
    )


def _boxes(masks: Tensor) -> Tensor:
    """Return first and last row and column of (M, h, w) non-empty masks, (M, 4)."""
    size = masks.shape[-1]
    sides = []
    for axis in (2, 1):
        reached = masks.any(axis).to(torch.uint8)
        sides.append((reached.argmax(1), size - 1 - reached.flip(1).argmax(1)))
    (y0, y1), (x0, x1) = sides
    return torch.stack((y0, x0, y1, x1), dim=1)


def _windows(logits: Tensor, boxes: NDArray[np.int64]) -> list[Tensor]:
    """Cut the windows out on the logits' device, so that nothing else is copied from a GPU."""
    if len(boxes) == 0:
        return []
    size = logits.shape[-1]
    first = np.maximum(boxes[:, :2] - MARGIN, 0)
    extents = np.minimum(boxes[:, 2:] + MARGIN, size - 1) - first + 1
    axis = np.arange(size)
    places = [
        ((i * size + y + axis[:h, None]) * size + x + axis[:w]).ravel()
        for i, ((y, x), (h, w)) in enumerate(zip(first.tolist(), extents.tolist(), strict=True))
    ]
    cut = logits.flatten()[torch.from_numpy(np.concatenate(places)).to(logits.device)].cpu()
    parts = cut.split([len(own) for own in places])
    return [part.view(h, w) for part, (h, w) in zip(parts, extents.tolist(), strict=True)]
