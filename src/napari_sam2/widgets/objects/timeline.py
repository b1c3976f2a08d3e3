"""The timeline: objects as rows, frames as columns, coloured by how sure each mask is."""

from collections.abc import Mapping
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QPointF, QRect, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QContextMenuEvent,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from qtpy.QtWidgets import QAbstractScrollArea, QMenu, QScrollBar, QToolTip, QWidget

from napari_sam2.masks.quality import Reason, ReviewTable, expected_iou
from napari_sam2.widgets.controls.icons import object_qcolor
from napari_sam2.widgets.objects.timeline_cells import (
    ROW_PX,
    cell_codes,
    cell_image,
    ticks_at,
    to_columns,
)

GUTTER_PX = 30  # for the numbers of the objects
MIN_ROWS, MAX_ROWS = 3, 10
CORNER_PX = 3.5  # from the middle of a suggestion's mark to its corners
NEAR_PX = 5  # how far a click on it may be off
LINE = "#ff3bd0"  # the current frame: a colour that nothing else has
WHY = {
    Reason.QUALITY: "poor mask expected",
    Reason.PRESENCE: "may not be there",
    Reason.AREA: "its area jumps",
    Reason.PLACE: "it jumps",
    Reason.VANISHING: "it disappears suddenly",
}


class ConfidenceTimeline(QAbstractScrollArea):
    """Draws how sure the masks are, and says where the user points.

    Signals
    -------
    pointed
        Object id and frame that was clicked on.
    decided
        Object id and frame of a suggestion, and whether it was accepted in its menu.
    """

    pointed = Signal(int, int)
    decided = Signal(int, int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = cast("QWidget", self.viewport())
        self._bar = cast("QScrollBar", self.verticalScrollBar())
        self._table: ReviewTable | None = None
        self._names: Mapping[int, str] = {}
        self._locked: frozenset[tuple[int, int]] = frozenset()
        self._locked_objects: frozenset[int] = frozenset()
        self._current: tuple[int | None, int | None] = (None, None)
        self._suggested: Mapping[tuple[int, int], str] = {}
        self._rows = 0
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self._view.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_table(
        self,
        table: ReviewTable | None,
        names: Mapping[int, str],
        locked: frozenset[tuple[int, int]] = frozenset(),
        locked_objects: frozenset[int] = frozenset(),
    ) -> None:
        """Show these scores.

        Parameters
        ----------
        table
            The scores; read anew whenever the widget is drawn. None for none.
        names
            What the objects are called.
        locked, locked_objects
            Locked (object id, frame), and objects that are locked as a whole.
        """
        self._table, self._names = table, names
        self._locked, self._locked_objects = locked, locked_objects
        rows = 0 if table is None else len(table.table.object_ids)
        if rows != self._rows:
            self._rows = rows
            self.updateGeometry()
            self._fit_scroll_bar()
        self._view.update()

    def show_current(self, object_id: int | None, frame: int | None) -> None:
        """Mark where the viewer is."""
        if (object_id, frame) == self._current:
            return
        scroll = object_id != self._current[0]
        self._current = (object_id, frame)
        row = None if self._table is None or object_id is None else self._table.table.row(object_id)
        if scroll and row is not None:
            bar, full = self._bar, max(self._view.height() // ROW_PX, 1)
            if not bar.value() <= row < bar.value() + full:
                bar.setValue(row - full // 2)
        self._view.update()

    def show_suggested(self, suggested: Mapping[tuple[int, int], str]) -> None:
        """Mark what may have happened, in words by object id and frame."""
        self._suggested = dict(suggested)
        self._view.update()

    def suggested_at(self, at: QPoint) -> tuple[int, int] | None:
        """Return object id and frame of the suggestion at a position; None if there is none."""
        cell = self.cell_at(at)
        if cell is None:
            return None
        away = {
            frame: abs(self.position_of(object_id, frame).x() - at.x())
            for object_id, frame in self._suggested
            if object_id == cell[0]
        }
        frame = min(away, key=lambda frame: away[frame], default=-1)
        near = frame >= 0 and (frame == cell[1] or away[frame] <= NEAR_PX)
        return (cell[0], frame) if near else None

    def menu_at(self, at: QPoint) -> QMenu | None:
        """Return the menu of the suggestion at a position; None if there is none."""
        place = self.suggested_at(at)
        if place is None:
            return None
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for word, accepted in (("Accept", True), ("Dismiss", False)):
            action = menu.addAction(f"{word}: {self._suggested[place]}")
            if action is not None:
                action.triggered.connect(partial(self._decide, place, accepted))
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        """Let a suggestion be accepted or dismissed."""
        menu = None if event is None else self.menu_at(event.pos())
        if menu is not None and event is not None:
            menu.popup(event.globalPos())

    def cell_at(self, at: QPoint) -> tuple[int, int] | None:
        """Return object id and frame at a position in the viewport; None beside the cells."""
        if self._table is None:
            return None
        ids = self._table.table.object_ids
        row = self._bar.value() + at.y() // ROW_PX
        width = self._cells_width()
        if not (0 <= row < len(ids) and 0 <= at.x() - GUTTER_PX < width):
            return None
        n_frames = self._table.scores.shape[1]
        return ids[row], (at.x() - GUTTER_PX) * n_frames // width

    def position_of(self, object_id: int, frame: int) -> QPoint:
        """Return the middle of a cell in the viewport.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        row = None if self._table is None else self._table.table.row(object_id)
        if self._table is None or row is None:
            raise KeyError(f"object {object_id} has no row in the timeline")
        y = (row - self._bar.value()) * ROW_PX + ROW_PX // 2
        x = (frame + 0.5) * self._cells_width() / self._table.scores.shape[1]
        return QPoint(GUTTER_PX + int(x), y)

    def sizeHint(self) -> QSize:
        """Return the size of some rows; more are scrolled."""
        rows = min(max(self._rows, MIN_ROWS), MAX_ROWS)
        return QSize(200, rows * ROW_PX + 2 * self.frameWidth() + 2)

    def minimumSizeHint(self) -> QSize:
        """Return a size as high as `sizeHint`."""
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the rows that are seen, as one image, and the lines over it."""
        painter = QPainter(self._view)
        try:
            self._draw(painter)
        finally:  # Qt crashes if it is still there when the event is over
            painter.end()

    def _draw(self, painter: QPainter) -> None:
        table = self._table
        if table is None or not self._rows:
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.drawText(self._view.rect(), Qt.AlignmentFlag.AlignCenter, "no masks yet")
            return
        first = self._bar.value()
        shown = slice(first, first + self._view.height() // ROW_PX + 1)
        pixels = self._cells(table, shown)
        height, width = pixels.shape
        image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_ARGB32)
        ratio = self.devicePixelRatioF()
        target = QRect(GUTTER_PX, 0, self._cells_width(), round(height / ratio))
        painter.drawImage(target, image)
        self._draw_numbers(painter, table.table.object_ids[shown])
        self._draw_suggested(painter, table)
        self._draw_current(painter, table, first)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Scroll over what is not seen."""
        super().resizeEvent(event)
        self._fit_scroll_bar()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go where the user points."""
        self._point(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follow a dragging mouse."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event)

    def viewportEvent(self, event: QEvent | None) -> bool:
        """Tell the numbers of the cell under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            cell = self.cell_at(event.pos())
            QToolTip.showText(event.globalPos(), "" if cell is None else self.describe(*cell))
            return True
        return bool(super().viewportEvent(event))

    def describe(self, object_id: int, frame: int) -> str:
        """Tell the numbers of a mask."""
        table = self._table
        row = None if table is None else table.table.row(object_id)
        name = f"{self._names.get(object_id, object_id)}, frame {frame}"
        if table is None or row is None or not table.table.statistics.known[row, frame]:
            return f"{name}: not segmented yet"
        statistics, parts = table.table.statistics, [name]
        if statistics.present[row, frame]:
            parts.append(f"area {statistics.area[row, frame]:.0f} pixels")
        else:
            parts.append("absent")
        if np.isfinite(statistics.iou[row, frame]):
            iou = float(expected_iou(statistics.iou[row, frame], table.calibration))
            what = "predicted" if table.calibration is None else "expected"
            parts.append(f"{what} IoU {iou:.2f}" if iou < 1 else "not the network's mask")
            parts.append(f"object score {statistics.object_score[row, frame]:+.1f}")
        if statistics.given[row, frame]:
            parts.append("drawn or locked by you")
        lack = float(table.scores[row, frame])
        why = f" ({WHY[Reason(table.reasons[row, frame])]})" if lack >= 0.05 else ""
        if (object_id, frame) in self._suggested:
            words = self._suggested[object_id, frame]
            parts.append(f"suggested: {words}; a right click accepts or dismisses it")
        confidence = 100 * float(table.confidence[row, frame])
        return "\n".join([*parts, f"confidence {confidence:.0f} %{why}"])

    def _cells(self, table: ReviewTable, shown: slice) -> NDArray[np.uint32]:
        """Paint the rows that are seen, in the pixels of the screen."""
        ratio = self.devicePixelRatioF()
        n_columns = max(round(self._cells_width() * ratio), 1)
        statistics, scores = table.table.statistics.objects(shown), table.scores[shown]
        ids = table.table.object_ids[shown]
        locked = np.zeros(statistics.shape, bool)
        for row, object_id in enumerate(ids):
            locked[row] = object_id in self._locked_objects
        for object_id, frame in self._locked:
            if object_id in ids:
                locked[ids.index(object_id), frame] = True
        codes = cell_codes(statistics, scores, n_columns)
        prompted = ticks_at(statistics.given & ~locked, n_columns)
        return cell_image(codes, prompted, to_columns(locked, n_columns) > 0, round(ROW_PX * ratio))

    def _draw_numbers(self, painter: QPainter, ids: tuple[int, ...]) -> None:
        font = painter.font()
        font.setPixelSize(9)
        painter.setFont(font)
        text = self.palette().color(QPalette.ColorRole.Text)
        for row, object_id in enumerate(ids):
            y = row * ROW_PX
            painter.fillRect(1, y + 2, 5, ROW_PX - 3, object_qcolor(object_id))
            painter.setPen(text)
            box = QRect(8, y, GUTTER_PX - 10, ROW_PX)
            painter.drawText(
                box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(object_id)
            )

    def _draw_suggested(self, painter: QPainter, table: ReviewTable) -> None:
        """Draw a diamond for each suggestion."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor("black"), 1))
        painter.setBrush(QColor("white"))
        for object_id, frame in self._suggested:
            if table.table.row(object_id) is None or frame >= table.scores.shape[1]:
                continue
            middle = QPointF(self.position_of(object_id, frame))
            ways = ((0, -1), (1, 0), (0, 1), (-1, 0))
            corners = [middle + QPointF(x, y) * CORNER_PX for x, y in ways]
            painter.drawPolygon(QPolygonF(corners))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _decide(self, place: tuple[int, int], accepted: bool) -> None:
        self.decided.emit(*place, accepted)

    def _draw_current(self, painter: QPainter, table: ReviewTable, first: int) -> None:
        object_id, frame = self._current
        row = None if object_id is None else table.table.row(object_id)
        if row is not None:
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            y = (row - first) * ROW_PX
            painter.drawRect(QRect(0, y, self._view.width() - 1, ROW_PX))
        if frame is not None:
            x = GUTTER_PX + (frame + 0.5) * self._cells_width() / table.scores.shape[1]
            painter.fillRect(int(x), 0, 1, self._view.height(), QColor(LINE))

    def _point(self, event: QMouseEvent | None) -> None:
        cell = None if event is None else self.cell_at(event.pos())
        if cell is not None:
            self.pointed.emit(*cell)

    def _cells_width(self) -> int:
        return max(int(self._view.width()) - GUTTER_PX - 1, 1)

    def _fit_scroll_bar(self) -> None:
        full = max(self._view.height() // ROW_PX, 1)
        self._bar.setPageStep(full)
        self._bar.setRange(0, max(self._rows - full, 0))
