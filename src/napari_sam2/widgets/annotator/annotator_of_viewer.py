"""The one Annotator of each viewer, which all docks share."""

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget

from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.annotator.model_warnings import ModelWarnings
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.inference.session_owner import SessionOwner

if TYPE_CHECKING:
    from napari.components import ViewerModel

_ANNOTATORS: "WeakKeyDictionary[ViewerModel, Annotator]" = WeakKeyDictionary()


def annotator_of(viewer: "ViewerModel", owner: SessionOwner | None = None) -> Annotator:
    """Get a viewer's Annotator; it is made at the first call.

    Parameters
    ----------
    viewer
        The viewer, or the proxy of it that napari gives to plugins.
    owner
        What the worker's thread owns, if the Annotator is made now; tests give one without
        a network.

    Returns
    -------
    The same one for every dock, and for a dock that is closed and opened again. It ends with
    the viewer's window; that of a viewer without a window has to be closed by whom made it.
    """
    # through napari's proxy, one layer is never the same object twice
    viewer = getattr(viewer, "__wrapped__", viewer)
    annotator = _ANNOTATORS.get(viewer)
    if annotator is None or annotator.is_closed:
        annotator = _ANNOTATORS[viewer] = Annotator(viewer, owner)
        # it holds the viewer: as long as it is listed, the viewer stays
        annotator.closed.connect(lambda: _ANNOTATORS.pop(viewer, None))
        annotator.failed.connect(report)
        annotator.noticed.connect(show_info)
        ModelWarnings(annotator)
        window = getattr(viewer, "window", None)
        if window is not None:
            _EndWithWindow(window._qt_window, annotator)
            _TabInCanvas(window._qt_viewer.canvas.native, annotator)
    return annotator


class _TabInCanvas(QObject):
    """Brings Tab in the canvas to the Annotator: Qt would go on to the next widget instead."""

    def __init__(self, canvas: QWidget, annotator: Annotator) -> None:
        super().__init__(canvas)
        self._annotator = annotator
        canvas.installEventFilter(self)
        annotator.closed.connect(self.deleteLater)  # which ends the filter, too

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take Tab where there is anything to choose among."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        workspace = self._annotator.workspace
        if event.key() != Qt.Key.Key_Tab or workspace is None or workspace.points is None:
            return False
        self._annotator.choose_alternative()
        return True


class _EndWithWindow(QObject):
    """Closes the Annotator when its window has closed."""

    def __init__(self, window: Any, annotator: Annotator) -> None:
        super().__init__(window)
        self._annotator = annotator
        window.installEventFilter(self)
        annotator.closed.connect(self._release)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let the window take the event first: the user may decide to stay."""
        if watched is None or event is None or event.type() != QEvent.Type.Close:
            return False
        watched.event(event)
        if event.isAccepted():
            self._annotator.close()
        return True

    def _release(self) -> None:
        window = self.parent()
        if window is not None:
            window.removeEventFilter(self)
        self.deleteLater()
