"""Buttons, choices and rows of forms that fit a narrow dock."""

from collections.abc import Sequence
from typing import Any, cast

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_sam2.widgets.controls.flow_row import WrappingRow

LABEL_WIDTH_PX = 68
BESIDE_TEXT_PX = 10
PLAIN = "QLabel { padding: 0px; margin: 0px; }"  # napari's would take the room of a line


def combo_box(tooltip: str, items: Sequence[str] = ()) -> QComboBox:
    """Return a combo box that shrinks: long names of layers must not widen the dock."""
    combo = QComboBox()
    combo.addItems(list(items))
    combo.setToolTip(tooltip)
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def button(text: str, tooltip: str) -> QPushButton:
    """Return a button that takes its share of the row."""
    return _dressed(QPushButton(text), tooltip)


def small_button(text: str, tooltip: str) -> QPushButton:
    """Return a button of which four fit beside each other."""
    push = _dressed(_SmallButton(text), tooltip)
    push.setStyleSheet("QPushButton { padding: 4px 2px; }")
    return push


class _SmallButton(QPushButton):
    """Is never narrower than its text, and hardly wider."""

    def minimumSizeHint(self) -> QSize:
        """Return the size of the text in the present font."""
        width = self.fontMetrics().horizontalAdvance(self.text()) + BESIDE_TEXT_PX
        return QSize(width, super().minimumSizeHint().height())


def _dressed(push: QPushButton, tooltip: str) -> QPushButton:
    push.setToolTip(tooltip)
    push.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return push


def row(*widgets: QWidget) -> WrappingRow:
    """Lay widgets side by side, in several lines where they do not fit."""
    return WrappingRow(*widgets)


def form() -> QFormLayout:
    """Return a form whose labels are equally wide in every section."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    layout.setVerticalSpacing(4)
    return layout


def narrow(plain: Any) -> Any:
    """Let a magicgui form be as narrow as the dock, its labels as wide as those of `form`."""
    plain.margins = (0, 0, 0, 0)
    for each in plain:
        each.label = each.label[:1].upper() + each.label[1:]
    plain.native.setStyleSheet(f"{PLAIN} QLabel {{ min-width: {LABEL_WIDTH_PX}px; }}")
    for field in plain.native.findChildren(QComboBox) + plain.native.findChildren(QAbstractSpinBox):
        field.setMinimumWidth(LABEL_WIDTH_PX)
        field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return plain


def add_row(layout: QFormLayout, text: str, field: QWidget | QLayout) -> QLabel:
    """Add a field with its label."""
    label = QLabel(text)
    label.setMinimumWidth(LABEL_WIDTH_PX)
    layout.addRow(label, cast("QWidget", field))
    return label
