"""The part of the dock that carries masks to other frames."""

from enum import Enum

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QProgressBar, QVBoxLayout, QWidget
from superqt import QLabeledRangeSlider

from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.widgets.controls.form_rows import (
    add_row,
    button,
    combo_box,
    form,
    row,
    small_button,
)
from napari_sam2.widgets.inference.session_owner import Progress
from napari_sam2.widgets.propagation.run_report import RunReport
from sam2_torch.models.speed_records import duration

DIRECTIONS: dict[str, Direction] = {
    "Forward": "forward",
    "Backward": "backward",
    "Both ways": "both",
}


class Which(Enum):
    """Which objects to carry on."""

    ALL = "All objects"
    SELECTED = "Selected objects"
    CURRENT = "Current object"


class PropagationSection(QWidget):
    """Carry the masks to the other frames.

    Parameters
    ----------
    preview
        What shows beforehand how that would be.

    Signals
    -------
    started
        Direction, the frames (first, and the one after the last; None for all) and `Which`.
    from_here_wanted, everywhere_wanted
        A correction is to be carried on.
    paused
        Whether to stand still.
    cancelled
        Stop it.
    changed
        What was set is different, and so is the estimate.
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
            "Each pixel belongs to one object, the one that the network is surest of. Locked, "
            "painted and prompted masks keep all of theirs."
        )
        self.run = button("Propagate", "Propagate the masks to the other frames. Key Q.")
        self.pause = button("Pause", "Pause after this frame, or continue. Key Q.")
        self.pause.setCheckable(True)
        self.cancel = button("Stop", "Stop after this frame; what is done stays.")
        self.from_here = small_button(
            "From here on",
            "After a correction: propagate the current object again, from here to the last frame.",
        )
        self.everywhere = small_button(
            "Everywhere",
            "After corrections: follow the corrected objects anew in both directions, as far as "
            "that changes their masks.",
        )
        self.report = RunReport()
        self.status, self.estimate = self.report.status, self.report.estimate
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
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
        """Say whether there is anything to carry on."""
        for push in (self.run, self.from_here, self.everywhere):
            push.setEnabled(ready)

    def show_running(self, running: bool, paused: bool) -> None:
        """Switch between ready, running and paused."""
        if running and not self.cancel.isEnabled():
            self._set_bar(0, 1)  # not (0, 0): no animations, see the busy sign
            self.report.show_status("starting …")
        self.estimate.setVisible(not running)
        self.cancel.setEnabled(running)
        self.pause.setEnabled(running)
        self.pause.setChecked(paused)
        self.pause.setText("Resume" if paused else "Pause")
        if running:
            self.show_ready(False)

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self._set_bar(progress.done, progress.total or progress.done)
        n_objects, left = len(progress.object_ids), progress.seconds_left
        objects = "1 object" if n_objects == 1 else f"{n_objects} objects"
        total = "" if progress.total is None else f" of {progress.total}"
        time = "" if left is None else f", {duration(left)} left"
        self.report.show_status(
            f"Frame {progress.frame}: {objects}; {progress.done}{total} frames{time}"
        )

    def show_estimate(self, text: str) -> None:
        """Say before it starts how much it is, and how long it will take."""
        self.estimate.setText(text)

    def show_end(self, text: str) -> None:
        """Say how it ended."""
        self.show_running(False, False)
        self.bar.setRange(0, 1)
        self.bar.reset()
        self.report.show_status(text)

    def start(self) -> None:
        """Emit what is set."""
        self.started.emit(self.chosen_direction, self.frames, self.chosen_objects)

    def _set_bar(self, done: int, total: int) -> None:
        # a progress bar repaints at once, and the canvas with it; this way it waits its turn
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setUpdatesEnabled(True)

    def _arrange(self, preview: QWidget | None) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        fields = form()
        add_row(fields, "Correction", row(self.from_here, self.everywhere))
        add_row(fields, "Objects", self.which)
        add_row(fields, "Direction", self.direction)
        add_row(fields, "Frames", self.range)
        layout.addLayout(row(self.run, self.pause, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.report)
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
