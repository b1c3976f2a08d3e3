"""What the lineage tree is drawn with, by pyqtgraph; imported when the tree is opened."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import QLineF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QPainter

from napari_sam2.tracks.lineage_layout import LineageLayout

NAME_EVERY_PX = 13
TICK_PX = 16
LONGEST_NAME = 14
SCROLLED_ROWS = 3
THICKNESS = 0.6
"""Of a track, as a share of a row."""

SELECTED_ALPHA = 60


class TrackLines(pyqtgraph.GraphicsObject):  # type: ignore[misc]
    """Draws tracks as horizontal lines, and divisions as connectors.

    Only rows within the view are drawn. One time point is one unit wide, with its centre at its
    number; a row is one unit high.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ink = QColor("black")
        self._thin: list[QLineF] = []
        self._bars: list[tuple[QColor, NDArray[np.intp], list[QRectF]]] = []
        self._selected: int | None = None
        self._bounds = QRectF(0, 0, 1, 1)

    def set_tracks(
        self,
        layout: LineageLayout,
        runs: NDArray[np.intp],
        palette: list[QColor],
        n_times: int,
    ) -> None:
        """Draw other tracks.

        Parameters
        ----------
        layout
            Rows and divisions.
        runs
            (N, 4) row, first and last time point, index of the colour; by row.
        palette
            The colours.
        n_times
            Number of time points.
        """
        self.prepareGeometryChange()
        self._thin = [*_connectors(layout), *_gaps(runs)]
        self._bars = [
            (palette[colour], own[:, 0], [_bar(*run) for run in own[:, :3].tolist()])
            for colour in np.unique(runs[:, 3]).tolist()
            for own in (runs[runs[:, 3] == colour],)
        ]
        self._bounds = QRectF(-1, -1, n_times + 1, len(layout.object_ids) + 1)
        self.update()

    def select(self, row: int | None) -> None:
        """Mark a row; None for none."""
        if row != self._selected:
            self._selected = row
            self.update()

    def boundingRect(self) -> QRectF:
        """Return the rectangle of all tracks."""
        return self._bounds

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw the rows within the view."""
        view = self.viewRect()
        first, stop = int(view.top()) - 1, int(view.bottom()) + 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if self._selected is not None:
            band = QColor(self.ink)
            band.setAlpha(SELECTED_ALPHA)
            painter.fillRect(QRectF(view.left(), self._selected - 0.5, view.width(), 1), band)
        if self._thin:
            painter.setPen(pyqtgraph.mkPen(self.ink))
            painter.drawLines(self._thin)  # type: ignore[call-overload]  # lists are fine
        painter.setPen(Qt.PenStyle.NoPen)  # rectangles are many times faster than thick lines
        for colour, rows, rectangles in self._bars:
            low, high = np.searchsorted(rows, (first, stop))
            if high > low:
                painter.setBrush(colour)
                painter.drawRects(rectangles[low:high])  # type: ignore[call-overload]


class RowView(pyqtgraph.ViewBox):  # type: ignore[misc]
    """Scrolls rows with the wheel; zooms with Ctrl, and in time alone with Shift."""

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:
        """Scroll or zoom."""
        modifiers = event.modifiers()
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event, axis)
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            super().wheelEvent(event, 0)
        else:
            self.translateBy(y=-SCROLLED_ROWS * event.delta() / 120)
            self.sigRangeChangedManually.emit((False, True))
            event.accept()


class RowNames(pyqtgraph.AxisItem):  # type: ignore[misc]
    """An axis with the names of the rows, as many as there is room for.

    Parameters
    ----------
    name
        Returns the name of a row.
    """

    def __init__(self, name: Callable[[int], str]) -> None:
        super().__init__("left")
        self._name = name
        # pyqtgraph leaves out names that are wider than the axis
        self.setWidth(QFontMetrics(self.font()).horizontalAdvance("n" * LONGEST_NAME) + TICK_PX)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[int]]]:
        """Return the rows that are named."""
        low, high = min(low, high), max(low, high)  # the view is upside down
        step = max(1, int(np.ceil(NAME_EVERY_PX * (high - low) / max(size, 1))))
        return [(step, list(range(int(np.ceil(low / step)) * step, int(high) + 1, step)))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return their names, shortened in the middle."""
        names = [self._name(round(value)) for value in values]
        half = LONGEST_NAME // 2
        return [n if len(n) <= LONGEST_NAME else f"{n[: half - 1]}…{n[-half:]}" for n in names]


def _bar(row: int, begin: int, end: int) -> QRectF:
    return QRectF(begin - 0.5, row - THICKNESS / 2, end - begin + 1, THICKNESS)


def _connectors(layout: LineageLayout) -> Iterator[QLineF]:
    for mother, end, daughter, begin in layout.links.tolist():
        yield QLineF(end + 0.5, mother, begin - 0.5, mother)
        yield QLineF(begin - 0.5, mother, begin - 0.5, daughter)


def _gaps(runs: NDArray[np.intp]) -> Iterator[QLineF]:
    """Yield a line where a track has no mask between two that it has."""
    for (row, _, end, _), (next_row, begin, _, _) in pairwise(runs.tolist()):
        if row == next_row and begin > end + 1:
            yield QLineF(end + 0.5, row, begin - 0.5, row)
