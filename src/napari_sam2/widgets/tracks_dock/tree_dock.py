"""The dock of the lineage tree, below the image."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_sam2.tracks.measurements import Table
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    import napari.viewer

    from napari_sam2.widgets.tracks_dock.lineage_tree import LineageTree

TITLE = "Lineage tree (SAM 2)"
HEIGHT_PX = 260


class TreeDock(QObject):
    """Opens the lineage tree, and keeps it up to date while it is open.

    Parameters
    ----------
    viewer
        Where it opens.

    Attributes
    ----------
    tree
        The tree; None while it is closed.

    Signals
    -------
    place_selected
        Object id and time point that were clicked.
    """

    place_selected = Signal(int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self.tree: LineageTree | None = None
        self._dock: Any = None
        self._shown: tuple[Tracked, Table] | None = None
        self._selected: tuple[int, int | None] = (0, None)

    def open(self) -> None:
        """Open the tree, or show it again if it is hidden."""
        window = self._viewer.window
        if self.tree is None:
            # pyqtgraph takes long to import
            from napari_sam2.widgets.tracks_dock.lineage_tree import LineageTree

            self.tree = LineageTree()
            self._dock = window.add_dock_widget(self.tree, name=TITLE, area="bottom", tabify=False)
            window._qt_window.resizeDocks([self._dock], [HEIGHT_PX], Qt.Orientation.Vertical)
            self.tree.closed.connect(self._forget)
            self.tree.place_selected.connect(self.place_selected)
            self._update()
        else:
            self._dock.show()
            self._dock.raise_()

    def show_tracks(self, tracked: Tracked, objects: Table) -> None:
        """Show other tracks; see `LineageTree`."""
        self._shown = tracked, objects
        if self.tree is not None:
            self.tree.show_tracks(tracked, objects)
            self.tree.select(*self._selected)

    def select(self, object_id: int, time: int | None) -> None:
        """Mark an object and a time point."""
        self._selected = object_id, time
        if self.tree is not None:
            self.tree.select(object_id, time)

    def close(self) -> None:
        """Take the tree out of the viewer."""
        if self.tree is not None:
            with suppress(LookupError, RuntimeError):  # it went with the viewer's window
                self._viewer.window.remove_dock_widget(self.tree)

    def _update(self) -> None:
        if self._shown is not None:
            self.show_tracks(*self._shown)

    def _forget(self) -> None:
        self.tree = None
