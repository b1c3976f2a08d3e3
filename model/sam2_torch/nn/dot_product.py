"""Scaled dot-product attention: PyTorch's own, or tile by tile on a CPU where that is faster.

Notes
-----
On a CPU, PyTorch's fused attention needs values as wide as keys, and in bfloat16 it does not
reach the speed of the processor's matrix products. Products of tiles that stay in the cache
have neither limit. In float32 the softmax is computed online (Milakov and Gimelshein 2018,
arXiv 1805.02867). Limits and sizes are measured: `docs/architecture.md`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

QUERIES, KEYS = 512, 1024  # of a float32 tile
HALF_QUERIES = 256  # of a bfloat16 one, which has all keys
WORTH_KEYS = {torch.bfloat16: 1024, torch.float32: 16384}  # with fewer, PyTorch is as fast


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend from queries to keys and values.

    Parameters
    ----------
    query
        (B, heads, Q, C).
    key
        (B, heads, L, C).
    value
        (B, heads, L, V).

    Returns
    -------
    (B, heads, Q, V).
    """
    if is_worth_tiling(query, key):
        return attend_in_tiles(query, key, value)
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and torch.is_grad_enabled():
        return _attend_plainly(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def _attend_plainly(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend by two products and a softmax: the fastest backward pass of a CPU in bfloat16."""
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return logits.softmax(dim=-1) @ value


def is_worth_tiling(query: Tensor, key: Tensor) -> bool:
    """Return whether tiles are faster; never with gradients, because tiles write in place."""
    if query.device.type != "cpu" or torch.is_grad_enabled():
        return False
    return query.dtype in WORTH_KEYS and key.shape[-2] >= WORTH_KEYS[query.dtype]


def attend_in_tiles(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend as `attend` does, tile by tile."""
    out = query.new_empty(*query.shape[:-1], value.shape[-1])
    query = query * query.shape[-1] ** -0.5
    # (B * heads, Q or L, C): each part is one head of one image
    parts = zip(*(x.flatten(0, 1) for x in (query, key, value, out)), strict=True)
    if query.dtype == torch.bfloat16:
        weights = query.new_empty(HALF_QUERIES, key.shape[-2])  # of all tiles, one by one
        for one_query, one_key, one_value, one_out in parts:
            rows = zip(*(x.split(HALF_QUERIES) for x in (one_query, one_out)), strict=True)
            for some_queries, some_out in rows:
                _attend_all(some_queries, one_key, one_value, weights, some_out)
        return out
    for one_query, one_key, one_value, one_out in parts:
        for first in range(0, len(one_query), QUERIES):
            tile = slice(first, first + QUERIES)
            one_out[tile] = _attend_running(one_query[tile], one_key, one_value)
    return out


def _attend_all(query: Tensor, key: Tensor, value: Tensor, weights: Tensor, out: Tensor) -> None:
    """Attend from one tile of queries to all keys, through a buffer of weights."""
    weights = weights[: len(query)]
    torch.mm(query, key.T, out=weights)
    torch.softmax(weights, dim=-1, out=weights)  # row by row: in place
    torch.mm(weights, value, out=out)


def _attend_running(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend key tile by key tile; rescale the sums whenever a larger logit appears."""
    largest = query.new_full((len(query), 1), -torch.inf)
    total = query.new_zeros(len(query), 1)
    out = query.new_zeros(len(query), value.shape[-1])
    for first in range(0, len(key), KEYS):
        tile = slice(first, first + KEYS)
        logits = query @ key[tile].T
        new_largest = torch.maximum(largest, logits.amax(dim=1, keepdim=True))
        shrink = (largest - new_largest).exp_()
        weights = logits.sub_(new_largest).exp_()
        total.mul_(shrink).add_(weights.sum(dim=1, keepdim=True))
        out.mul_(shrink).addmm_(weights, value[tile])
        largest = new_largest
    return out.div_(total)
