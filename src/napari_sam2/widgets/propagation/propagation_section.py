"""The part of the dock that propagates masks to other frames."""

from enum import Enum

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledRangeSlider

from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.widgets.controls.form_rows import (
    PLAIN,
    add_row,
    button,
    combo_box,
    form,
    row,
    small_button,
)
from napari_sam2.widgets.controls.run_bar import RunBar
from napari_sam2.widgets.inference.session_owner import Progress

DIRECTIONS: dict[str, Direction] = {
    "Forward": "forward",
    "Backward": "backward",
    "Both ways": "both",
}


NO_TEXT = "\u00a0"  # as high as a line


class Which(Enum):
    """Which objects to propagate."""

    ALL = "All objects"
    SELECTED = "Selected objects"
    CURRENT = "Current object"


class PropagationSection(QWidget):
    """What to propagate, and to where.

    Parameters
    ----------
    preview
        What shows beforehand how that would be.

    Attributes
    ----------
    progress
        Starts and stops a run, and shows how far it is.

    Signals
    -------
    started
        Direction, the frames (first, and the one after the last; None for all) and `Which`.
    from_here_wanted, everywhere_wanted
        A correction is to be propagated.
    paused
        Whether to pause.
    cancelled
        Stop the run.
    changed
        The settings are different, and so is the estimate.
    """

    started = Signal(str, object, object)
    from_here_wanted = Signal(object)
    everywhere_wanted = Signal()
    paused = Signal(bool)
    cancelled = Signal()
    changed = Signal()

    def __init__(self, preview: QWidget | None = None) -> None:
        super().__init__()
        self.which = combo_box(
            "Objects to propagate. Locked ones stay as they are.",
            [which.value for which in Which],
        )
        self.direction = combo_box(
            "From each object's own prompts: to later frames, to earlier ones, or both.",
            list(DIRECTIONS),
        )
        self.direction.setCurrentText("Both ways")
        self.range = QLabeledRangeSlider(Qt.Orientation.Horizontal)
        self.range.setEdgeLabelMode(QLabeledRangeSlider.EdgeLabelMode.NoLabel)
        self.range.setToolTip("First and last frame to propagate to.")
        self.show_frames = QCheckBox("Show each frame")
        self.show_frames.setChecked(True)
        self.show_frames.setToolTip(
            "Show each frame as it is done. Moving the slider yourself ends this."
        )
        self.exclude = QCheckBox("Objects exclude each other")
        self.exclude.setChecked(True)
        self.exclude.setToolTip(
            "Each pixel belongs to one object: the one with the highest confidence there. Locked, "
            "painted and prompted masks keep all of theirs."
        )
        self.run = button("Propagate", "Propagate the masks to the other frames. Key Q.")
        self.pause = small_button("Pause", "Pause after this frame, or continue. Key Q.")
        self.pause.setCheckable(True)
        self.progress = RunBar(self.run, "Stop after this frame; what is done stays.", self.pause)
        self.cancel, self.bar = self.progress.cancel, self.progress.bar
        self.status, self.estimate = self.progress.status, QLabel()
        self.estimate.setStyleSheet(PLAIN)
        self.estimate.setWordWrap(True)
        self.show_estimate("")
        self.from_here = small_button(
            "From here on",
            "After a correction: propagate the current object again, from here to the last frame.",
        )
        self.everywhere = small_button(
            "Everywhere",
            "After corrections: propagate the corrected objects again in both directions, as far "
            "as that changes their masks.",
        )
        self._arrange(preview)
        self._connect()
        self.show_movie(1)
        self.show_running(False, False)

    @property
    def frames(self) -> tuple[int, int] | None:
        """First frame and the one after the last; None for all."""
        first, last = self.range.value()
        everything = (first, last) == (self.range.minimum(), self.range.maximum())
        return None if everything else (first, last + 1)

    @property
    def chosen_direction(self) -> Direction:
        """The direction."""
        return DIRECTIONS[self.direction.currentText()]

    @property
    def chosen_objects(self) -> Which:
        """Which objects."""
        return Which(self.which.currentText())

    def show_direction(self, direction: Direction) -> None:
        """Set the direction."""
        self.direction.setCurrentText(next(t for t, d in DIRECTIONS.items() if d == direction))

    def show_movie(self, n_frames: int) -> None:
        """Set the range of the frames; a single image cannot be propagated."""
        self.range.setRange(0, max(n_frames - 1, 1))
        self.range.setValue((0, max(n_frames - 1, 1)))
        self.setEnabled(n_frames > 1)

    def show_ready(self, ready: bool) -> None:
        """Say whether there is anything to propagate."""
        for push in (self.run, self.from_here, self.everywhere):
            push.setEnabled(ready)

    def show_running(self, running: bool, paused: bool) -> None:
        """Switch between ready, running and paused."""
        if running and not self.progress.is_running:
            self.progress.show_progress(0, 1, "Starting …")
        self.pause.setChecked(paused)
        self.pause.setText("Resume" if paused else "Pause")
        if running:
            self.show_ready(False)

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        n_objects = len(progress.object_ids)
        objects = "1 object" if n_objects == 1 else f"{n_objects} objects"
        total = "" if progress.total is None else f" of {progress.total}"
        self.progress.show_progress(
            progress.done,
            progress.total or progress.done,
            f"Frame {progress.frame}: {objects}; {progress.done}{total} frames",
            progress.seconds_left,
        )

    def show_estimate(self, text: str, details: str = "") -> None:
        """Say before it starts how much it is, how long it takes, and what else in the tooltip."""
        self.estimate.setToolTip(f"What a propagation with these settings takes{details}.")
        self.estimate.setText(text or NO_TEXT)

    def show_end(self, text: str) -> None:
        """Say how it ended."""
        self.show_running(False, False)
        self.progress.show_end(text)

    def start(self) -> None:
        """Emit what is set."""
        self.started.emit(self.chosen_direction, self.frames, self.chosen_objects)

    def _arrange(self, preview: QWidget | None) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        fields = form()
        add_row(fields, "Correction", row(self.from_here, self.everywhere))
        add_row(fields, "Objects", self.which)
        add_row(fields, "Direction", self.direction)
        add_row(fields, "Frames", self.range)
        layout.addLayout(fields)
        layout.addWidget(self.exclude)
        layout.addLayout(row(self.show_frames, *([] if preview is None else [preview])))

    def _connect(self) -> None:
        self.run.clicked.connect(self.start)
        self.pause.clicked.connect(self.paused)
        self.cancel.clicked.connect(self.cancelled)
        self.from_here.clicked.connect(lambda: self.from_here_wanted.emit(self.frames))
        self.everywhere.clicked.connect(self.everywhere_wanted)
        self.which.activated.connect(self.changed)
        self.direction.activated.connect(self.changed)
        self.range.valueChanged.connect(self.changed)
