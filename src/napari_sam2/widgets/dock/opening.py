"""Entries of napari's menus: each opens the dock, or the one that is open, at a tab.

napari makes a dock of each widget of a manifest, so the manifest has one widget; the entries are
commands.
"""

from typing import Any

import napari
from qtpy.QtWidgets import QDockWidget

from napari_sam2.widgets.dock.dock import ALL_CELLS, SEGMENT, TRACKS, TUNE, Sam2Dock

NAME = "Segment and track (SAM 2)"  # as napari names the dock that its menu Plugins opens


def open_at(title: str, viewer: Any = None) -> Sam2Dock:
    """Open the dock of a viewer at a tab; one that is open is raised.

    Parameters
    ----------
    title
        Title of the tab.
    viewer
        The napari viewer; by default the current one.
    """
    viewer = viewer or napari.current_viewer()
    window = viewer.window
    dock = window._qt_window.findChild(Sam2Dock)
    if dock is None:
        dock = Sam2Dock(viewer)
        window.add_dock_widget(dock, name=NAME)
    frame = dock.parent()
    if isinstance(frame, QDockWidget):
        frame.show()  # it may have been hidden
        frame.raise_()
    dock.show_tab(title)
    return dock


def open_segment() -> None:
    """Open the tab *Segment*."""
    open_at(SEGMENT)


def open_all_cells() -> None:
    """Open the tab *All cells*."""
    open_at(ALL_CELLS)


def open_tracks() -> None:
    """Open the tab *Tracks*."""
    open_at(TRACKS)


def open_tune() -> None:
    """Open the tab *Tune*."""
    open_at(TUNE)
