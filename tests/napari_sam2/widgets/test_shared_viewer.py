"""The window that tests share: nothing of one test reaches the next one."""

import numpy as np
import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QLabel
from shared_viewer import SharedViewer

from napari_sam2.layers.viewer import colours
from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of


@pytest.fixture
def shared(shared_viewer: SharedViewer) -> SharedViewer:
    yield shared_viewer
    shared_viewer.take_back()


def test_everything_is_put_back(shared, stub_owner):
    viewer = shared.lend(show=True)
    window, qt_viewer, size = viewer.window._qt_window, viewer.window._qt_viewer, viewer.canvas.size
    width = qt_viewer.dockLayerControls.width()
    viewer.add_image(np.zeros((3, 4, 20, 30)), name="movie", scale=(1, 2, 0.5, 0.5))
    viewer.add_points(np.zeros((2, 4)))
    viewer.window.add_dock_widget(QLabel("a wide dock " * 9), name="wide")
    viewer.scene.camera.zoom, viewer.dims.ndisplay = 7, 3
    viewer.scene.overlays.axes.visible = True
    viewer.title, viewer.theme = "another", "light"
    window.resize(900, 900)
    annotator = annotator_of(viewer, stub_owner)
    assert shared.take_back() == []
    assert annotator.is_closed
    again = shared.lend()
    assert again is viewer and not window.isVisible()
    assert (viewer.scene.camera.zoom, viewer.dims.ndisplay, viewer.dims.ndim) == (1, 2, 2)
    assert (viewer.title, viewer.theme, viewer.canvas.size) == ("napari", "dark", size)
    assert not viewer.scene.overlays.axes.visible
    assert len(viewer.layers) == 0 and dict(viewer.window.dock_widgets) == {}
    assert qt_viewer.dockLayerControls.width() == width


def listen(event=None):
    """Be called by a viewer."""


listen.__module__ = colours.__name__  # as if it were the plugin's


class Child(QObject):
    """A part of a window."""


Child.__module__ = colours.__name__


@pytest.mark.parametrize(
    ("leave", "undo", "told"),
    [
        (
            lambda viewer: viewer.dims.events.point.connect(listen),
            lambda viewer: viewer.dims.events.point.disconnect(listen),
            "connected to Dims.point",
        ),
        (
            lambda viewer: viewer.mouse_drag_callbacks.append(listen),
            lambda viewer: viewer.mouse_drag_callbacks.remove(listen),
            "callbacks for mouse_drag",
        ),
        (
            lambda viewer: viewer.bind_key("F9", listen),
            lambda viewer: viewer.bind_key("F9", None),
            "F9",
        ),
        (
            lambda viewer: Child(viewer.window._qt_window).setObjectName("child"),
            lambda viewer: viewer.window._qt_window.findChild(Child, "child").setParent(None),
            "Child in the window",
        ),
    ],
    ids=["event", "mouse", "key", "child"],
)
def test_what_is_left_behind_is_found(shared, leave, undo, told):
    viewer = shared.lend()
    leave(viewer)
    left = shared.take_back()
    undo(viewer)
    assert len(left) == 1 and told in left[0]
    assert shared.lend() is viewer
    assert shared.take_back() == []


def test_a_second_or_a_fresh_viewer_is_another_one(shared):
    first, second, fresh = shared.lend(), shared.lend(), shared.lend(fresh=True)
    assert len({id(viewer) for viewer in (first, second, fresh)}) == 3
    assert shared.take_back() == []
    assert not hasattr(second.window, "_qt_window")


def test_one_that_a_test_closed_is_replaced(shared):
    viewer = shared.lend()
    viewer.close()
    assert shared.take_back() == []
    assert shared.lend() is not viewer
