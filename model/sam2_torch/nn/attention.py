"""Attention with projections: plain, and with rotary positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.position_encoding import rotary_table


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
    Reference: `RoPEAttention`. Turning a pair of channels mixes it with its partner, so a
    second projection gives the partners, and turning is two multiplications in place.
    """

    table: Tensor

    def __init__(self, width: int, size: int, memory_width: int | None = None) -> None:
        super().__init__(width, heads=1, memory_width=memory_width)
        self.register_buffer("table", rotary_table(width, size), persistent=False)

    def project_turned(self, projection: nn.Linear, x: Tensor, placed: int) -> Tensor:
        """Project (B, N, C) and turn the first `placed` of the N, whole maps one after another."""
        cosine, sine = self.table
        maps = (-1, len(cosine))
        projected = projection(x)
        partners = F.linear(x[:, :placed], _partner(projection.weight), _partner(projection.bias))
        turned = projected[:, :placed].unflatten(1, maps)  # (B, maps, HW, C), a view
        turned.mul_(cosine).addcmul_(partners.unflatten(1, maps), sine.to(partners.dtype))
        return projected

    def forward(self, query: Tensor, key: Tensor, value: Tensor, unplaced: int = 0) -> Tensor:
        """Attend; the last `unplaced` keys have no place in a map and are not turned."""
        query = self.project_turned(self.q_proj, query, query.shape[1])
        key = self.project_turned(self.k_proj, key, key.shape[1] - unplaced)
        query, key, value = map(self.split_heads, (query, key, self.v_proj(value)))
        return self.attend(query.expand(len(key), -1, -1, -1), key, value)


def _partner(weight: Tensor) -> Tensor:
    """Exchange the two rows of each pair, the first one negated."""
    first, second = weight.unflatten(0, (-1, 2)).unbind(1)
    return torch.stack((-second, first), dim=1).flatten(0, 1)
