"""A button that starts a run, with the progress in its place while it goes on."""

from time import monotonic

from qtpy.QtCore import QEvent, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets.controls.background_job import Background, Job
from napari_sam2.widgets.controls.form_rows import PLAIN, small_button
from sam2_torch.models.speed_records import duration

LABEL_EXTRA_PX = 1  # a label is higher than its line


class RunBar(QWidget):
    """Starts a run; while it goes on, a bar with the time left stands where the button was.

    Below is a line on how it goes, or how it ended, for which there always is room.

    Parameters
    ----------
    start
        The button that starts a run; it is disabled by whoever knows that nothing can run.
    stop
        Tooltip of the button that ends it.
    beside
        Buttons that are seen during a run.

    Attributes
    ----------
    bar, cancel, status
        Progress, the button that ends the run, and the line.
    """

    def __init__(self, start: QPushButton, stop: str, *beside: QPushButton) -> None:
        super().__init__()
        self.start = start
        self.cancel = small_button("Stop", stop)
        self.bar = QProgressBar()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setStyleSheet(PLAIN)
        # long words, such as paths, must not widen the dock
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.is_running = False
        self._in_run = (self.bar, *beside, self.cancel)
        self._began = monotonic()
        line = QHBoxLayout()
        line.addWidget(self.start)
        for widget in self._in_run:
            line.addWidget(widget, stretch=3 if widget is self.bar else 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.status)
        self._switch(False)

    def show_progress(
        self, done: int, total: int, doing: str | None = None, left: float | None = None
    ) -> None:
        """Show how far the run is.

        Parameters
        ----------
        done, total
            Counts of steps.
        doing
            The line below; None leaves it.
        left
            Seconds; by default those at the speed so far.
        """
        if not self.is_running or done == 0:
            self._began = monotonic()
        if left is None and 0 < done < total:
            left = (monotonic() - self._began) / done * (total - done)
        self._switch(True)
        # a progress bar repaints at once, and the canvas with it; this way it waits its turn
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.bar.setFormat("%p %" if left is None else f"%p %, {duration(left)} left")
        self.bar.setUpdatesEnabled(True)
        if doing is not None:
            self.status.setText(doing)

    def show_end(self, text: str) -> None:
        """Show the button again, and how the run ended."""
        self._switch(False)
        self.status.setText(text)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Keep room for the line."""
        super().showEvent(event)
        self._keep_room()

    def changeEvent(self, event: QEvent | None) -> None:
        """Keep room for the line in the font that there is now."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._keep_room()

    def _keep_room(self) -> None:
        self.status.setMinimumHeight(self.status.fontMetrics().lineSpacing() + LABEL_EXTRA_PX)
        for widget in self._in_run:  # as high as the button: nothing below moves
            widget.setFixedHeight(self.start.sizeHint().height())

    def _switch(self, running: bool) -> None:
        self.is_running = running
        self.cancel.setEnabled(running)
        self.start.setHidden(running)
        for widget in self._in_run:
            widget.setVisible(running)


class JobPanel(RunBar):
    """Runs one job at a time on a thread of its own.

    Parameters
    ----------
    start, stop
        As for `RunBar`.
    nothing
        The message after a job that was cancelled or failed, for example "nothing was written".

    Signals
    -------
    finished
        The result of the job; whoever receives it says how it ended, with `show_end`.
    failed
        The exception of the job.
    cancelled
        The button that cancels was pressed.
    running
        Whether a job runs now.
    """

    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    running = Signal(bool)

    def __init__(self, start: QPushButton, stop: str, nothing: str) -> None:
        super().__init__(start, stop)
        self._nothing = nothing
        self.background = Background()
        self.cancel.clicked.connect(self.background.cancel)
        self.cancel.clicked.connect(self.cancelled)
        self.background.progressed.connect(self.show_progress)
        self.background.finished.connect(self.finished)
        self.background.failed.connect(self._failed)
        self.background.stopped.connect(lambda: self.show_end(f"Stopped; {self._nothing}."))

    def run(self, job: Job, doing: str) -> None:
        """Start a job, if none runs, and say what it does."""
        if self.background.run(job):
            self.show_progress(0, 1, doing)

    def close_panel(self) -> None:
        """Stop the job."""
        self.background.close()

    def _failed(self, error: Exception) -> None:
        self.show_end(f"{self._nothing.capitalize()}.")
        self.failed.emit(error)

    def _switch(self, running: bool) -> None:
        super()._switch(running)
        self.running.emit(running)
