"""A plot of lines below a title, drawn by pyqtgraph."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPalette, QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget


class Line(NamedTuple):
    """Points of a line, at least one of them finite, its colour and width in pixels."""

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    colour: QColor
    width: float


class LinePlot(QWidget):
    """Draws lines; pyqtgraph is imported when the first of them is seen.

    Parameters
    ----------
    tooltip
        Of title and plot.
    height
        Minimum height of the plot in pixels.
    x_range
        Smallest and largest x value that are shown; by default those of the lines.

    Signals
    -------
    x_clicked
        The x value that was clicked, within the range of the lines.
    """

    x_clicked = Signal(float)

    def __init__(
        self, tooltip: str, height: int, x_range: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.setToolTip(tooltip)
        self.setMinimumHeight(height)
        self.lines: Sequence[Line] = ()
        self.plot: Any = None
        self._x_range = x_range
        self._marker: int | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.title)
        self._layout.addStretch()

    def show_lines(self, title: str, lines: Sequence[Line]) -> None:
        """Replace title and lines."""
        self.title.setText(title)
        self.lines = lines
        self._draw()

    def show_marker(self, x: int | None) -> None:
        """Draw a vertical line, for example at the frame that the viewer shows."""
        if x != self._marker:
            self._marker = x
            self._draw()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw what was set while the plot was hidden."""
        super().showEvent(event)
        self._draw()

    def _draw(self) -> None:
        if not self.isVisible() or not (self.lines or self.plot):
            return
        import pyqtgraph

        self.plot = self.plot or self._add_plot(pyqtgraph.PlotWidget(background=None))
        self.plot.clear()
        self.plot.setVisible(bool(self.lines))
        if self.lines:
            x, y = (np.concatenate(values) for values in list(zip(*self.lines, strict=True))[:2])
            low, high = self._x_range or (x.min(), x.max())
            self.plot.setXRange(low, max(high, low + 1), padding=0.02)
            self.plot.setYRange(min(np.nanmin(y), 0), np.nanmax(y))
        for line in self.lines:
            stroke = pyqtgraph.mkPen(line.colour, width=line.width)
            is_point = np.isfinite(line.y).sum() == 1
            symbol = {"symbol": "o", "symbolSize": 4, "symbolPen": stroke} if is_point else {}
            self.plot.plot(line.x, line.y, pen=stroke, connect="finite", antialias=True, **symbol)
        if self._marker is not None:
            stroke = pyqtgraph.mkPen(self.palette().text().color(), style=Qt.PenStyle.DashLine)
            self.plot.addItem(pyqtgraph.InfiniteLine(self._marker, pen=stroke), ignoreBounds=True)

    def _add_plot(self, plot: Any) -> Any:
        plot.setMouseEnabled(x=False, y=False)  # the wheel scrolls the dock
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.showGrid(y=True, alpha=0.2)
        # x values are whole: frames, percent
        plot.getAxis("bottom").tickStrings = _whole_numbers
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setTextPen(self.palette().color(QPalette.ColorRole.WindowText))
            axis.enableAutoSIPrefix(False)
        plot.scene().sigMouseClicked.connect(self._clicked)
        self._layout.addWidget(plot, 1)
        return plot

    def _clicked(self, event: Any) -> None:
        if self.lines:
            x = self.plot.getViewBox().mapSceneToView(event.scenePos()).x()
            every = np.concatenate([line.x for line in self.lines])
            self.x_clicked.emit(float(np.clip(x, every.min(), every.max())))


def _whole_numbers(values: list[float], scale: float, spacing: float) -> list[str]:
    return [f"{value:.0f}" if value == round(value) else "" for value in values]
