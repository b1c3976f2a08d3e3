"""The top of the dock: what to do next, or how an object would go on."""

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QVBoxLayout, QWidget

from napari_sam2.annotation.preview import Neighbour
from napari_sam2.widgets.controls.form_rows import PLAIN
from napari_sam2.widgets.dock.hints import all_steps
from napari_sam2.widgets.dock.preview_strip import NeighbourStrip

BUSY_COLOUR = "#3f8cff"  # seen on dark and on light
PICTURES_PX = 50  # side of the pictures in a dock 300 pixels wide
SPACING_PX, BESIDE_PX, ABOVE_PX = 3, 6, 4


class Heading(QWidget):
    """What to do next, with pictures where there are any, and a sign of being busy.

    As high with a hint as with pictures: nothing below it moves.

    Attributes
    ----------
    hint, strip
        The sentence, and the pictures of the frames next to a prompt.
    help
        The button that explains the keys.
    busy
        Seen while the network works.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hint = QLabel()
        self.strip = NeighbourStrip()
        self.help = QToolButton()
        self.busy = QProgressBar()
        self._hint = self._line = ""
        self._ruler = QLabel(self)
        self._ruler.hide()
        for label in (self.hint, self._ruler):
            label.setStyleSheet(PLAIN)
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.strip.hide()
        self.help.setText("?")
        self.help.setToolTip("List of the keys. Key ?.")
        self._arrange_busy()
        self._arrange()
        self._fit()

    def show_hint(self, text: str, line: str = "") -> None:
        """Say what to do next; beside pictures it is the line, if there is any."""
        self._hint, self._line = text, line
        self.hint.setText(line if line and self.strip.frames else text)

    def show_neighbours(self, found: Sequence[Neighbour], n_planes: int = 1) -> None:
        """Show how an object would go on; with nothing found, the hint alone.

        Parameters
        ----------
        found
            The frames next to a prompt.
        n_planes
            Planes of each time point: frames are counted within their stack.
        """
        self.strip.n_planes = n_planes
        self.strip.show_neighbours(found)
        self.show_hint(self._hint, self._line)

    def changeEvent(self, event: QEvent | None) -> None:
        """Keep room for the letters that there are now."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep room for the lines that there are at this width."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self._fit()

    def _fit(self) -> None:
        """Keep room for the longest of all hints, and for pictures below one line."""
        width = self.width() - self.help.sizeHint().width() - BESIDE_PX
        texts = [self._height(text, width) for text in all_steps()]
        pictures = self._height("<b>one line</b>", width) + SPACING_PX + PICTURES_PX
        self._above.setFixedHeight(max(pictures, *texts))

    def _height(self, text: str, width: int) -> int:
        self._ruler.setText(text)
        return self._ruler.heightForWidth(width)

    def _arrange_busy(self) -> None:
        # standing still: an animation draws the whole window anew, canvas and all, many times a
        # second, and without a graphics card that takes most of the CPU from the network
        self.busy.setRange(0, 1)
        self.busy.setValue(1)
        self.busy.setStyleSheet(f"QProgressBar::chunk {{ background: {BUSY_COLOUR}; }}")
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(4)
        policy = self.busy.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.busy.setSizePolicy(policy)

    def _arrange(self) -> None:
        self._above = QWidget()
        left = QVBoxLayout()
        left.setSpacing(SPACING_PX)
        left.addWidget(self.hint)
        left.addWidget(self.strip, stretch=1)
        beside = QHBoxLayout(self._above)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(BESIDE_PX)
        beside.addLayout(left, stretch=1)
        beside.addWidget(self.help)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, ABOVE_PX, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._above)
        layout.addWidget(self.busy)
