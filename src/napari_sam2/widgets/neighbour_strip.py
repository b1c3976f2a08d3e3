"""Small pictures of the frames next to a prompt, side by side."""

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QRect, QSize, Qt, Signal
from qtpy.QtGui import QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sam2.neighbours import REACH, Neighbour

CELLS = 2 * REACH + 1
GAP_PX = 3
MAX_SIDE_PX = 72
EMPTY = "After a prompt: how the object would go on in the frames beside it. Nothing of it is kept."


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
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
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
        self.updateGeometry()
        self.update()

    def caption(self, neighbour: Neighbour) -> str:
        """Say which frame it is, and whether the object is in it."""
        number = neighbour.frame % self.n_planes if self.n_planes > 1 else neighbour.frame
        return f"{number}" if neighbour.mask else f"{number}: absent"

    def sizeHint(self) -> QSize:
        """Ask for the height that the pictures will take, also while there are none."""
        return QSize(CELLS * 40, MAX_SIDE_PX + self.fontMetrics().lineSpacing() + 2)

    def rect_of(self, frame: int) -> QRect:
        """Say where the picture of a frame is; its place does not depend on what else came."""
        prompted = next(n.frame for n in self._shown if n.is_prompted)
        side = min((self.width() - (CELLS - 1) * GAP_PX) // CELLS, MAX_SIDE_PX)
        left = (self.width() - CELLS * side - (CELLS - 1) * GAP_PX) // 2
        place = frame - prompted + REACH
        return QRect(left + place * (side + GAP_PX), 0, side, side)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the pictures, and the numbers of their frames below them."""
        painter = QPainter(self)
        if not self._shown:
            painter.setOpacity(0.6)
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), int(wrapped), EMPTY)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for neighbour in self._shown:
            rect = self.rect_of(neighbour.frame)
            height, width, _ = neighbour.picture.shape
            image = QImage(
                neighbour.picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
            )
            painter.drawImage(rect, image)
            below = QRect(rect.left() - 4, rect.bottom() + 2, rect.width() + 8, self.height())
            font = painter.font()
            font.setBold(neighbour.is_prompted)
            painter.setFont(font)
            top = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
            painter.drawText(below, int(top), self.caption(neighbour))

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
            text = EMPTY
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
