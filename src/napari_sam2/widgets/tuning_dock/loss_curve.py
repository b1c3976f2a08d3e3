"""The loss of a run as it falls: a curve that grows."""

import math

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

HEIGHT_PX = 84
MARGIN_PX = 4
HEADROOM = 1.3  # for the text above the lines
LINE_COLOUR = "#3f8cff"  # seen on dark and on light
SMOOTHING = 0.7  # share of what was shown before, from point to point


class LossCurve(QWidget):
    """Draws the loss over the share of the run that is done.

    The faint line is what was measured, the strong one its running average.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[float, float]] = []
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("The loss: how wrong the masks are that the model makes while it learns.")

    def clear(self) -> None:
        """Begin anew."""
        self.points.clear()
        self.update()

    def add(self, progress: float, loss: float) -> None:
        """Add a point: share of the run (0 to 1) and loss."""
        if math.isfinite(loss):
            self.points.append((progress, loss))
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw a frame, both lines, and the first and last value."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(60)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(faint, 1))
        painter.drawRoundedRect(box, 3, 3)
        if not self.points:
            painter.setPen(text)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, "loss")
            painter.end()
            return
        smooth = smoothed([loss for _, loss in self.points])
        area = box.adjusted(MARGIN_PX, MARGIN_PX, -MARGIN_PX, -MARGIN_PX)
        colour = QColor(LINE_COLOUR)
        colour.setAlpha(90)
        painter.setPen(QPen(colour, 1))
        painter.drawPolyline(self._line(area, [loss for _, loss in self.points]))
        painter.setPen(QPen(QColor(LINE_COLOUR), 2))
        painter.drawPolyline(self._line(area, smooth))
        painter.setPen(text)
        corner = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight
        painter.drawText(area, corner, f"loss {smooth[0]:.2f} → {smooth[-1]:.2f}")
        painter.end()

    def _line(self, area: QRectF, losses: list[float]) -> QPolygonF:
        values = [loss for _, loss in self.points]
        low, high = 0.8 * min(values), HEADROOM * max(values)
        scale = area.height() / max(high - low, 1e-9)
        line = QPolygonF()
        for (progress, _), loss in zip(self.points, losses, strict=True):
            x = area.left() + progress * area.width()
            line.append(QPointF(x, area.bottom() - (loss - low) * scale))
        return line


def smoothed(values: list[float]) -> list[float]:
    """Average values exponentially, beginning with the first."""
    kept: list[float] = []
    for value in values:
        kept.append(SMOOTHING * kept[-1] + (1 - SMOOTHING) * value if kept else value)
    return kept
