"""What the panels of tracks show of a job beside the network: its buttons, a bar, a sentence."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.background_job import Background, Job
from napari_sam2.widgets.controls.form_rows import button, row


class JobPanel(QWidget):
    """Runs one job at a time on a thread of its own, and shows how far it is and how it ended.

    Parameters
    ----------
    start
        The button that starts a job; not to be pressed while one runs.
    cancel
        What the other button does.
    nothing
        What is said of a job that was cancelled or failed, such as "nothing was written".

    Signals
    -------
    finished
        The result of the job; whoever is told says how it ended, with `show_end`.
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

    def __init__(self, start: QPushButton, cancel: str, nothing: str) -> None:
        super().__init__()
        self._nothing = nothing
        self.background = Background()
        self.start = start
        self.cancel = button("Cancel", cancel)
        self.bar = QProgressBar()
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self.start, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.state)
        self.cancel.clicked.connect(self.background.cancel)
        self.cancel.clicked.connect(self.cancelled)
        self.background.progressed.connect(self.show_progress)
        self.background.finished.connect(self.finished)
        self.background.failed.connect(self._failed)
        self.background.stopped.connect(self._stopped)
        self._show_running(False)

    def run(self, job: Job, doing: str) -> None:
        """Start a job, if none runs, and say what it does."""
        if self.background.run(job):
            self.show_progress(0, 1, doing)

    def close_panel(self) -> None:
        """Stop the job."""
        self.background.close()

    def show_progress(self, done: int, total: int, doing: str | None = None) -> None:
        """Show how far it is."""
        self._show_running(True)
        # a bar repaints at once, and the canvas with it; this way it waits its turn
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.bar.setUpdatesEnabled(True)
        if doing is not None:
            self.state.setText(doing)

    def show_end(self, text: str) -> None:
        """Show how it ended, in a sentence."""
        self._show_running(False)
        self.state.setText(text)

    def _failed(self, error: Exception) -> None:
        self.show_end(f"{self._nothing.capitalize()}.")
        self.failed.emit(error)

    def _stopped(self) -> None:
        self.show_end(f"Cancelled; {self._nothing}.")

    def _show_running(self, running: bool) -> None:
        self.start.setEnabled(not running)
        self.cancel.setEnabled(running)
        self.bar.setVisible(running)
        self.running.emit(running)
