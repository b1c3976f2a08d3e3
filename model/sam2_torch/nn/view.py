"""The part of a frame that an object sees, where that is not the whole."""

from typing import NamedTuple

import torch
from torch import Tensor


class View(NamedTuple):
    """A square of tokens of the image embedding for each of N objects.

    Attributes
    ----------
    origins
        (N, 2) int64, row and column of the first token.
    side
        Tokens in each direction.
    """

    origins: Tensor
    side: int

    def crop(self, maps: Tensor, scale: int = 1) -> Tensor:
        """Cut (1 or N, C, scale * H, scale * W) maps to (N, C, scale * side, scale * side)."""
        rows, columns = self._indices(scale)
        if len(maps) == 1:
            return maps[0][:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
        n = torch.arange(len(maps), device=maps.device)[:, None, None]
        return maps[n, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def places(self, size: int) -> Tensor:
        """Number the tokens in a map of `size` x `size`, (N, side * side)."""
        rows, columns = self._indices(1)
        return (rows[:, :, None] * size + columns[:, None, :]).flatten(1)

    def widened(self, margin: int, size: int) -> tuple["View", Tensor]:
        """Add tokens on all sides, and tell where the old square lies in the new one, (N, 2)."""
        side = min(self.side + 2 * margin, size)
        origins = (self.origins - margin).clamp(0, size - side)
        return View(origins, side), self.origins - origins

    def _indices(self, scale: int) -> tuple[Tensor, Tensor]:
        offsets = torch.arange(self.side * scale, device=self.origins.device)
        rows, columns = self.origins[:, :, None].mul(scale).add(offsets).unbind(1)  # (N, side)
        return rows, columns
