"""What the parts of the dock are made of, and the part for prompts; nothing is decided here."""

from collections.abc import Sequence
from typing import cast

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QWidget,
)
from superqt import QCollapsible

from napari_sam2.layers.colours import NEGATIVE, POSITIVE
from napari_sam2.widgets.icons import cross, disc

LABEL_WIDTH_PX = 68
NOT_PAINTED = "Frames this large cannot be painted: correct masks with clicks and boxes."


def combo_box(tooltip: str, items: Sequence[str] = ()) -> QComboBox:
    """Make a combo box that shrinks: long names of layers must not widen the dock."""
    combo = QComboBox()
    combo.addItems(list(items))
    combo.setToolTip(tooltip)
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def button(text: str, tooltip: str) -> QPushButton:
    """Make a button that takes its share of the row."""
    push = QPushButton(text)
    push.setToolTip(tooltip)
    push.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return push


def small_button(text: str, tooltip: str) -> QPushButton:
    """Make a button of which four fit beside each other."""
    push = button(text, tooltip)
    push.setStyleSheet("QPushButton { padding: 4px 2px; }")
    push.setMinimumWidth(push.fontMetrics().horizontalAdvance(text) + 14)
    return push


def row(*widgets: QWidget) -> QHBoxLayout:
    """Put widgets side by side."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def form() -> QFormLayout:
    """Make a form whose labels are equally wide in every section."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return layout


def foldable(title: str, content: QWidget, unfolded: bool = True) -> QCollapsible:
    """Put a part of the dock under a title that folds it away."""
    box = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    box.addWidget(content)
    calm(box)
    if unfolded:
        box.expand(animate=False)
    return box


def calm(box: QCollapsible) -> None:
    """Make a foldable part's title plain, and leave no margins around what is in it."""
    # napari's colour of a pressed button would be the loudest thing in the dock
    box.toggleButton().setStyleSheet(
        "QPushButton { text-align: left; background: transparent; border: none; padding: 2px;"
        " font-weight: bold; }"
    )
    for container in (box.layout(), box.content().layout()):
        if container is not None:
            container.setContentsMargins(0, 0, 0, 0)


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
        self.points = button(
            "Points", "Click on the image: inside of the object (positive) or beside it (negative)."
        )
        self.shapes = button(
            "Boxes / shapes",
            "Draw a box around the object. Polygons, lassos and ellipses, which are among the "
            "tools of the Shapes layer, are taken for the mask itself.",
        )
        self.positive = QRadioButton("Positive")
        self.positive.setToolTip("A click says: this belongs to the object. Key T switches.")
        self.negative = QRadioButton("Negative")
        self.negative.setToolTip("A click says: this does not belong to it. Key T switches.")
        self.positive.setIcon(disc(POSITIVE))
        self.negative.setIcon(cross(NEGATIVE))
        self.positive.setChecked(True)
        self._labels = QButtonGroup(self)
        self._labels.addButton(self.negative, 0)
        self._labels.addButton(self.positive, 1)
        layout = form()
        add_row(layout, "Prompt", row(self.points, self.shapes))
        add_row(layout, "Clicks", row(self.positive, self.negative))
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
