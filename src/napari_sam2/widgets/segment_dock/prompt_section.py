"""The buttons for prompts."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QLabel, QRadioButton, QWidget

from napari_sam2.layers.viewer.colours import NEGATIVE, POSITIVE
from napari_sam2.widgets.controls.form_rows import add_row, form, row, small_button
from napari_sam2.widgets.controls.icons import cross, ring

NOT_PAINTED = "Frames this large cannot be painted: correct masks with clicks and boxes."


class PromptSection(QWidget):
    """Which layer to draw in, and whether clicks are positive."""

    points_wanted = Signal()
    shapes_wanted = Signal()
    label_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.points = small_button(
            "Points", "Click on the image: inside the object (positive) or beside it (negative)."
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
        """Show whether the next click is positive (1) or negative (0)."""
        (self.positive if label else self.negative).setChecked(True)

    def show_paintable(self, paintable: bool) -> None:
        """Say so where masks cannot be painted."""
        self.unpainted.setVisible(not paintable)
