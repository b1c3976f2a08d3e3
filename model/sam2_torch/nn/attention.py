"""Multi-head attention, plain and with rotary position encoding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.dot_product import attend, is_worth_tiling
from sam2_torch.nn.position_encoding import CachedTensor


class Projections(nn.Module):
    """Projections of queries, keys, values and output, shared by both kinds of attention."""

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
        """Reshape (B, N, C) to (B, heads, N, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend with (B, heads, N, C / heads) inputs and project the result to (B, N, width)."""
        return self.out_proj(attend(query, key, value).transpose(1, 2).flatten(2))


class Attention(Projections):
    """Multi-head attention whose inner width may be smaller than its outer width.

    Notes
    -----
    Reference: `sam2.modeling.sam.transformer.Attention`.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map queries (B, N, width), keys and values (B, M, memory width) to (B, N, width)."""
        return self.attend(
            self.split_heads(self.q_proj(query)),
            self.split_heads(self.k_proj(key)),
            self.split_heads(self.v_proj(value)),
        )


class RotaryAttention(Projections):
    """Single-head attention whose queries and keys are rotated by their place in the feature map.

    Notes
    -----
    Reference: `RoPEAttention`.
    """

    def __init__(self, width: int, memory_width: int | None = None) -> None:
        super().__init__(width, heads=1, memory_width=memory_width)
        self._folded = CachedTensor()

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        table: Tensor,
        unplaced: int = 0,
        key_table: Tensor | None = None,
    ) -> Tensor:
        """Attend to memories or to the frame itself.

        Parameters
        ----------
        query, key, value
            (1 or N, Q, C), (N, L, C') and (N, L, C').
        table
            Complex rotations of the Q places of a map, (Q, C / 2).
        unplaced
            Number of tokens behind the maps that have no place, such as object pointers; they are
            not rotated.
        key_table
            Rotations of the K tokens of a map, (K, C / 2), of which the keys have M; the same as
            those of the queries if None.

        Returns
        -------
        (N, Q, width).
        """
        query = project_turned(self.q_proj, query, table, query.shape[1])
        key_table = table if key_table is None else key_table
        if is_worth_tiling(query, key):
            return self._attend_in_turn(query, key, value, key_table, unplaced)
        key = project_turned(self.k_proj, key, key_table, key.shape[1] - unplaced)
        query, key = map(self.split_heads, (query, key))
        query = query.expand(len(key), -1, -1, -1)  # (N, 1, Q, C)
        return self.attend(query, key, self.split_heads(self.v_proj(value)))

    def _attend_in_turn(
        self, query: Tensor, key: Tensor, value: Tensor, table: Tensor, unplaced: int
    ) -> Tensor:
        """Attend for one object after the other.

        All projected keys at once would be large, and a CPU gains nothing from the batch.
        """
        n, placed = len(key), key.shape[1] - unplaced
        queries = query.expand(n, -1, -1)  # a view with a row for each object
        out = query.new_empty(n, query.shape[1], value.shape[-1])
        for i in range(n):
            one = slice(i, i + 1)
            keys = project_turned(self.k_proj, key[one], table, placed)
            out[one] = attend(queries[one, None], keys[:, None], value[one, None])[:, 0]
        fold = self._folded.get(list(self.parameters()), self._fold)
        return F.linear(out, fold[:, :-1], fold[:, -1])

    def _fold(self) -> Tensor:
        """Multiply the projections of values and output, (width, memory width + 1).

        The weights of a query sum to 1, so values can be projected after attending, together with
        their bias (last column). The result is the same, and memories are a quarter as wide.
        """
        out, v = self.out_proj, self.v_proj
        bias = out.weight @ v.bias + out.bias
        return torch.cat((out.weight @ v.weight, bias[:, None]), dim=1)


def project_turned(projection: nn.Linear, x: Tensor, turn: Tensor, placed: int) -> Tensor:
    """Project (B, N, C) and rotate the first `placed` of the N tokens by (Q, C / 2)."""
    projected = projection(x)
    maps = projected[:, :placed].unflatten(1, (-1, turn.shape[-2]))  # (B, maps, Q, C), a view
    pairs = torch.view_as_complex(maps.float().unflatten(-1, (-1, 2)))  # (B, maps, Q, C / 2)
    pairs.mul_(turn)
    if projected.dtype != torch.float32:  # in float32 the pairs were the projection itself
        maps.copy_(torch.view_as_real(pairs).flatten(-2))
    return projected
