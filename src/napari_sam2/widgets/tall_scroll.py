"""An area that scrolls up and down where a dock is lower than what is in it."""

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QScrollArea, QWidget


class TallScroll(QScrollArea):
    """Scrolls up and down alone: it is never narrower than what is in it, and its bar.

    Parameters
    ----------
    content
        What is in it.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def minimumSizeHint(self) -> QSize:
        """Leave room for the content's width."""
        content, bar = self.widget(), self.verticalScrollBar()
        width = 0 if content is None else content.minimumSizeHint().width()
        width += 0 if bar is None else bar.sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())
