"""A plot of one quantity over the frames, a curve for each object."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam2.layers.viewer.colours import object_colour

Curve = tuple[NDArray[np.floating], NDArray[np.floating]]
MARGIN_PX = 6
N_TICKS = 4
LEAST_HEIGHT_PX = 130


def round_ticks(low: float, high: float, n: int = N_TICKS) -> list[float]:
    """Choose about `n` round numbers from `low` to `high`."""
    if not high > low:
        return [low]
    rough = (high - low) / n
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = np.ceil(low / step - 1e-9) * step
    return [float(tick) + 0.0 for tick in np.arange(first, high + step * 1e-6, step)]  # no -0


class Plot(QWidget):
    """Draws curves; a click goes to the frame.

    Signals
    -------
    frame_clicked
        The x value that was clicked on, rounded.
    """

    frame_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._curves: dict[int, Curve] = {}
        self._label = ""
        self._frame: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(LEAST_HEIGHT_PX)
        self.setToolTip("Click to go to a frame.")

    def sizeHint(self) -> QSize:
        """Ask for some room."""
        return QSize(260, LEAST_HEIGHT_PX + 20)

    def show_curves(self, curves: Mapping[int, Curve], label: str) -> None:
        """Draw frames and values of each object."""
        finite = {i: (x[np.isfinite(y)], y[np.isfinite(y)]) for i, (x, y) in curves.items()}
        self._curves = {i: curve for i, curve in finite.items() if len(curve[0])}
        self._label = label
        self.update()

    def show_frame(self, frame: int | None) -> None:
        """Mark the frame that the viewer shows."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the frame below the pointer."""
        if event is None or not self._curves:
            return
        area, (x0, x1, _, _) = self._area(), self._limits()
        share = (event.position().x() - area.left()) / max(area.width(), 1)
        self.frame_clicked.emit(round(x0 + min(max(share, 0), 1) * (x1 - x0)))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw axes and curves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        if not self._curves:
            painter.setPen(text)
            painter.drawText(
                self.rect(),
                int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap),
                "Select objects that have masks.",
            )
            return
        self._draw_axes(painter, text)
        for object_id, (x, y) in sorted(self._curves.items()):
            red, green, blue, _ = object_colour(object_id)
            painter.setPen(QPen(QColor.fromRgbF(float(red), float(green), float(blue)), 1.8))
            points = [self._to_screen(float(a), float(b)) for a, b in zip(x, y, strict=True)]
            for one, other in pairwise(points):
                painter.drawLine(one, other)
            if len(points) == 1:
                painter.drawEllipse(points[0], 2, 2)

    def _draw_axes(self, painter: QPainter, text: QColor) -> None:
        area, (x0, x1, y0, y1) = self._area(), self._limits()
        faint = QColor(text)
        faint.setAlphaF(0.2)
        metrics = self.fontMetrics()
        painter.setPen(text)
        painter.drawText(QPointF(MARGIN_PX, MARGIN_PX + metrics.ascent()), self._label)
        for tick in round_ticks(y0, y1):
            at = self._to_screen(x0, tick).y()
            painter.setPen(faint)
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(text)
            box = QRectF(0, at - 10, area.left() - 4, 20)
            painter.drawText(
                box,
                int(Qt.AlignmentFlag.AlignRight) | int(Qt.AlignmentFlag.AlignVCenter),
                f"{tick:g}",
            )
        for tick in (t for t in round_ticks(x0, x1) if t == round(t)):
            at = self._to_screen(tick, y0).x()
            box = QRectF(at - 30, area.bottom() + 2, 60, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{tick:g}")
        if self._frame is not None and x0 <= self._frame <= x1:
            painter.setPen(QPen(text, 1, Qt.PenStyle.DashLine))
            at = self._to_screen(self._frame, y0).x()
            painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()))

    def _area(self) -> QRectF:
        metrics = self.fontMetrics()
        _, _, y0, y1 = self._limits()
        widest = max(metrics.horizontalAdvance(f"{t:g}") for t in round_ticks(y0, y1))
        left, top = widest + 10, metrics.height() + 2 * MARGIN_PX
        bottom = metrics.height() + MARGIN_PX
        return QRectF(left, top, self.width() - left - 12, self.height() - top - bottom)

    def _limits(self) -> tuple[float, float, float, float]:
        xs = np.concatenate([x for x, _ in self._curves.values()])
        ys = np.concatenate([y for _, y in self._curves.values()])
        x0, x1, y0, y1 = (float(v) for v in (xs.min(), xs.max(), min(ys.min(), 0), ys.max()))
        return x0, max(x1, x0 + 1), y0, y1 if y1 > y0 else y0 + 1

    def _to_screen(self, x: float, y: float) -> QPointF:
        area, (x0, x1, y0, y1) = self._area(), self._limits()
        return QPointF(
            area.left() + (x - x0) / (x1 - x0) * area.width(),
            area.bottom() - (y - y0) / (y1 - y0) * area.height(),
        )
