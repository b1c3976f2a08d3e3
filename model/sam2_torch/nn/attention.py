"""Attention with projections: plain, and with rotary positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.position_encoding import rotary_table, rotate


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer.

    Notes
    -----
    Reference: `sam2.modeling.sam.transformer.Attention`.
    """

    def __init__(
        self, width: int, heads: int, downsample: int = 1, memory_width: int | None = None
    ) -> None:
        super().__init__()
        inner, key_width = width // downsample, memory_width or width
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(key_width, inner)
        self.v_proj = nn.Linear(key_width, inner)
        self.out_proj = nn.Linear(inner, width)

    def split_heads(self, x: Tensor) -> Tensor:
        """Map (B, N, C) to (B, heads, N, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend with (B, heads, N, C / heads) and project back to (B, N, width)."""
        out = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map queries (B, N, width), keys and values (B, M, memory width) to (B, N, width)."""
        return self.attend(
            self.split_heads(self.q_proj(query)),
            self.split_heads(self.k_proj(key)),
            self.split_heads(self.v_proj(value)),
        )


class RotaryAttention(Attention):
    """One-headed attention whose queries and keys are turned by their place in the map.

    Notes
    -----
    Reference: `RoPEAttention`. The table is real-valued and made once.
    """

    table: Tensor

    def __init__(self, width: int, size: int, memory_width: int | None = None) -> None:
        super().__init__(width, heads=1, memory_width=memory_width)
        self.register_buffer("table", rotary_table(width, size), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, unplaced: int = 0) -> Tensor:
        """Attend; the last `unplaced` keys have no place in a map and are not turned."""
        query = rotate(self.q_proj(query), self.table)
        key = self.k_proj(key)
        placed = key.shape[1] - unplaced
        key = torch.cat((rotate(key[:, :placed], self.table), key[:, placed:]), dim=1)
        query, key, value = map(self.split_heads, (query, key, self.v_proj(value)))
        return self.attend(query.expand(len(key), -1, -1, -1), key, value)
