"""One window of napari for all tests of a process: to open and close one takes most of a second."""

import gc
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
from napari import Viewer
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari._qt.qt_main_window import _QtMainWindow
from napari._qt.qt_viewer import QtViewer
from napari.settings import get_settings
from pydantic import BaseModel
from qtpy.QtCore import QCoreApplication, QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_sam2.movies.background_threads import freeze, thaw
from napari_sam2.widgets.annotator import annotator_of_viewer

PLUGIN = "napari_sam2"
COLLECT_EVERY = 20  # tests: a collection goes through all objects of PyTorch and napari
CALLBACKS = ("mouse_move", "mouse_drag", "mouse_wheel", "mouse_double_click")
DELETED_LATER = QEvent.Type.DeferredDelete.value


class SharedViewer:
    """Lends a viewer and its window to one test after the other.

    Between tests the viewer is put back to how it was when it was new. A test that asks for a
    second viewer, or for a fresh one, gets one of its own.
    """

    def __init__(self) -> None:
        get_settings()._save_on_change = False  # which napari would do five times in each test
        self._viewer: Viewer | None = None
        self._start: _State | None = None
        self._lent: list[Viewer] = []
        self._n_tests = 0

    def lend(self, show: bool = False, fresh: bool = False) -> Viewer:
        """Return a viewer without layers, until `take_back` is called.

        Parameters
        ----------
        show
            Whether its window is shown.
        fresh
            Whether it must not be one that another test had before.
        """
        if fresh or any(viewer is self._viewer for viewer in self._lent):
            viewer = Viewer(show=show, show_welcome_screen=False)
        else:
            viewer = self._shared()
        self._lent.append(viewer)
        window = viewer.window._qt_window
        if show and not window.isVisible():
            window.show()
        _QtMainWindow._instances.sort(key=lambda other: other is window)  # the current one is last
        return viewer

    def take_back(self) -> list[str]:
        """Put the shared viewer back, close others, and return what the plugin left behind."""
        if not self._lent:
            return []
        get_settings().reset()
        left: list[str] = []
        for viewer in self._lent:
            annotator = annotator_of_viewer._ANNOTATORS.get(viewer)
            if annotator is not None:
                annotator.close()
            if viewer is self._viewer and self._start is not None and _is_open(viewer):
                left += self._start.restore()
            else:
                _close(viewer)
        if self._viewer is not None and not _is_open(self._viewer):
            self._viewer = None
        self._lent.clear()
        self._n_tests += 1
        return left + self._surviving()

    def close(self) -> None:
        """Close the shared window."""
        if self._viewer is not None:
            _close(self._viewer)

    def _shared(self) -> Viewer:
        if self._viewer is None:
            self._viewer = Viewer(show=True, show_welcome_screen=False)
            _settle()
            self._viewer.window._qt_window.hide()
            self._start = _State(self._viewer)
        return self._viewer

    def _surviving(self) -> list[str]:
        """Return the windows that outlive their viewers; now and then, collect garbage."""
        n_own = self._viewer is not None
        if len(QtViewer._instances) > n_own or self._n_tests % COLLECT_EVERY == 0:
            thaw()
            gc.collect()
            freeze()
        return ["a window that was closed"] * (len(QtViewer._instances) - n_own)


class _State:
    """How a viewer was, to compare with and to go back to."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._fields = list(_fields(viewer))
        self._callbacks = [list(getattr(viewer, f"{name}_callbacks")) for name in CALLBACKS]
        self._keymap = dict(viewer.keymap)
        window = viewer.window._qt_window
        self._size, self._docks = window.size(), window.saveState()

    def restore(self) -> list[str]:
        """Remove layers and docks, restore all values, and return what the plugin left behind."""
        viewer, window = self._viewer, self._viewer.window._qt_window
        for widget in list(viewer.window.dock_widgets.values()):
            viewer.window.remove_dock_widget(widget)
            widget.deleteLater()
        for notice in window.findChildren(NapariQtNotification):
            notice.deleteLater()
        window.setUpdatesEnabled(False)  # nobody sees it
        freeze()  # napari collects garbage when layers are removed
        viewer.layers.clear()
        QCoreApplication.sendPostedEvents(None, DELETED_LATER)
        for owner, name, value in self._fields:
            if not _is_equal(getattr(owner, name), value):
                setattr(owner, name, value)
        if window.isVisible():
            _settle()
            # Qt keeps the least size that the controls of a layer had
            viewer.window._qt_viewer.dockLayerControls.setMinimumSize(50, 50)
            window.restoreState(self._docks)
            window.resize(self._size)
            _settle()
            window.hide()
        window.setUpdatesEnabled(True)
        return list(self._left())

    def _left(self) -> Iterator[str]:
        viewer = self._viewer
        for owner, name, value in self._fields:
            if not _is_equal(getattr(owner, name), value):
                yield f"{type(owner).__name__}.{name}: {getattr(owner, name)}, before {value}"
        for name, before in zip(CALLBACKS, self._callbacks, strict=True):
            if getattr(viewer, f"{name}_callbacks") != before:
                yield f"callbacks for {name}"
        if viewer.keymap != self._keymap:
            yield f"keys {set(viewer.keymap).symmetric_difference(self._keymap)}"
        for name, callback in _connections(viewer):
            if _module(callback).startswith(PLUGIN):
                yield f"{callback}, connected to {name}"
        for child in viewer.window._qt_window.findChildren(QObject):
            if type(child).__module__.startswith(PLUGIN):
                yield f"{type(child).__name__} in the window"


def _settle() -> None:
    """Let layouts and the canvas get their sizes."""
    for _ in range(3):
        QApplication.processEvents()


def _is_open(viewer: Viewer) -> bool:
    return hasattr(viewer.window, "_qt_window")


def _close(viewer: Viewer) -> None:
    if not _is_open(viewer):
        return
    with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
        viewer.close()


def _fields(model: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield all values of a model and of the models in it: (owner, name, value)."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        children = value.values() if isinstance(value, Mapping) else [value]
        models = [child for child in children if isinstance(child, BaseModel)]
        for child in models:
            yield from _fields(child)
        is_plain = not models and name != "layers" and not name.endswith("_callbacks")
        if is_plain and not field.frozen:
            yield model, name, value


def _is_equal(one: Any, other: Any) -> bool:
    return bool(np.all(one == other)) if np.shape(one) == np.shape(other) else False


def _connections(viewer: Viewer) -> Iterator[tuple[str, Any]]:
    """Yield what is connected to the events of a viewer: the emitter's name, and the callback."""
    scene = viewer.scene
    sources = viewer, viewer.layers, viewer.layers.selection, viewer.dims, scene, scene.camera
    for source in (*sources, viewer.canvas, viewer.cursor, viewer.tooltip):
        for name, emitter in {"events": source.events, **source.events.emitters}.items():
            for callback in emitter.callbacks:
                yield f"{type(source).__name__}.{name}", callback


def _module(callback: Any) -> str:
    """Return the module of a function, or of the class that a method belongs to."""
    if isinstance(callback, tuple):  # a weak reference, and the name of the method
        return type(callback[0]()).__module__
    return getattr(callback, "__module__", "") or ""
