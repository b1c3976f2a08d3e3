"""Position encodings: sine, random frequencies and rotary."""

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 10000.0


class CachedTensor:
    """A tensor computed from parameters, and again only when these or the size have changed."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._value: Tensor | None = None

    def get(self, sources: Sequence[Tensor], make: Callable[..., Tensor], *size: int) -> Tensor:
        """Return `make(*size)` for the current sources; a result with gradients is never cached."""
        if torch.is_grad_enabled() and any(source.requires_grad for source in sources):
            return make(*size)
        key = (*map(_state, sources), size)
        if self._value is None or key != self._key:
            self._key, self._value = key, make(*size)
        return self._value


def _state(source: Tensor) -> tuple[object, ...]:
    """Return what identifies the content of a tensor, as far as PyTorch counts its changes."""
    version = 0 if source.is_inference() else source._version
    return source.data_ptr(), version, source.device, source.dtype


def sine_encoding_2d(channels: int, size: int) -> Tensor:
    """Return the sine encoding of a square map, (channels, size, size).

    Notes
    -----
    The first half of the channels encodes the row, the second the column.
    Reference: `PositionEmbeddingSine` with `normalize=True`.
    """
    half = channels // 2
    position = torch.arange(1, size + 1, dtype=torch.float32)
    position = position / (position[-1] + 1e-6) * (2 * math.pi)
    index = torch.arange(half, dtype=torch.float32)
    angle = position[:, None] / TEMPERATURE ** (2 * (index // 2) / half)
    # sine and cosine in turns: (size, half / 2, 2) -> (size, half)
    encoding = torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)
    rows = encoding.T[:, :, None].expand(half, size, size)
    columns = encoding.T[:, None, :].expand(half, size, size)
    return torch.cat((rows, columns))


def sine_encoding_1d(position: Tensor, channels: int) -> Tensor:
    """Return the sine encoding of (P,) positions, (P, channels).

    Notes
    -----
    Reference: `get_1d_sine_pe`.
    """
    half = channels // 2
    index = torch.arange(half, dtype=torch.float32, device=position.device)
    angle = position[:, None] / TEMPERATURE ** (2 * (index // 2) / half)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


class RandomFrequencies(nn.Module):
    """Encode points of the unit square by random spatial frequencies.

    Notes
    -----
    Reference: `PositionEmbeddingRandom`; Tancik et al. 2020.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._grid = CachedTensor()
        matrix = torch.randn(2, channels // 2)
        self.register_buffer("positional_encoding_gaussian_matrix", matrix)

    def forward(self, points_xy: Tensor) -> Tensor:
        """Map (..., 2) points in [0, 1] to (..., channels)."""
        matrix = self.positional_encoding_gaussian_matrix.float()
        angle = 2 * math.pi * ((2 * points_xy.float() - 1) @ matrix)
        return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, size: int) -> Tensor:
        """Return the encoding of the pixel centres of a square map, (channels, size, size)."""
        return self._grid.get([self.positional_encoding_gaussian_matrix], self._encode, size)

    def _encode(self, size: int) -> Tensor:
        device = self.positional_encoding_gaussian_matrix.device
        centre = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) / size
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        return self.forward(torch.stack((x, y), dim=-1)).permute(2, 0, 1)


@cache  # for good: what a device replays points at it
def rotary_table(channels: int, size: int, device: torch.device, unplaced: int = 0) -> Tensor:
    """Return the rotary encoding of a square map, (unplaced + size * size, channels / 2) complex64.

    The `unplaced` tokens before it, which have no place, are not rotated.

    Notes
    -----
    A pair of channels is rotated as one complex number. The first half of the pairs encodes the
    column, the second the row. The table stays in full precision whatever the network's dtype.
    Reference: `compute_axial_cis`; Heo et al. 2024.
    """
    with torch.inference_mode(False):  # kept: training, which saves it, may ask for it next
        index = torch.arange(0, channels, 4, dtype=torch.float32)[: channels // 4]
        frequency = 1.0 / TEMPERATURE ** (index / channels)
        t = torch.arange(size * size, dtype=torch.float32)
        column, row = t % size, torch.div(t, size, rounding_mode="floor")
        angle = torch.cat((torch.outer(column, frequency), torch.outer(row, frequency)), dim=-1)
        angle = F.pad(angle, (0, 0, unplaced, 0))
        return torch.polar(torch.ones_like(angle), angle).to(device)
