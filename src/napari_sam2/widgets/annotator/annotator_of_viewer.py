"""The one Annotator of each viewer, which all docks share."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget

from napari_sam2.layers.viewer.canvas_context import make_current_when_flushed
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.annotator.image_changes import ImageChanges
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.inference.session_owner import SessionOwner

if TYPE_CHECKING:
    from napari.components import ViewerModel

LOGGER = "sam2_torch"
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
        ImageChanges(annotator)
        window = getattr(viewer, "window", None)
        if window is not None:
            _EndWithWindow(window._qt_window, annotator)
            _TabInCanvas(window._qt_viewer.canvas.native, annotator)
            make_current_when_flushed(window._qt_viewer.canvas)
    return annotator


class _TabInCanvas(QObject):
    """Passes Tab in the canvas to the Annotator; Qt would move the focus instead."""

    def __init__(self, canvas: QWidget, annotator: Annotator) -> None:
        super().__init__(canvas)
        self._annotator = annotator
        canvas.installEventFilter(self)
        annotator.closed.connect(self.deleteLater)  # which ends the filter, too

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Handle Tab where prompts can have candidates."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        workspace = self._annotator.workspace
        if event.key() != Qt.Key.Key_Tab or workspace is None or workspace.points is None:
            return False
        self._annotator.choose_candidate()
        return True


class _EndWithWindow(QObject):
    """Closes the Annotator when its window closes."""

    def __init__(self, window: Any, annotator: Annotator) -> None:
        super().__init__(window)
        self._annotator = annotator
        window.installEventFilter(self)
        annotator.closed.connect(self._release)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let the window handle the event first: the user may decide to stay."""
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


class ModelWarnings(QObject):
    """Passes warnings of `sam2_torch` on as notices, from any thread.

    One is that the device was out of memory, and that the propagation continues with fewer
    objects at a time.

    Parameters
    ----------
    annotator
        Emits the notices until it is closed.
    """

    _warned = Signal(str)

    def __init__(self, annotator: Annotator) -> None:
        super().__init__(annotator)
        self._annotator = annotator
        self._handler = _Handler(self._warned.emit)
        self._warned.connect(self._notice)
        logging.getLogger(LOGGER).addHandler(self._handler)
        annotator.closed.connect(self._release)

    def _notice(self, sentence: str) -> None:
        self._annotator.noticed.emit(sentence)

    def _release(self) -> None:
        logging.getLogger(LOGGER).removeHandler(self._handler)


class _Handler(logging.Handler):
    """Passes warnings to a signal, which delivers them on the GUI thread."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        self._warn(f"{record.getMessage()}.")
