"""Mask logits in few bytes: the window around the object, in half precision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.masks import bounding_box
from sam2_torch.runtime.host_copies import Copies
from sam2_torch.runtime.pending import Pending

VISIBLE_LOGIT = -8.0  # below it a mask's probability is under 0.04 %


@dataclass(frozen=True, eq=False, slots=True)
class PackedLogits:
    """Mask logits without the far background, in half precision on the host.

    What lies below `VISIBLE_LOGIT` all around the object, but for a margin of 1, is replaced
    by its mean: masks are the same but for the rounding.

    Parameters
    ----------
    shape
        (h, w) of the logits.
    origin
        First row and column of the window.
    window
        (rows, columns) float16 logits of the object and its surroundings.
    background
        The logit of everything else.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    window: NDArray[np.floating]
    background: float

    @classmethod
    def pack(cls, logits: Tensor) -> "PackedLogits":
        """Pack (h, w) float32 logits of the host."""
        values = logits.numpy()
        height, width = values.shape
        y0, x0, y1, x1 = bounding_box(values > VISIBLE_LOGIT) or (1, 1, -1, -1)  # nothing at 0, 0
        (y0, x0), (y1, x1) = (
            (max(y0 - 1, 0), max(x0 - 1, 0)),
            (min(y1 + 1, height), min(x1 + 1, width)),
        )
        window = values[y0:y1, x0:x1]
        outside = values.sum(dtype=np.float64) - window.sum(dtype=np.float64)
        background = float(outside) / max(values.size - window.size, 1)
        return cls((height, width), (y0, x0), window.astype(np.float16), background)

    @classmethod
    def fetch(cls, logits: Tensor, copies: Copies) -> "Pending[list[PackedLogits]]":
        """Pack (N, h, w) logits on their device, and begin to copy them to the host.

        Two copies, whatever N: first boxes and means, then, as these say how many there are,
        the values of all windows in a row.
        """
        boxes, values = pack_on_device(logits)
        packed = copies.record()
        pending = copies.fetch(boxes, packed)

        def wait() -> list[PackedLogits]:
            rows = pending.result().tolist()
            n_values = sum(int((y1 - y0) * (x1 - x0)) for y0, y1, x0, x1, _ in rows)
            fetched = copies.fetch(values[:n_values], packed).result().numpy()
            return cls._split(rows, fetched, (logits.shape[1], logits.shape[2]))

        return Pending(wait)

    @classmethod
    def _split(
        cls, rows: Iterable[Sequence[float]], values: NDArray[Any], shape: tuple[int, int]
    ) -> "list[PackedLogits]":
        """Split the values of all windows."""
        packed, taken = [], 0
        for y0, y1, x0, x1, background in rows:
            h, w = int(y1 - y0), int(x1 - x0)
            window = values[taken : taken + h * w].reshape(h, w).copy()
            taken += h * w
            packed.append(cls(shape, (int(y0), int(x0)), window, background))
        return packed

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Rows and columns of the mask, (y0, x0, y1, x1), half open; None if it is empty."""
        box, (y, x) = bounding_box(self.window > 0), self.origin
        return box and (y + box[0], x + box[1], y + box[2], x + box[3])

    def unpack(self) -> Tensor:
        """Return (h, w) float32 logits."""
        logits = torch.full(self.shape, self.background)
        (y, x), (h, w) = self.origin, self.window.shape
        logits[y : y + h, x : x + w] = torch.from_numpy(self.window)
        return logits


def pack_on_device(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Pack (N, h, w) logits on their device, without waiting for it.

    Returns
    -------
    boxes
        (N, 5): first row and the one after the last, the same of columns, and the mean outside.
    values
        Room for all logits in float16, of which the first are those of the windows.
    """
    visible = logits > VISIBLE_LOGIT
    rows, columns = _widened_span(visible.any(2)), _widened_span(visible.any(1))
    inside = rows[:, :, None] & columns[:, None, :]  # (N, h, w)
    n_outside = (~inside).sum(dim=(1, 2))
    outside = torch.where(inside, 0.0, logits.float()).sum(dim=(1, 2)) / n_outside.clamp(min=1)
    ends = [end for span in (rows, columns) for end in _ends(span)]
    chosen, n = inside.flatten(), logits.numel()
    place = torch.where(chosen, chosen.cumsum(0) - 1, n)  # the rest: all to one place behind
    values = torch.empty(n + 1, dtype=torch.float16, device=logits.device)
    values.scatter_(0, place, logits.half().flatten())
    return torch.stack([*ends, outside], dim=1), values


def _widened_span(visible: Tensor) -> Tensor:
    """Fill (N, L) from the first to the last that is true, and one more on each side."""
    wide = F.max_pool1d(visible[:, None].float(), 3, stride=1, padding=1)[:, 0]
    return (wide.cummax(1).values * wide.flip(1).cummax(1).values.flip(1)) > 0


def _ends(span: Tensor) -> tuple[Tensor, Tensor]:
    """Find where the true part of each row of (N, L) begins and ends; 0, 0 without one."""
    first = span.float().argmax(1)
    return first.float(), (first + span.sum(1)).float()
