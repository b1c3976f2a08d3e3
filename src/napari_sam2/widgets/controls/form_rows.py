"""What the parts of the dock are made of, and the part for prompts; nothing is decided here."""

from collections.abc import Sequence
from typing import cast

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QWidget,
)

from napari_sam2.layers.viewer.colours import NEGATIVE, POSITIVE
from napari_sam2.widgets.controls.flow_row import WrappingRow
from napari_sam2.widgets.controls.icons import cross, ring

LABEL_WIDTH_PX = 68
BESIDE_TEXT_PX = 10
PLAIN = "QLabel { padding: 0px; margin: 0px; }"  # napari's would take the room of a line
NOT_PAINTED = "Frames this large cannot be painted: correct masks with clicks and boxes."


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


def add_row(layout: QFormLayout, text: str, field: QWidget | QLayout) -> QLabel:
    """Add a field with its label."""
    label = QLabel(text)
    label.setMinimumWidth(LABEL_WIDTH_PX)
    layout.addRow(label, cast("QWidget", field))
    return label


class PromptSection(QWidget):
    """Which layer to draw in, and what a click says."""

    points_wanted = Signal()
    shapes_wanted = Signal()
    label_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.points = small_button(
            "Points", "Click on the image: inside of the object (positive) or beside it (negative)."
        )
        self.shapes = small_button(
            "Boxes / shapes",
            "Draw a box around the object. Polygons, lassos and ellipses, which are among the "
            "tools of the Shapes layer, are taken for the mask itself.",
        )
        self.positive = QRadioButton("Positive")
        self.positive.setToolTip("Positive clicks: this belongs to the object. Key T switches.")
        self.negative = QRadioButton("Negative")
        self.negative.setToolTip(
            "Negative clicks: this does not belong to the object. Key T switches."
        )
        self.positive.setIcon(ring(POSITIVE))
        self.negative.setIcon(cross(NEGATIVE))
        self.positive.setChecked(True)
        self._labels = QButtonGroup(self)
        self._labels.addButton(self.negative, 0)
        self._labels.addButton(self.positive, 1)
        layout = form()
        add_row(layout, "Prompt", row(self.points, self.shapes))
        layout.addRow(row(QLabel("Clicks"), self.positive, self.negative))
        self.unpainted = QLabel(NOT_PAINTED)
        self.unpainted.setWordWrap(True)
        self.unpainted.hide()
        layout.addRow(self.unpainted)
        self.setLayout(layout)
        self.points.clicked.connect(self.points_wanted)
        self.shapes.clicked.connect(self.shapes_wanted)
        self._labels.idClicked.connect(self.label_chosen)

    def show_label(self, label: int) -> None:
        """Mark what the next click says: 1 positive, 0 negative."""
        (self.positive if label else self.negative).setChecked(True)

    def show_paintable(self, paintable: bool) -> None:
        """Say that masks cannot be painted where that is so."""
        self.unpainted.setVisible(not paintable)
