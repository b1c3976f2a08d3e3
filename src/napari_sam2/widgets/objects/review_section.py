"""The part of the dock where masks are checked: the timeline, and the way to the next doubt."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.form_rows import button, row, small_button
from napari_sam2.widgets.objects.timeline import ConfidenceTimeline
from napari_sam2.widgets.objects.timeline_cells import ABSENT_COLOUR, RAMP

LEGEND = (
    f"<span style='color:{RAMP[0]}'>■</span> high "
    f"<span style='color:{RAMP[1]}'>■</span>"
    f"<span style='color:{RAMP[2]}'>■</span> low "
    f"<span style='color:{ABSENT_COLOUR}'>—</span> absent "
    f"<span style='background:{RAMP[0]}; color:#ffffff'>&nbsp;<b>|</b>&nbsp;</span> prompt"
)


class ReviewSection(QWidget):
    """Shows how sure the masks are, and where to look next.

    Signals
    -------
    next_wanted
        Whether to go backward.
    """

    next_wanted = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.timeline = ConfidenceTimeline()
        self.timeline.setToolTip("")  # each cell has its own
        self.legend = QLabel(LEGEND)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setToolTip(
            "Rows are objects, columns are frames. Low: the network expects a poor mask or is not "
            "certain that the object is there, or its area or place jumps, or it disappears. "
            "A dark line below a cell: locked. Click on a cell to go there."
        )
        self.count = QLabel()
        self.count.setToolTip("Number of masks with low confidence, in all objects.")
        self.previous = small_button(
            "◂", "Go to the previous mask with low confidence. Key Shift+J."
        )
        self.next = button(
            "Next low ▸",
            "Go to the next mask with low confidence, of any object. Key J.",
        )
        self.previous.setMaximumWidth(28)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.timeline)
        layout.addWidget(self.legend)
        layout.addLayout(row(self.count, self.previous, self.next))
        self.previous.clicked.connect(lambda: self.next_wanted.emit(True))
        self.next.clicked.connect(lambda: self.next_wanted.emit(False))
        self.show_count(0)

    def show_count(self, n_low: int) -> None:
        """Show how many masks have low confidence."""
        self.count.setText(f"{n_low} low" if n_low else "none low")
        self.previous.setEnabled(n_low > 0)
        self.next.setEnabled(n_low > 0)
