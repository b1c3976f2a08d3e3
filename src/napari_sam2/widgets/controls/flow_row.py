"""A row of widgets that takes a second line where the dock is narrow or the letters are large."""

import math
from collections.abc import Sequence

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtWidgets import QLayout, QLayoutItem, QWidget

SPACING_PX = 6


class WrappingRow(QLayout):
    """Puts widgets side by side, with equal shares for those that grow; else on several lines.

    Never narrower than its widest widget.
    """

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(SPACING_PX)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem | None) -> None:
        """Take an item; for Qt."""
        if item is not None:
            self._items.append(item)

    def count(self) -> int:
        """Count the items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Give an item; None beyond the last one."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Give an item away; None beyond the last one."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Take the whole width, and no more height than needed."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        """Say that it gets higher where it is narrow."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Give the height of all lines."""
        heights = [self._height(line, width) for line in self._lines(width)]
        return sum(heights) + self.spacing() * max(len(heights) - 1, 0)

    def sizeHint(self) -> QSize:
        """Return the size of one line."""
        items = self._seen()
        width = sum(item.sizeHint().width() for item in items) + self._gaps(len(items))
        return QSize(width, max((item.sizeHint().height() for item in items), default=0))

    def minimumSize(self) -> QSize:
        """Return the width of the widest widget."""
        sizes = [item.minimumSize() for item in self._seen()]
        width = max((size.width() for size in sizes), default=0)
        return QSize(width, max((size.height() for size in sizes), default=0))

    def setGeometry(self, rect: QRect) -> None:
        """Lay out the widgets."""
        super().setGeometry(rect)
        top = rect.top()
        for line in self._lines(rect.width()):
            height, left = self._height(line, rect.width()), rect.left()
            for item, width in zip(line, self._widths(line, rect.width()), strict=True):
                tall = _height_of(item, width)
                item.setGeometry(QRect(left, top + (height - tall) // 2, width, tall))
                left += width + self.spacing()
            top += height + self.spacing()

    def _seen(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _gaps(self, n_items: int) -> int:
        return self.spacing() * max(n_items - 1, 0)

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        """Share the items out evenly among as few lines as will do."""
        items = self._seen()
        for n_lines in range(1, len(items)):
            n = math.ceil(len(items) / n_lines)
            lines = [items[i : i + n] for i in range(0, len(items), n)]
            if all(self._least(line) <= width for line in lines):
                return lines
        return [[item] for item in items]

    def _least(self, line: Sequence[QLayoutItem]) -> int:
        return sum(_least_width(item) for item in line) + self._gaps(len(line))

    def _height(self, line: Sequence[QLayoutItem], width: int) -> int:
        return max(map(_height_of, line, self._widths(line, width)))

    def _widths(self, line: Sequence[QLayoutItem], width: int) -> list[int]:
        """Give equal shares, but no less than is needed; who does not grow gets just that."""
        widths = [_least_width(item) for item in line]
        growing = [i for i, item in enumerate(line) if _grows(item)]
        room = width - self._gaps(len(line)) - sum(widths) + sum(widths[i] for i in growing)
        widest_first = sorted(growing, key=lambda i: -widths[i])
        for n_before, i in enumerate(widest_first):
            widths[i] = max(widths[i], room // (len(growing) - n_before))
            room -= widths[i]
        return [min(each, width) for each in widths]


def _grows(item: QLayoutItem) -> bool:
    """Say whether a widget takes more room than it needs: buttons and texts of several lines."""
    widget = item.widget()
    if widget is None or widget.maximumWidth() <= widget.sizeHint().width():
        return False
    expands = bool(item.expandingDirections() & Qt.Orientation.Horizontal)
    return expands or item.hasHeightForWidth()


def _least_width(item: QLayoutItem) -> int:
    size = item.minimumSize() if _grows(item) else item.sizeHint().boundedTo(item.maximumSize())
    return int(size.width())


def _height_of(item: QLayoutItem, width: int) -> int:
    height = item.heightForWidth(width) if item.hasHeightForWidth() else item.sizeHint().height()
    return int(height)
