"""The keys: one table, from which they are bound and explained."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QShortcut, QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Key(NamedTuple):
    """A key and what it does.

    Parameters
    ----------
    action
        By which name it is bound; empty for keys that are bound elsewhere.
    napari, qt
        How the key is called there.
    does
        What it does, in a few words.
    """

    action: str
    napari: str
    qt: str
    does: str


KEYS = (
    Key("", "N", "N", "new object"),
    Key("", "T", "T", "next click: positive or negative"),
    Key("", "Tab", "Tab", "after a first click: whole, part or sub-part"),
    Key("undo", "Control-Z", "Ctrl+Z", "undo"),
    Key("redo", "Control-Shift-Z", "Ctrl+Shift+Z", "do it again"),
    Key("pick", "K", "K", "make the object under the mouse current"),
    Key("go_to_current", "G", "G", "go to the current object"),
    Key("show_or_hide", "H", "H", "hide or show the current object"),
    Key("lock_frame", "U", "U", "lock or unlock the current object in this frame"),
    Key("next_doubtful", "J", "J", "go to the next doubtful mask"),
    Key("previous_doubtful", "Shift-J", "Shift+J", "go to the doubtful mask before"),
    Key("propagate", "Q", "Q", "propagate; then pause, resume"),
    Key("explain", "Shift-/", "?", "these keys"),
)


class KeyBindings:
    """Binds the keys in the canvas and in the dock, as long as the dock is open.

    Parameters
    ----------
    viewer
        Where they work whichever layer is active.
    dock
        Where they work, too; in a field that is written in, letters are letters.
    actions
        What to call, by the keys' actions.
    """

    def __init__(
        self, viewer: "ViewerModel", dock: QWidget, actions: Mapping[str, Callable[[], object]]
    ) -> None:
        self._viewer = viewer
        self._bound: list[str] = []
        for key in KEYS:
            if key.action:
                self._bind(key, dock, actions[key.action])

    def release(self) -> None:
        """Let go of the viewer's keys."""
        for name in self._bound:
            self._viewer.bind_key(name, None)
        self._bound.clear()

    def _bind(self, key: Key, dock: QWidget, call: Callable[[], object]) -> None:
        def pressed(_: Any) -> None:
            call()

        self._viewer.bind_key(key.napari, pressed, overwrite=True)
        self._bound.append(key.napari)
        shortcut = QShortcut(QKeySequence(key.qt), dock)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(call)


class KeyOverlay(QFrame):
    """A list of the keys over the canvas, until a key or a button is pressed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        for row, key in enumerate(KEYS):
            name = QLabel(f"<b>{key.qt}</b>")
            name.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(name, row, 0)
            grid.addWidget(QLabel(key.does), row, 1)
        where = QLabel(
            "In the canvas and in this dock; N, T and Tab while clicks or boxes are active."
        )
        grid.addWidget(where, len(KEYS), 0, 1, 2)

    def show_over(self, widget: QWidget) -> None:
        """Show it in the middle of a widget."""
        self.adjustSize()
        middle = widget.mapToGlobal(widget.rect().center())
        self.move(middle - QPoint(self.width() // 2, self.height() // 2))
        self.show()

    def keyPressEvent(self, event: Any) -> None:
        """Go away."""
        self.close()
