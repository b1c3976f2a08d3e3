"""What is told of a run: before, while it goes on, and how it ended."""

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.form_rows import PLAIN


class RunReport(QWidget):
    """How it goes, or ended, and below it what the next run would be.

    Has room for all it can tell, so that nothing below it moves.

    Attributes
    ----------
    status, estimate
        Where the two are written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status, self.estimate, self._ruler = QLabel(), QLabel(), QLabel(self)
        self.estimate.setToolTip("What a propagation with these settings would take.")
        self._ruler.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for label, stretch in ((self.status, 0), (self.estimate, 1)):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            layout.addWidget(label, stretch)
        for each in (self.status, self.estimate, self._ruler):
            each.setStyleSheet(PLAIN)
        self.show_status("")

    def show_status(self, text: str) -> None:
        """Say how it goes, or how it ended; an empty text takes no room."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Keep room from now on."""
        super().showEvent(event)
        self._keep_room()

    def changeEvent(self, event: QEvent | None) -> None:
        """Keep room for the letters that there are now."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._keep_room()

    def _keep_room(self) -> None:
        height = 0
        for text in ("how it ended", "what the next run<br>would be"):
            self._ruler.setText(text)
            height += self._ruler.sizeHint().height()
        self.setMinimumHeight(height)
