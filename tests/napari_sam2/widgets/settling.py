"""What tests of the dock "Tracks and numbers" have in common."""

from typing import Any

from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers


def settle(qtbot: Any, dock: TracksAndNumbers, timeout_ms: int = 10_000) -> None:
    """Wait until nothing runs, and the dock shows it."""
    annotator = dock.annotator
    qtbot.waitUntil(
        lambda: (
            not annotator.worker.is_busy
            and not annotator.propagation.is_showing
            and not dock._timer.isActive()
            and not dock._quick.is_running
        ),
        timeout=timeout_ms,
    )
