"""Memory attention: condition a frame's features on the memories of an object.

Notes
-----
Paper, section 4 "Memory attention". Reference: `sam2.modeling.memory_attention`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.attention import RotaryAttention
from sam2_torch.nn.bands import in_bands
from sam2_torch.nn.position_encoding import rotary_table

POSITION_WEIGHT = 0.1


class MemoryAttentionLayer(nn.Module):
    """Self-attention in the frame, cross-attention to the memories, feed-forward."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        width = config.d_model
        self.self_attn = RotaryAttention(width)
        self.cross_attn_image = RotaryAttention(width, memory_width=config.memory_dim)
        self.linear1 = nn.Linear(width, config.memory_feedforward)
        self.linear2 = nn.Linear(config.memory_feedforward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        tables: tuple[Tensor, Tensor],
        pointer_tokens: int,
    ) -> Tensor:
        """Map (N or 1, HW, C) features with (N, L, C') memories to (N, HW, C)."""
        normed, (table, key_table) = self.norm1(x), tables
        x = x + self.self_attn(normed, normed, normed, table)
        x = x + self.cross_attn_image(self.norm2(x), keys, values, table, pointer_tokens, key_table)
        row_bytes = self.linear1.out_features * x.itemsize
        # bands of the (N * HW, C) tokens of all objects
        return in_bands(self._feed_forward, x.flatten(0, 1), 0, row_bytes).view_as(x)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return x + self.linear2(F.relu_(self.linear1(self.norm3(x))))


class MemoryAttention(nn.Module):
    """A stack of layers over one frame's features.

    The features have a batch size of 1 whatever the number of objects. They are expanded only at
    the first cross-attention: the first self-attention does not depend on the object.
    """

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        self.embedding_size, self.latents = config.embedding_size, config.memory_latents
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(config) for _ in range(config.memory_layers)
        )
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        features: Tensor,
        position: Tensor,
        memory: Tensor,
        memory_position: Tensor,
        pointer_tokens: int,
    ) -> Tensor:
        """Condition a frame on memories.

        Parameters
        ----------
        features, position
            (1 or N, Q, C) features of the frame and (1, Q, C) encoding of their places.
        memory, memory_position
            (N, L, C') spatial memories followed by object pointers, and (N or 1, L, C') encodings.
        pointer_tokens
            Number of pointer tokens among the L.

        Returns
        -------
        (N, Q, C).
        """
        x = features + POSITION_WEIGHT * position
        keys = memory + memory_position
        tables = self._tables(x.shape[-1], x.device)
        for layer in self.layers:
            x = layer(x, keys, memory, tables, pointer_tokens)
        return self.norm(x)

    def _tables(self, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the rotations of the frame's places, and of the tokens of one memory."""
        table = rotary_table(channels, self.embedding_size, device)
        if not self.latents:
            return table, table
        return table, rotary_table(channels, math.isqrt(self.latents), device, self.latents)
