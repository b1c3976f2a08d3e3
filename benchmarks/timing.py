"""Clocks, memory gauges and the order in which sides take turns."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sam2_torch.runtime.devices import release_freed_memory

FAILURES = (
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What another package may raise when it does not run here; out of memory is a RuntimeError."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
MEGABYTE = 1e6
TOO_LATE = "left out: the time limit was reached (--limit)"


def now(device: torch.device) -> float:
    """Read the clock, in seconds, once the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def allow_tf32(device: torch.device) -> None:
    """Let float32 products of a GPU run on its matrix units, for all sides alike."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")


class Deadline:
    """When a comparison is to be over.

    Parameters
    ----------
    seconds
        From now; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds

    def left(self) -> float:
        """Count the seconds that are left."""
        return float("inf") if self._end is None else self._end - time.perf_counter()

    def part(self, share: float) -> "Deadline":
        """Give away a share of what is left."""
        left = self.left()
        return Deadline(None if left == float("inf") else share * left)

    def refusal(self, cost: float) -> str | None:
        """Tell why there is no time for what is expected to take `cost` seconds, or None."""
        left = self.left()
        if cost < left:
            return None
        if left <= 0:
            return TOO_LATE
        return "left out: it would take longer than what was left of the time limit (--limit)"


@dataclass(frozen=True)
class Memory:
    """How far a stretch of work went above where it began, in bytes; None: not measurable."""

    device: int | None
    host: int | None


class MemoryGauge:
    """The peak of memory in use from here on."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()
        release_freed_memory()  # or later work hides in it
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._on_device = torch.cuda.memory_allocated(device)
        self._on_host = _reset_host_peak()

    def read(self) -> Memory:
        """Measure the peak since the gauge was made."""
        on_device = None
        if self._device.type == "cuda":
            on_device = torch.cuda.max_memory_allocated(self._device) - self._on_device
        if self._on_host is None:
            return Memory(on_device, None)
        return Memory(on_device, _host_bytes("VmHWM") - self._on_host)

    def kept(self) -> int | None:
        """Measure what the host still holds once freed memory was given back, in bytes."""
        if self._on_host is None:
            return None
        gc.collect()
        release_freed_memory()
        return _host_bytes("VmRSS") - self._on_host


def _reset_host_peak() -> int | None:
    """Forget the process's peak and return what it uses now; None where Linux does not tell."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return None
    return _host_bytes("VmRSS")


def _host_bytes(name: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


@dataclass(frozen=True)
class Measured:
    """One turn: the seconds that count, and what else was seen.

    Parameters
    ----------
    seconds
        Of the part that counts.
    memory
        Peaks of the whole turn.
    """

    seconds: float
    memory: Memory | None = None


@dataclass
class Turns:
    """What came of letting sides take turns.

    Attributes
    ----------
    measured
        What each side's action returned, turn by turn, without the turn that warmed it up.
    failed
        Why there is nothing of a side.
    """

    measured: dict[str, list[Measured]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def take_turns(
    actions: Mapping[str, Callable[[], Measured]],
    repeats: int,
    deadline: Deadline,
    expected: Mapping[str, float] | None = None,
) -> Turns:
    """Run A, B, C, A, B, C: what disturbs the machine meets all sides alike.

    Parameters
    ----------
    actions
        What each side does in its turn.
    repeats
        How many turns count; one more comes before them to warm up. With 0 the only turn
        counts.
    deadline
        After which no turn starts.
    expected
        Seconds that a side's first turn is likely to take.
    """
    turns = Turns()
    costs = dict(expected or {})
    for _ in range(repeats + 1):
        for name, action in actions.items():
            if name in turns.failed:
                continue
            refused = deadline.refusal(costs.get(name, 0.0))
            if refused is not None:
                if name not in turns.measured:
                    turns.failed[name] = refused
                continue
            start = time.perf_counter()
            try:
                turns.measured.setdefault(name, []).append(action())
            except FAILURES as error:
                turns.measured.pop(name, None)
                turns.failed[name] = reason(error)
            costs[name] = time.perf_counter() - start
    for name, found in turns.measured.items():
        turns.measured[name] = found[1:] or found
    return turns


def reason(error: BaseException) -> str:
    """Tell an error in one short line."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"
