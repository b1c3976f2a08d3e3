"""What behaves as a CUDA device does, on a CPU."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")


class StandIn:
    """Records graphs: computes when replayed, on the tensors that it was given, into one result.

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


class NothingWaits(TorchDispatchMode):
    """Refuses what makes the host wait for a device, copies to and from it among them."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        assert not any(name in str(function) for name in WAITING), f"{function} waits"
        found = function(*arguments, **(keywords or {}))
        if isinstance(found, torch.Tensor):
            given = [one for one in arguments if isinstance(one, torch.Tensor)]
            assert all(one.device == found.device for one in given), f"{function} copies"
        return found
