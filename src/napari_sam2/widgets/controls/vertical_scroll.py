"""What is too high for the dock is scrolled, what is too wide never is."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QScrollArea, QWidget


class TallScroll(QScrollArea):
    """Scrolls up and down alone: it is never narrower than what is in it, and its bar.

    Parameters
    ----------
    content
        What is scrolled.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:
        """Leave room for the content's width."""
        content, bar = self.widget(), self.verticalScrollBar()
        width = 0 if content is None else content.minimumSizeHint().width()
        width += 0 if bar is None else bar.sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask for another width when the content does: with larger letters, say."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Lay everything out anew when it has its letters: it was measured without them."""
        super().showEvent(event)
        QTimer.singleShot(0, self._lay_out)

    def _lay_out(self) -> None:
        content = self.widget()
        if content is None:
            return
        for widget in (*content.findChildren(QWidget), content):
            layout = widget.layout()
            if layout is not None:
                layout.invalidate()
                widget.updateGeometry()

    def focusNextPrevChild(self, next: bool) -> bool:
        """Go on with the keyboard; but where a button cannot be pressed any more, stay.

        Qt would go on to the widget after it, and scroll there: away from under the mouse.
        """
        window, content = self.window(), self.widget()
        focused = None if window is None else window.focusWidget()
        if content is not None and focused is not None and not focused.isEnabled():
            content.setFocus()
            return True
        return bool(super().focusNextPrevChild(next))
