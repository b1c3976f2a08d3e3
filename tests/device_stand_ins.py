"""What behaves as a CUDA device does, on a CPU."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

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


class Streams:
    """What `torch.cuda` has for streams and graphs, without a device; notes what it is asked for.

    A recording fails when it ends, as one does in which the host waited.
    """

    def __init__(self, monkeypatch, log):
        self.log, self.current, self.breaks = log, "default", False
        for name in ("current_stream", "set_stream", "stream", "device", "graph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(log))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=len))
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
        empty = torch.empty
        monkeypatch.setattr(torch, "empty", lambda *a, pin_memory=False, **k: empty(*a, **k))
        monkeypatch.setattr(Tensor, "pin_memory", Tensor.clone)
        monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: log.append("used by"))

    def current_stream(self, device):
        return Stream(self.log) if self.current == "default" else self.current

    def set_stream(self, stream):
        self.current = "default"

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    def device(self, device):
        return nullcontext()

    @contextmanager
    def graph(self, graph, pool, stream, capture_error_mode):
        assert (pool, capture_error_mode) == ("pool", "thread_local")
        self.current = stream
        yield
        if self.breaks:
            raise RuntimeError("operation failed due to a previous error during capture")
        self.current = "default"


class Stream:
    def __init__(self, log):
        self.log = log

    def record_event(self):
        return SimpleNamespace(synchronize=lambda: self.log.append("waited"))

    def wait_event(self, event):
        self.log.append("after")


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
