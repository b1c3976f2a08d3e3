"""Docks on a viewer without a window, which several tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers

PLACEMENT = {
    "scale": (60, 0.5, 0.25),
    "units": ("s", "um", "um"),
    "axis_labels": ("t", "y", "x"),
    "translate": (0, 3, 7),
}


@contextmanager
def tracks_dock(qtbot: Any, viewer: Any, owner: Any) -> Iterator[Any]:
    """Open *Tracks and numbers* on the movie; what it reports is in `.told`."""
    dock = TracksAndNumbers(viewer, owner)
    qtbot.addWidget(dock)
    dock.reviewing.wait_ms = 20
    dock.told = []
    for signal in (dock.annotator.noticed, dock.annotator.failed):
        signal.connect(dock.told.append)
    dock.annotator.choose_image(viewer.layers["movie"])
    yield dock
    dock.release()
    dock.annotator.close()
