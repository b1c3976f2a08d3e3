"""What is too high for the dock is scrolled, what is too wide never is."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QScrollArea, QSizePolicy, QWidget

LEAST_PX = 44  # two rows
SLACK_PX = 4  # a style sheet makes widgets higher than their layout was told


class TallScroll(QScrollArea):
    """Scrolls up and down alone: it is never narrower than what is in it, and its bar.

    Parameters
    ----------
    content
        What is scrolled.
    has_room_for_bar
        Whether the minimum width includes the scroll bar; else it covers some of the content
        where it is needed.
    """

    def __init__(self, content: QWidget, has_room_for_bar: bool = True) -> None:
        super().__init__()
        self._has_room_for_bar = has_room_for_bar
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content, and little height: it is scrolled."""
        content, bar = self.widget(), self.verticalScrollBar()
        width = 0 if content is None else content.minimumSizeHint().width()
        width += bar.sizeHint().width() if bar is not None and self._has_room_for_bar else 0
        return QSize(width, LEAST_PX)

    def sizeHint(self) -> QSize:
        """Return little height: an area around this one would not make it lower than its hint."""
        return QSize(super().sizeHint().width(), LEAST_PX)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Update the width when the content asks for another one, e.g. with a larger font."""
        handled = bool(super().eventFilter(watched, event))
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            self._choose_bar()
        return handled

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Hide the bar where all of the content fits beside none."""
        super().resizeEvent(event)
        self._choose_bar()

    def _choose_bar(self) -> None:
        """Hide the bar where the content fits without one.

        Rows that wrap beside the bar would be the reason why it is needed, for ever.
        """
        content = self.widget()
        room = self.maximumViewportSize()
        height = -1 if content is None else content.heightForWidth(room.width())
        fits = 0 <= height <= room.height()
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAlwaysOff if fits else policy.ScrollBarAsNeeded
        )

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
        """Move the focus by keyboard; stay where a button was disabled under the focus.

        Qt would go on to the widget after it, and scroll there: away from under the mouse.
        """
        window, content = self.window(), self.widget()
        focused = None if window is None else window.focusWidget()
        if content is not None and focused is not None and not focused.isEnabled():
            content.setFocus()
            return True
        return bool(super().focusNextPrevChild(next))


class ShortScroll(TallScroll):
    """Is as high as its content where there is room, and lower where there is none."""

    def __init__(self, content: QWidget) -> None:
        super().__init__(content, has_room_for_bar=False)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """Return the height of the content at the present width."""
        content, hint = self.widget(), super().sizeHint()
        if content is None:
            return hint
        width = max(self.width(), content.minimumSizeHint().width())
        least = max(content.sizeHint().height(), content.minimumSizeHint().height())
        height = max(content.heightForWidth(width), least) + SLACK_PX
        return QSize(hint.width(), height)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for the height at another width."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self.updateGeometry()
