"""Parts of the dock that fold away under their titles."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QSizePolicy, QWidget
from superqt import QCollapsible

from napari_sam2.widgets.controls.icons import triangle

ANY_HEIGHT = 16777215  # Qt's QWIDGETSIZE_MAX
BESIDE_TITLE_PX = 12  # of a title and its triangle
TITLE_STYLE = (
    # napari's colour of a pressed button would be the loudest thing in the dock
    "QPushButton { text-align: left; background: transparent; border: none; padding: 1px;"
    " margin: 0px; font-weight: bold; }"
)


class Fold(QCollapsible):
    """A title, and below it what can be folded away; folded at first.

    Parameters
    ----------
    title
        What is written in the title; a long one does not widen the dock.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        super().__init__(title, expandedIcon=triangle(True), collapsedIcon=triangle(False))
        self.setDuration(0)  # an animation draws the whole window anew
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.toggleButton().setStyleSheet(TITLE_STYLE)
        self.toggleButton().setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for container in (self.layout(), self.content().layout()):
            if container is not None:
                container.setContentsMargins(0, 0, 0, 0)
                container.setSpacing(0)
                # aligned, it would be no higher than with all rows in one line
                container.setAlignment(Qt.AlignmentFlag(0))
        self.toggled.connect(self._let_grow)

    def setText(self, text: str) -> None:
        """Write another title."""
        self._title = text
        self._elide()

    def text(self) -> str:
        """Give the whole title."""
        return self._title

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Write as much of the title as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Write as much of it as is seen from now on."""
        super().showEvent(event)
        self._elide()

    def changeEvent(self, event: QEvent | None) -> None:
        """Write as much of it as there is room for in the letters that there are now."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._elide()

    def _elide(self) -> None:
        title = self.toggleButton()
        room = title.width() - title.iconSize().width() - BESIDE_TITLE_PX
        end = Qt.TextElideMode.ElideRight
        shown = title.fontMetrics().elidedText(self._title, end, max(room, 0))
        title.setText(shown if self.isVisible() else self._title)
        title.setToolTip("" if title.text() == self._title else self._title)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ignore changes of height: QCollapsible would cut off labels of several lines."""
        return False

    def _let_grow(self, is_open: bool) -> None:
        if is_open:
            self.content().setMaximumHeight(ANY_HEIGHT)


def foldable(title: str, content: QWidget, unfolded: bool = True) -> Fold:
    """Return a part of the dock below a title that folds it away."""
    fold = Fold(title)
    fold.addWidget(content)
    if unfolded:
        fold.expand(animate=False)
    return fold
