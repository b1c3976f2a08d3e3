"""The part of the dock where masks are checked: the timeline, and the way to the next doubt."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.form_rows import button, row, small_button
from napari_sam2.widgets.objects.timeline import ConfidenceTimeline
from napari_sam2.widgets.objects.timeline_cells import ABSENT_COLOUR, RAMP

LEGEND = (
    f"<span style='color:{RAMP[0]}'>■</span> sure "
    f"<span style='color:{RAMP[1]}'>■</span>"
    f"<span style='color:{RAMP[2]}'>■</span> doubtful "
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
            "Rows are objects, columns are frames. Doubtful: a low predicted IoU, an object that "
            "the network can hardly tell to be there, a jump of area or place, vanishing at once. "
            "A dark line below a cell: locked. Click on a cell to go there."
        )
        self.count = QLabel()
        self.count.setToolTip("How many places are doubtful, in all objects.")
        self.previous = small_button("◂", "To the doubtful place before. Key Shift+J.")
        self.next = button("Next doubtful ▸", "To the next doubtful place of any object. Key J.")
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

    def show_count(self, n_doubtful: int) -> None:
        """Say how many places are doubtful."""
        self.count.setText(f"{n_doubtful} doubtful" if n_doubtful else "no doubts")
        self.previous.setEnabled(n_doubtful > 0)
        self.next.setEnabled(n_doubtful > 0)
