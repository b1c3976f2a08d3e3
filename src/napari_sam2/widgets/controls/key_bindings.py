"""The keys of the dock: bound, and explained."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QScrollArea,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets.controls.key_table import Key, Where, chosen_keys, key_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

FRAME_PX = 20  # around the list of keys
TITLE_GAP_PX = 6


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
        for key in chosen_keys():
            if key.action in actions:
                self._bind(key, dock, actions[key.action])

        window = getattr(viewer, "window", None)
        self._typed: _Typed | None = None
        if window is not None and "explain" in actions and key_of("explain") == "Shift-/":
            canvas = window._qt_viewer.canvas.native
            self._typed = _Typed(canvas, "?", actions["explain"])

    def release(self) -> None:
        """Let go of the viewer's keys."""
        if self._typed is not None:
            self._typed.release()
        for name in self._bound:
            self._viewer.bind_key(name, None)
        self._bound.clear()

    def _bind(self, key: Key, dock: QWidget, call: Callable[[], object]) -> None:
        def pressed(_: Any) -> None:
            call()

        self._viewer.bind_key(key.name, pressed, overwrite=True)
        self._bound.append(key.name)
        shortcut = QShortcut(QKeySequence(key.shown), dock)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(call)


class _Typed(QObject):
    """Hears of a character typed in the canvas, wherever it is on the keyboard.

    napari knows keys, not characters: of a ? it is told neither as Shift-/ nor otherwise.
    """

    def __init__(self, canvas: QWidget, character: str, call: Callable[[], object]) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._character = character
        self._call = call
        canvas.installEventFilter(self)

    def release(self) -> None:
        """Hear nothing any more."""
        self._canvas.removeEventFilter(self)
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take the character."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        if event.text() != self._character:
            return False
        self._call()
        return True


class KeyOverlay(QFrame):
    """A list of the keys over the window, until a key or a button is pressed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._list = QWidget()
        self._fill(QGridLayout(self._list))
        self._scroll = QScrollArea()
        self._scroll.setWidget(self._list)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are for closing
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._scroll)

    def show_over(self, widget: QWidget) -> None:
        """Show it in the middle of a widget, and no larger."""
        self.ensurePolished()
        self._list.ensurePolished()
        wanted = self._list.sizeHint() + QSize(FRAME_PX, FRAME_PX)
        if wanted.height() > widget.height():
            bar = self._scroll.verticalScrollBar()
            wanted.setWidth(wanted.width() + (0 if bar is None else bar.sizeHint().width()))
        self.resize(wanted.boundedTo(widget.size()))
        middle = widget.mapToGlobal(widget.rect().center())
        self.move(middle - QPoint(self.width() // 2, self.height() // 2))
        self.show()

    def keyPressEvent(self, event: Any) -> None:
        """Close the list; but not for the Shift of a question mark."""
        if event.key() not in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt):
            self.close()

    def _fill(self, grid: QGridLayout) -> None:
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(2)
        line = 0
        for where in Where:
            title = QLabel(f"<i>{where.value}</i>")
            title.setContentsMargins(0, TITLE_GAP_PX if line else 0, 0, 0)
            grid.addWidget(title, line, 0, 1, 2)
            for key in (key for key in chosen_keys() if key.where is where):
                line += 1
                name = QLabel(f"<b>{key.shown}</b>")
                name.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(name, line, 0)
                grid.addWidget(QLabel(key.does), line, 1)
            line += 1
        closing = QLabel("<i>Esc or ? closes this list.</i>")
        closing.setContentsMargins(0, TITLE_GAP_PX, 0, 0)
        grid.addWidget(closing, line, 0, 1, 2)
        grid.setColumnStretch(1, 1)
