"""The image encoder of SAM 1: a plain ViT with windowed attention and a neck.

Notes
-----
Li et al. 2022, "Exploring plain vision transformer backbones for object detection" (arXiv
2203.16527). Reference: `segment_anything.modeling.image_encoder`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM1Config
from sam2_torch.nn.blocks import LayerNorm2d
from sam2_torch.nn.image_encoder import join_windows, split_windows

PATCH = 16
MLP_RATIO = 4
BIAS_BYTES = 1 << 26  # of the position biases that are made at a time


class PatchEmbedding(nn.Module):
    """Convert an image to tokens of stride 16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, S / 16, S / 16, width)."""
        return self.proj(image).permute(0, 2, 3, 1)


class FeedForward(nn.Module):
    """Two linear layers under the names that SAM 1 gives them."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        return self.lin2(self.act(self.lin1(x)))


class PlacedAttention(nn.Module):
    """Self-attention in a square map, with a bias for the distance in rows and in columns.

    Parameters
    ----------
    width, heads
        Of the tokens.
    side
        Of the map, in tokens.
    """

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        steps = torch.arange(side)
        self.register_buffer("offsets", steps[:, None] - steps + side - 1, persistent=False)

    offsets: Tensor
    """(side, side) row of `rel_pos` for each query and key."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, side, side, C) to the same shape."""
        # (B, H, W, 3 C) -> (3, B, heads, H, W, C / heads)
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)
        query, key, value = split.unbind(0)
        key, value = key.flatten(2, 3), value.flatten(2, 3)  # (B, heads, HW, C / heads)
        of_rows, of_columns = self.rel_pos_h[self.offsets], self.rel_pos_w[self.offsets]
        side = x.shape[1]
        row_bytes = len(x) * self.heads * side * side**2 * x.itemsize
        band = max(1, BIAS_BYTES // row_bytes)
        attended = [
            self._attend(query[:, :, y : y + band], key, value, of_rows[y : y + band], of_columns)
            for y in range(0, side, band)
        ]
        # (B, heads, HW, C / heads) -> (B, H, W, C)
        out = torch.cat(attended, dim=2).transpose(1, 2).flatten(2)
        return self.proj(out.unflatten(1, (side, side)))

    @staticmethod
    def _attend(
        query: Tensor, key: Tensor, value: Tensor, of_rows: Tensor, of_columns: Tensor
    ) -> Tensor:
        """Attend from some rows of queries, (B, heads, rows, W, d), to all keys."""
        rows = torch.einsum("bnywd,ykd->bnywk", query, of_rows)  # (B, heads, rows, W, H)
        columns = torch.einsum("bnywd,wkd->bnywk", query, of_columns)  # (B, heads, rows, W, W)
        bias = (rows[..., :, None] + columns[..., None, :]).flatten(-2)  # (…, rows, W, HW)
        return F.scaled_dot_product_attention(
            query.flatten(2, 3), key, value, attn_mask=bias.flatten(2, 3)
        )


class ViTBlock(nn.Module):
    """One transformer block; `window` is 0 for global attention."""

    def __init__(self, config: SAM1Config, window: int) -> None:
        super().__init__()
        width = config.embed_dim
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = PlacedAttention(width, config.num_heads, window or config.embedding_size)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = FeedForward(width, MLP_RATIO * width, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        normed = self.norm1(x)
        if self.window:
            windows = self.attn(split_windows(normed, self.window))
            attended = join_windows(windows, len(x), *x.shape[1:3])
        else:
            attended = self.attn(normed)
        x = x + attended
        return x + self.mlp(self.norm2(x))


def neck(width: int, width_out: int) -> nn.Sequential:
    """Return the convolutions from the encoder's width to that of the features."""
    return nn.Sequential(
        nn.Conv2d(width, width_out, kernel_size=1, bias=False),
        LayerNorm2d(width_out),
        nn.Conv2d(width_out, width_out, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(width_out),
    )


class ViT(nn.Module):
    """Encode an image as features of stride 16."""

    def __init__(self, config: SAM1Config) -> None:
        super().__init__()
        side = config.embedding_size
        self.patch_embed = PatchEmbedding(config.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, config.embed_dim))
        self.blocks = nn.ModuleList(
            ViTBlock(config, 0 if i in config.global_blocks else config.window_size)
            for i in range(config.depth)
        )
        self.neck = neck(config.embed_dim, config.d_model)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, C, S / 16, S / 16)."""
        x = self.patch_embed(image) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))
