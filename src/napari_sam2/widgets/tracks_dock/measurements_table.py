"""A table of measurements: sorted by a click, selected by rows."""

from typing import Any

import numpy as np
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_sam2.tracks.measurements import NO_TABLE, Table

_Index = QModelIndex | QPersistentModelIndex


class TableModel(QAbstractTableModel):
    """Columns of numbers and words as a Qt model; nothing is copied for each cell."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table = NO_TABLE
        self._sorted_by: tuple[int, Qt.SortOrder] | None = None

    def set_table(self, table: Table) -> None:
        """Show another table, in the order that was chosen before if it has that column."""
        self.beginResetModel()
        self._table = table
        if self._sorted_by is not None:
            self._sort(*self._sorted_by)
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """Count the rows."""
        return 0 if parent.isValid() else len(self._table)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """Count the columns."""
        return 0 if parent.isValid() else len(list(self._table))

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Get what a cell shows."""
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(self._table.iat[index.row(), index.column()])
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Get the name of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return str(self._table.columns[section])
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal rows stay as they were."""
        self.layoutAboutToBeChanged.emit()
        self._sorted_by = (column, order)
        self._sort(column, order)
        self.layoutChanged.emit()

    def value(self, row: int, name: str) -> Any:
        """Get the value of a shown row in a column; None if there is no such column."""
        return self._table[name].iat[row] if name in self._table else None

    def rows_of(self, object_id: int) -> list[int]:
        """List the shown rows of an object."""
        if "object" not in self._table:
            return []
        return np.flatnonzero(self._table["object"] == object_id).tolist()

    def _sort(self, column: int, order: Qt.SortOrder) -> None:
        if 0 <= column < len(list(self._table)):
            by, is_ascending = self._table.columns[column], order == Qt.SortOrder.AscendingOrder
            self._table = self._table.sort_values(by, ascending=is_ascending, kind="stable")


class NumbersTable(QTableView):
    """Shows a table, and says whose row is selected.

    Signals
    -------
    place_selected
        Object id and frame of the row that was clicked; -1 for a frame where it has none.
    rows_selected
        Other rows are selected.
    """

    place_selected = Signal(int, int)
    rows_selected = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.numbers = TableModel(self)
        self.setModel(self.numbers)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setToolTip(
            "Click a row to go to its object and frame, a heading to sort by it; select rows of "
            "several objects (Ctrl, Shift) to plot them together."
        )
        header = self.verticalHeader()
        if header is not None:
            header.setVisible(False)
            header.setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.clicked.connect(self._clicked)

    def show_table(self, table: Table) -> None:
        """Show another table."""
        self.numbers.set_table(table)
        self.resizeColumnsToContents()

    @property
    def selected_objects(self) -> tuple[int, ...]:
        """List the objects of the selected rows, ascending."""
        selection = self.selectionModel()
        rows = [] if selection is None else selection.selectedRows()
        found = {self.numbers.value(index.row(), "object") for index in rows}
        return tuple(sorted(int(object_id) for object_id in found if object_id is not None))

    def select_object(self, object_id: int) -> None:
        """Go to the first row of an object unless one of its rows is selected."""
        rows = self.numbers.rows_of(object_id)
        if rows and self.currentIndex().row() not in rows:
            self.selectRow(rows[0])

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Show which rows are selected, and tell."""
        super().selectionChanged(selected, deselected)
        self.rows_selected.emit()

    def _clicked(self, index: QModelIndex) -> None:
        object_id = self.numbers.value(index.row(), "object")
        frame = self.numbers.value(index.row(), "frame")
        if object_id is not None:
            self.place_selected.emit(int(object_id), -1 if frame is None else int(frame))


def _text(value: Any) -> str:
    if isinstance(value, float):  # of numpy, too
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)
