"""The prompt encoder: clicks, box corners and masks as embeddings.

Notes
-----
As in SAM (Kirillov et al. 2023). Reference: `sam2.modeling.sam.prompt_encoder`.
"""

import torch
from torch import Tensor, nn

from sam2_torch.nn.blocks import LayerNorm2d
from sam2_torch.nn.position_encoding import RandomFrequencies

PADDING, NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT = -1, 0, 1, 2, 3
"""Labels of points; a box is its two corners."""

MASK_CHANNELS = 16


class PromptEncoder(nn.Module):
    """Embed points as tokens and a mask as a map.

    Parameters
    ----------
    width
        Channels of the features.
    image_size
        Side of the network's input in pixels.
    """

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.embedding_size = image_size // 16
        self.pe_layer = RandomFrequencies(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, MASK_CHANNELS // 4, kernel_size=2, stride=2),
            LayerNorm2d(MASK_CHANNELS // 4),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS // 4, MASK_CHANNELS, kernel_size=2, stride=2),
            LayerNorm2d(MASK_CHANNELS),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS, width, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, width)

    def embed_points(self, points_xy: Tensor, labels: Tensor) -> Tensor:
        """Embed points as tokens.

        Parameters
        ----------
        points_xy
            (B, P, 2) in pixels of the network's input.
        labels
            (B, P) kinds of the points: `PADDING` to `BOTTOM_RIGHT`.

        Returns
        -------
        (B, P, C).
        """
        kinds = torch.cat([self.not_a_point_embed.weight, *self.point_embeddings.parameters()])
        position = self.pe_layer((points_xy + 0.5) / self.image_size)
        is_padding = (labels == PADDING).unsqueeze(-1)
        return torch.where(is_padding, 0.0, position).to(kinds.dtype) + kinds[labels.long() + 1]

    def embed_mask(self, logits: Tensor | None) -> Tensor:
        """Embed (B, 1, S / 4, S / 4) logits as (B, C, S / 16, S / 16); None as (1, C, 1, 1)."""
        if logits is None:
            return self.no_mask_embed.weight[:, :, None, None]
        return self.mask_downscaling(logits.to(self.no_mask_embed.weight.dtype))

    def grid_encoding(self) -> Tensor:
        """Return the position encoding of the image embedding, (1, C, S / 16, S / 16)."""
        grid = self.pe_layer.grid(self.embedding_size)[None]
        return grid.to(self.no_mask_embed.weight.dtype)
