"""The instance decoder: an image embedding becomes maps in which single objects can be told apart.

Notes
-----
Foreground and distances as in micro-sam's automatic instance segmentation (Archit et al. 2025),
with convolutions on the embedding's three strides.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.blocks import LayerNorm2d

WIDTHS = (96, 64, 32)  # at the strides 16, 8 and 4
DEPTHS = (2, 2, 1)  # blocks there
MAPS = 3
STRIDE = 2  # of the maps, in pixels of the network's input


class InstanceMaps(NamedTuple):
    """Maps of B images, (B, S / 2, S / 2) each, 0 to 1.

    Attributes
    ----------
    foreground
        Probability that a pixel belongs to any object.
    centre
        1 at the centre of an object, 0 at the pixel that is farthest from it.
    depth
        Distance to the object's boundary, divided by the largest one in the object.
    """

    foreground: Tensor
    centre: Tensor
    depth: Tensor


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            LayerNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x + self.layers(x)


class InstanceDecoder(nn.Module):
    """Decode the maps of all objects of an image, without a prompt.

    Parameters
    ----------
    d_model
        Channels of the embedding at stride 16; it has a quarter and an eighth of them at the
        strides 8 and 4.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        channels = (d_model, d_model // 4, d_model // 8)
        self.lateral = nn.ModuleList(
            nn.Sequential(LayerNorm2d(n), nn.Conv2d(n, width, 1))
            for n, width in zip(channels, WIDTHS, strict=True)
        )
        self.reduce = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairwise(WIDTHS))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ConvBlock(width) for _ in range(depth)))
            for width, depth in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.head = nn.Sequential(
            LayerNorm2d(WIDTHS[-1]), nn.Conv2d(WIDTHS[-1], 4 * MAPS, 1), nn.PixelShuffle(STRIDE)
        )

    def forward(self, features: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Return logits of the maps, (B, 3, S / 2, S / 2).

        Parameters
        ----------
        features, skips
            As in `ImageEmbedding`.
        """
        fine, middle = skips
        features = features.contiguous(memory_format=torch.channels_last)  # norms need no copies
        x = self.blocks[0](self.lateral[0](features))
        for level, skip in enumerate((middle, fine), start=1):
            coarse = F.interpolate(self.reduce[level - 1](x), scale_factor=2.0, mode="bilinear")
            x = self.blocks[level](coarse + self.lateral[level](skip))
        return self.head(x)

    def maps(self, features: Tensor, skips: tuple[Tensor, ...]) -> InstanceMaps:
        """Return the maps of B images; parameters as for `forward`."""
        return InstanceMaps(*self(features, skips).float().sigmoid().unbind(1))
