"""Watches how long Qt's event loop is kept from going round, and by how much work."""

import time
from typing import Any

from qtpy.QtCore import QObject, Qt, QTimer

TICK_MS = 5


class EventLoopWatchdog(QObject):
    """Notes, every few milliseconds, how late it is called.

    Two figures for each turn of the event loop: the time on the clock, in which other programs
    take part on a busy machine, and the CPU time of the GUI's own thread, in which they do not.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.begin()

    def begin(self) -> None:
        """Forget what was noted, and go on."""
        self.late_ms: list[float] = []
        self.cpu_ms: list[float] = []
        self._clock, self._cpu = time.perf_counter(), time.thread_time()
        self._timer.start()

    def end(self) -> dict[str, Any]:
        """Stop, and summarise: milliseconds."""
        self._tick()
        self._timer.stop()
        return {
            "turns": len(self.late_ms),
            "stall_max_ms": round(max(self.late_ms), 1),
            "stall_99_ms": round(_quantile(self.late_ms, 0.99), 1),
            "stalls_over_50_ms": sum(late > 50 for late in self.late_ms),
            "work_max_ms": round(max(self.cpu_ms), 1),
            "work_99_ms": round(_quantile(self.cpu_ms, 0.99), 1),
            "works_over_50_ms": sum(work > 50 for work in self.cpu_ms),
        }

    def _tick(self) -> None:
        clock, cpu = time.perf_counter(), time.thread_time()
        self.late_ms.append(max(1000 * (clock - self._clock) - TICK_MS, 0))
        self.cpu_ms.append(1000 * (cpu - self._cpu))
        self._clock, self._cpu = clock, cpu


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]
