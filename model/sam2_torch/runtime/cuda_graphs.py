"""Record functions of tensors as CUDA graphs, and replay them.

Tracking one object takes about a thousand short kernels for each frame, and launching them takes
longer than computing them. A graph is recorded once for each shape of the arguments, and then
launched as a whole. Where recording fails, the functions are called instead.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, TypeVarTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Replay: TypeAlias = Callable[[], None]

WORTH_CALLS = 6  # shapes that come and go while a memory fills up are not worth recording
MOST_RECORDINGS = 16
MOST_COUNTED = 128


class Recorder(Protocol):
    """Records the work of a function on a device."""

    def record(self, function: Callable[[], R]) -> tuple[Replay, R]:
        """Record a function; recording need not run it.

        Returns
        -------
        replay, result
            A function that runs it again on the same tensors, and its result: tensors that
            each replay overwrites, undefined before the first one.

        Raises
        ------
        RuntimeError
            If it cannot be recorded, or does not fit in the device's memory.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs in one memory pool, as they never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, function: Callable[[], R]) -> tuple[Replay, R]:
        """Record a function; as `Recorder.record`."""
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        # "thread_local": other threads may use the device meanwhile, for example to copy
        capture = torch.cuda.graph(graph, self._pool, self._stream, "thread_local")
        try:
            with torch.cuda.device(self._device), capture:
                result = function()
        finally:
            torch.cuda.set_stream(before)  # a failed recording leaves its own stream set
        return graph.replay, result


def recorder_for(device: torch.device) -> Recorder | None:
    """Return a recorder for a device; None where there is none."""
    return CudaRecorder(device) if device.type == "cuda" else None


class Graphs:
    """Calls functions of tensors, and replays calls whose shapes were seen often enough.

    Arguments are tensors, tuples and lists of them, and hashable values. The functions must not
    wait for the device nor change their arguments, and must depend on nothing else that changes
    but the sources. Methods must be those of one object.

    Parameters
    ----------
    recorder
        Of the device; None to call the functions and record nothing.
    sources
        Tensors that the functions read besides their arguments: weights.

    Notes
    -----
    Results are copies: the next replay overwrites what the graph itself returns. Only calls in
    inference mode are replayed, as a replay has no gradients.
    """

    def __init__(self, recorder: Recorder | None, sources: Sequence[Tensor] = ()) -> None:
        self._recorder = recorder
        self._sources = [source for source in sources if not source.is_inference()]
        self._calls: OrderedDict[Hashable, int] = OrderedDict()
        self._recordings: OrderedDict[Hashable, _Recording] = OrderedDict()

    def call(self, function: Callable[[*Ts], R], *arguments: *Ts) -> R:
        """Call a function, or replay an earlier call with arguments of the same shapes."""
        if self._recorder is None or not torch.is_inference_mode_enabled():
            return function(*arguments)
        tensors: list[Tensor] = []
        # the function of a method: the key must not keep its object alive
        named = getattr(function, "__func__", function)
        key = (named, _signature(arguments, tensors), _state(self._sources))
        recording = self._recordings.get(key) or self._record(key, function, arguments)
        if recording is None:
            return self._call_plainly(function, arguments)
        self._recordings.move_to_end(key)
        return recording.replay(tensors)

    def _record(
        self, key: Hashable, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> "_Recording | None":
        """Record a call if that pays and is possible; earlier calls warmed it up."""
        if not self._is_worth_it(key):
            return None
        assert self._recorder is not None
        while len(self._recordings) >= MOST_RECORDINGS:
            self._recordings.popitem(last=False)
        try:
            held = _each(arguments, torch.clone)
            replay, result = self._recorder.record(lambda: function(*held))
        except RuntimeError as error:  # also when the memory is full
            self._give_up(error)
            return None
        inputs: list[Tensor] = []
        _signature(held, inputs)
        self._recordings[key] = _Recording(replay, inputs, result)
        return self._recordings[key]

    def _is_worth_it(self, key: Hashable) -> bool:
        calls = self._calls.pop(key, 0) + 1
        if calls >= WORTH_CALLS:
            return True
        self._calls[key] = calls
        if len(self._calls) > MOST_COUNTED:
            self._calls.popitem(last=False)
        return False

    def _call_plainly(self, function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
        """Call a function; if the memory is full, free that of the graphs."""
        try:
            return function(*arguments)
        except torch.OutOfMemoryError as error:
            if not self._recordings:
                raise
            self._give_up(error)
        return function(*arguments)

    def _give_up(self, error: RuntimeError) -> None:
        """Stop using graphs."""
        self._recorder = None
        self._recordings.clear()
        self._calls.clear()
        first_line = (str(error).splitlines() or [""])[0]
        logger.warning(
            "Going on without CUDA graphs, which is slower: %s: %s",
            type(error).__name__,
            first_line,
        )


class _Recording(NamedTuple):
    run: Replay
    inputs: Sequence[Tensor]
    result: Any

    def replay(self, tensors: Sequence[Tensor]) -> Any:
        """Run the graph on other tensors of the same shapes."""
        for held, given in zip(self.inputs, tensors, strict=True):
            held.copy_(given, non_blocking=True)
        self.run()
        return _each(self.result, torch.clone)


def _signature(value: Any, tensors: list[Tensor]) -> Hashable:
    """Describe a value without the contents of its tensors, and collect these."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, tuple | list):
        return type(value), *(_signature(part, tensors) for part in value)
    return value


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor of a value, and keep everything else."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        parts = (_each(part, change) for part in value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _state(sources: Sequence[Tensor]) -> tuple[int, int]:
    """Return where tensors are, which are moved together, and how often they were changed.

    As far as PyTorch counts changes. Called before each call, so it has to be fast.
    """
    place = sources[0].data_ptr() if sources else 0
    return place, sum(source._version for source in sources)
