"""The table of objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, cast

from qtpy.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPoint,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QFontInfo, QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from napari_sam2.widgets.controls import icons

NOWHERE = QModelIndex()
USUAL_LETTER_PX, ROW_PX = 12, 21  # of napari's interface; rows are higher with larger letters
Role = Qt.ItemDataRole


class Column(IntEnum):
    """The columns, from left to right."""

    NUMBER = 0
    NAME = 1
    CATEGORY = 2
    FRAMES = 3
    LOWEST = 4
    LOCKED = 5
    VISIBLE = 6


TITLES = ("", "Name", "Class", "Frames", "Conf.", "", "")
WIDTHS_PX = (38, 70, 36, 44, 0, 20, 20)
FULL_CERTAINTY = "100 %"
CELL_PADDING_PX, NUMBER_PADDING_PX = 10, 14
HEADER_FONT_PX = 11
TOOLTIPS = (
    "The object's number, which is its value in the Labels layers, and its colour.",
    "Double-click to rename.",
    "Class of the object, e.g. the type of the cell. Double-click to change it.",
    "In how many frames the object has a mask.",
    "Lowest confidence of the object's masks. Click on the title to list the lowest first.",
    "Locked: nothing changes this object's masks.",
    "Shown in the layers.",
)
EDITABLE = (Column.NAME, Column.CATEGORY)
SWITCHES = (Column.LOCKED, Column.VISIBLE)


@dataclass(frozen=True)
class ObjectRow:
    """Values of one row.

    Parameters
    ----------
    object_id, name, category
        Its number, name and class.
    n_frames
        In how many frames it has a mask.
    lowest
        The lowest confidence of its masks, 0 to 1; None without a mask.
    is_locked, is_visible
        Whether it is protected, and shown.
    """

    object_id: int
    name: str
    category: str = ""
    n_frames: int = 0
    lowest: float | None = None
    is_locked: bool = False
    is_visible: bool = True

    def sorted_by(self, column: Column) -> Any:
        """Return what rows are sorted by."""
        return {
            Column.NUMBER: self.object_id,
            Column.NAME: self.name.casefold(),
            Column.CATEGORY: self.category.casefold(),
            Column.FRAMES: self.n_frames,
            Column.LOWEST: 2.0 if self.lowest is None else self.lowest,
            Column.LOCKED: not self.is_locked,
            Column.VISIBLE: self.is_visible,
        }[column]

    def text(self, column: Column) -> str:
        """Return the text of a cell."""
        return {
            Column.NUMBER: str(self.object_id),
            Column.NAME: self.name,
            Column.CATEGORY: self.category,
            Column.FRAMES: str(self.n_frames),
            Column.LOWEST: "" if self.lowest is None else f"{100 * self.lowest:.0f} %",
        }.get(column, "")


class ObjectTableModel(QAbstractTableModel):
    """Rows of objects, in the order that the user chose.

    Signals
    -------
    renamed, classified
        Object id and text, when the user wrote one.
    """

    renamed = Signal(int, str)
    classified = Signal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ObjectRow] = []
        self._order = (Column.NUMBER, Qt.SortOrder.AscendingOrder)

    @property
    def object_ids(self) -> list[int]:
        """List the objects as they are shown."""
        return [row.object_id for row in self._rows]

    def row(self, number: int) -> ObjectRow:
        """Return what is written in a row."""
        return self._rows[number]

    def set_rows(self, rows: Sequence[ObjectRow]) -> bool:
        """Show these objects; returns whether others were shown before.

        Where only their values differ, rows keep their places: none moves under the mouse.
        """
        by_id = {row.object_id: row for row in rows}
        if by_id.keys() != set(self.object_ids):
            self.beginResetModel()
            self._rows = self._sorted(rows)
            self.endResetModel()
            return True
        for at, before in enumerate(self._rows):
            now = by_id[before.object_id]
            if now != before:
                self._rows[at] = now
                self.dataChanged.emit(self.index(at, 0), self.index(at, len(Column) - 1))
        return False

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Count the objects."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Count the columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Return titles and their tooltips."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Role.DisplayRole:
                return TITLES[section]
            if role == Role.ToolTipRole:
                return TOOLTIPS[section]
        return None

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self._rows[index.row()], Column(index.column())
        if role in (Role.DisplayRole, Role.EditRole):
            return row.text(column)
        if role == Role.DecorationRole:
            return _decoration(row, column)
        if role == Role.TextAlignmentRole and column in (Column.FRAMES, Column.LOWEST):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Role.ToolTipRole:
            return row.name if column == Column.NAME else TOOLTIPS[column]
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Role.EditRole) -> bool:
        """Emit what the user wrote; the row changes once the log has it."""
        text, row = str(value).strip(), self._rows[index.row()]
        column = Column(index.column())
        is_named = text or column != Column.NAME
        if column not in EDITABLE or text == row.text(column) or not is_named:
            return False
        signal = self.renamed if column == Column.NAME else self.classified
        signal.emit(row.object_id, text)
        return True

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return which cells can be edited."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() in EDITABLE else flags

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by a column."""
        self._order = (Column(max(column, 0)), order)
        self.beginResetModel()
        self._rows = self._sorted(self._rows)
        self.endResetModel()

    def _sorted(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        column, order = self._order
        by_id = sorted(rows, key=lambda row: row.object_id)
        descending = order == Qt.SortOrder.DescendingOrder
        return sorted(by_id, key=lambda row: row.sorted_by(column), reverse=descending)


class ObjectTable(QTableView):
    """Shows the objects, and emits what the user wants done with them.

    Signals
    -------
    chosen
        Object id: it is to be the current one, and looked at.
    lock_wanted, show_wanted
        Object ids, and whether they are to be locked, or shown.
    selection_changed
        Other rows are selected.
    """

    chosen = Signal(int)
    lock_wanted = Signal(list, bool)
    show_wanted = Signal(list, bool)
    selection_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects = ObjectTableModel(self)
        self.setModel(self.objects)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setIconSize(QSize(icons.ICON_PX, icons.ICON_PX))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._arrange_headers()
        self._fit_letters()
        self.menu_entries: Callable[[], list[tuple[str, Callable[[], None]]]] = list
        self._selected: list[int] = []
        self._current: int | None = None
        self._ours = False
        self.objects.modelReset.connect(self._restore)
        self.customContextMenuRequested.connect(self._open_menu)
        selection = self._selection_model()
        selection.currentRowChanged.connect(self._current_changed)
        selection.selectionChanged.connect(self._selection_changed)

    @property
    def selected_ids(self) -> list[int]:
        """List the objects whose rows are selected, in the order of their numbers."""
        return sorted(self._selected)

    @property
    def row_height(self) -> int:
        """Height of a row with the letters that there are now, in pixels."""
        return max(ROW_PX, round(ROW_PX * QFontInfo(self.font()).pixelSize() / USUAL_LETTER_PX))

    def changeEvent(self, event: QEvent | None) -> None:
        """Fit other letters."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_letters()

    def show_rows(self, rows: Sequence[ObjectRow], current: int | None) -> None:
        """Show the objects, and which one is current; what is selected stays selected."""
        self._fit_columns(rows)
        there = {row.object_id for row in rows}
        still = [i for i in self._selected if i in there]
        changed = current != self._current
        self._current = current
        if changed or not still:
            still = [current] if current in there and current is not None else []
        self._selected = still
        if self.objects.set_rows(rows) or not changed:
            return
        self._restore()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take a press on a padlock or an eye; it selects nothing."""
        if event is None:
            return
        index = self.indexAt(event.pos())
        left = event.button() == Qt.MouseButton.LeftButton
        if left and index.isValid() and index.column() in SWITCHES:
            self._switch(self.objects.row(index.row()), Column(index.column()))
        else:
            super().mousePressEvent(event)

    def _arrange_headers(self) -> None:
        vertical = cast("QHeaderView", self.verticalHeader())
        horizontal = cast("QHeaderView", self.horizontalHeader())
        vertical.hide()
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names differ at their ends
        vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        horizontal.setMinimumSectionSize(20)
        horizontal.setHighlightSections(False)
        horizontal.setStyleSheet(
            f"QHeaderView::section {{ font-size: {HEADER_FONT_PX}px; padding: 2px; }}"
        )
        modes = QHeaderView.ResizeMode
        for column, width in zip(Column, WIDTHS_PX, strict=True):
            stretches = column == Column.NAME
            horizontal.setSectionResizeMode(
                int(column), modes.Stretch if stretches else modes.Interactive
            )
            self.setColumnWidth(int(column), width)
        horizontal.setSortIndicator(int(Column.NUMBER), Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.setColumnHidden(int(Column.CATEGORY), True)  # until used: names need the room

    def _fit_letters(self) -> None:
        """Set the height of rows by the font; columns and titles stay."""
        cast("QHeaderView", self.verticalHeader()).setDefaultSectionSize(self.row_height)
        widest = self.fontMetrics().horizontalAdvance(FULL_CERTAINTY) + CELL_PADDING_PX
        self.setColumnWidth(int(Column.LOWEST), widest)

    def write_class(self, object_id: int) -> None:
        """Let the user write the class of an object."""
        self.setColumnHidden(int(Column.CATEGORY), False)
        row = self.objects.object_ids.index(object_id)
        self.edit(self.objects.index(row, int(Column.CATEGORY)))

    def _fit_columns(self, rows: Sequence[ObjectRow]) -> None:
        """Show classes where there are any, and numbers in full."""
        if any(row.category for row in rows):
            self.setColumnHidden(int(Column.CATEGORY), False)
        longest = max((str(row.object_id) for row in rows), key=len, default="")
        digits = self.fontMetrics().horizontalAdvance(longest)
        width = max(icons.ICON_PX + digits + NUMBER_PADDING_PX, WIDTHS_PX[Column.NUMBER])
        self.setColumnWidth(int(Column.NUMBER), width)

    def _restore(self) -> None:
        """Select what was selected, in the rows that are there now."""
        rows = {i: row for row, i in enumerate(self.objects.object_ids)}
        self._ours = True
        selection = QItemSelection()
        for object_id in rows.keys() & set(self._selected):
            at = self.objects.index(rows[object_id], 0)
            selection.select(at, at)
        flags = QItemSelectionModel.SelectionFlag
        model = self._selection_model()
        if self._current in rows:
            at = self.objects.index(rows[self._current], int(Column.NAME))
            model.setCurrentIndex(at, flags.NoUpdate)
            self.scrollTo(at)
        model.select(selection, flags.ClearAndSelect | flags.Rows)
        self._ours = False

    def _current_changed(self, now: QModelIndex) -> None:
        if not self._ours and now.isValid():
            self._current = self.objects.row(now.row()).object_id
            self.chosen.emit(self._current)

    def _selection_model(self) -> QItemSelectionModel:
        return cast("QItemSelectionModel", self.selectionModel())

    def _selection_changed(self) -> None:
        if not self._ours:
            rows = self._selection_model().selectedRows()
            self._selected = [self.objects.row(index.row()).object_id for index in rows]
            self.selection_changed.emit()

    def _switch(self, row: ObjectRow, column: Column) -> None:
        """Lock or show what was pressed on: the object, or all if it is one of several selected."""
        ids = self.selected_ids if row.object_id in self._selected else [row.object_id]
        if column == Column.LOCKED:
            self.lock_wanted.emit(ids, not row.is_locked)
        else:
            self.show_wanted.emit(ids, not row.is_visible)

    def _open_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        for text, call in self.menu_entries():
            menu.addAction(text, call)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(cast("QWidget", self.viewport()).mapToGlobal(at))


@cache
def _state_icon(column: Column, state: bool) -> Any:
    return icons.padlock(state) if column == Column.LOCKED else icons.eye(state)


def _decoration(row: ObjectRow, column: Column) -> Any:
    if column == Column.NUMBER:
        return icons.swatch(row.object_id)
    if column == Column.LOCKED:
        return _state_icon(column, row.is_locked)
    return _state_icon(column, row.is_visible) if column == Column.VISIBLE else None
