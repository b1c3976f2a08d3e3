"""Small pictures of the frames next to a prompt, side by side."""

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sam2.annotation.preview import REACH, Neighbour

CELLS = 2 * REACH + 1
GAP_PX = 3
LEAST_SIDE_PX = 40
NUMBER_PX = 10
SHADE = QColor(0, 0, 0, 150)


class NeighbourStrip(QWidget):
    """Shows an object in some frames, the earliest one on the left; a click goes to a frame.

    Signals
    -------
    pointed
        The frame that was clicked on.
    """

    pointed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.setAccessibleName("Preview of the neighbouring frames")
        self.n_planes = 1
        self._shown: list[Neighbour] = []

    @property
    def frames(self) -> list[int]:
        """The frames that are shown, from left to right."""
        return [neighbour.frame for neighbour in self._shown]

    def show_neighbours(self, found: Sequence[Neighbour]) -> None:
        """Show these in place of what was shown before."""
        self._shown = sorted(found, key=lambda neighbour: neighbour.frame)
        self.setVisible(bool(self._shown))
        self.update()

    def caption(self, neighbour: Neighbour) -> str:
        """Say which frame it is, and whether the object is in it."""
        number = neighbour.frame % self.n_planes if self.n_planes > 1 else neighbour.frame
        return f"{number}" if neighbour.mask else f"{number}: absent"

    def sizeHint(self) -> QSize:
        """Return no size while there is nothing to show."""
        return QSize(CELLS * 40, LEAST_SIDE_PX if self._shown else 0)

    def minimumSizeHint(self) -> QSize:
        """Accept any size."""
        return QSize(CELLS * 24, self.sizeHint().height())

    def rect_of(self, frame: int) -> QRect:
        """Say where the picture of a frame is; its place does not depend on what else came."""
        prompted = next(n.frame for n in self._shown if n.is_prompted)
        side = min((self.width() - (CELLS - 1) * GAP_PX) // CELLS, self.height())
        place = frame - prompted + REACH
        return QRect(place * (side + GAP_PX), (self.height() - side) // 2, side, side)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the pictures, each with its number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        font = painter.font()
        font.setPixelSize(NUMBER_PX)
        for neighbour in self._shown:
            font.setBold(neighbour.is_prompted)
            painter.setFont(font)
            self._draw(painter, neighbour)

    def _draw(self, painter: QPainter, neighbour: Neighbour) -> None:
        """Draw a picture; the number is white on black, and seen on any."""
        rect = self.rect_of(neighbour.frame)
        height, width, _ = neighbour.picture.shape
        image = QImage(
            neighbour.picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        painter.drawImage(rect, image)
        text = self.caption(neighbour).replace(": absent", " —")
        below = painter.fontMetrics().boundingRect(text).adjusted(-2, 0, 3, 0)
        below.moveBottomLeft(rect.bottomLeft())
        painter.fillRect(below, SHADE)
        painter.setPen(QColor("white"))
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), text)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the frame."""
        neighbour = None if event is None else self._at(event.pos().x())
        if neighbour is not None:
            self.pointed.emit(neighbour.frame)

    def event(self, event: QEvent | None) -> bool:
        """Say in a tooltip what a picture shows."""
        if event is not None and event.type() == QEvent.Type.ToolTip:
            assert isinstance(event, QHelpEvent)
            neighbour = self._at(event.pos().x())
            text = ""
            if neighbour is not None:
                state = "prompted" if neighbour.is_prompted else "a preview, not kept"
                text = f"Frame {self.caption(neighbour)}; {state}. Click to go there."
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return bool(super().event(event))

    def _at(self, x: int) -> Neighbour | None:
        for neighbour in self._shown:
            rect = self.rect_of(neighbour.frame)
            if rect.left() <= x <= rect.right():
                return neighbour
        return None
