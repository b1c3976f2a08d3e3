"""A recorder on the CPU that behaves as a CUDA graph does."""

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only


class StandIn:
    """Computes when it is replayed, on the tensors that it was given, into the same results.

    The memory of all recordings is one: a replay spoils what the others returned.
    """

    def __init__(self, fail_at=None, error=RuntimeError):
        self.n_records = self.n_replays = 0
        self._results = []
        self._fail_at, self._error = fail_at, error

    def record(self, function):
        self.n_records += 1
        if self.n_records == self._fail_at:
            raise self._error("operation not permitted when stream is capturing\nand more")
        result = tree_map_only(Tensor, torch.clone, function())
        spoil(result)
        self._results.append(result)

        def replay():
            self.n_replays += 1
            for each in self._results:
                spoil(each)
            for held, found in zip(tensors(result), tensors(function()), strict=True):
                held.copy_(found)

        return replay, result


def tensors(result):
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]


def spoil(result):
    for tensor in tensors(result):
        tensor.fill_(77)
