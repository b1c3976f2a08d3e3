"""A mouse on napari's canvas: real events, as Qt sends them."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

PAUSE_MS = 15  # napari looks at moves every 5 ms, vispy drops those within 10 ms
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE, TWICE = QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick


def canvas_position(viewer, y, x):
    """Where world coordinates of the only 2-D view are on the canvas widget."""
    native = viewer.window._qt_viewer.canvas.native
    camera = viewer.scene.camera
    _, cy, cx = camera.center
    return native, QPoint(
        round(native.width() / 2 + (x - cx) * camera.zoom),
        round(native.height() / 2 + (y - cy) * camera.zoom),
    )


def click(qtbot, viewer, y, x):
    """Click at world coordinates."""
    native, position = canvas_position(viewer, y, x)
    qtbot.mouseMove(native, position)
    qtbot.mouseClick(native, LEFT, pos=position)


def drag(qtbot, viewer, *path):
    """Press the mouse on the canvas, move it along, and let it go; (x, y) in its pixels."""
    _send(qtbot, viewer, PRESS, path[0])
    for at in path[1:]:
        _send(qtbot, viewer, MOVE, at, held=LEFT)
    _send(qtbot, viewer, RELEASE, path[-1])


def tap(qtbot, viewer, at):
    """Go to a place on the canvas without a button, press there, and let go."""
    for kind in (MOVE, PRESS, RELEASE):
        _send(qtbot, viewer, kind, at)


def tap_twice(qtbot, viewer, at):
    """Click twice at the same place, quickly: the second time Qt has another word for it."""
    tap(qtbot, viewer, at)
    for kind in (TWICE, RELEASE):
        _send(qtbot, viewer, kind, at)


def _send(qtbot, viewer, kind, at, held=None):
    canvas, where = viewer.window._qt_viewer.canvas.native, QPointF(*at)
    button = NONE if kind == MOVE else LEFT
    held = held or (LEFT if kind in (PRESS, TWICE) else NONE)
    plain = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(canvas, QMouseEvent(kind, where, where, button, held, plain))
    qtbot.wait(PAUSE_MS)
