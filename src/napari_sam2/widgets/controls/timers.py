"""Timers that call once."""

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def single_shot(parent: QObject, call: Callable[[], None], wait_ms: int = 0) -> QTimer:
    """Return a timer that makes a call some time after each start."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(wait_ms)
    timer.timeout.connect(call)
    return timer
