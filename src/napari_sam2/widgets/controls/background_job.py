"""Long jobs beside the network's thread: measuring and writing files."""

from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import Any, TypeAlias

from qtpy.QtCore import QObject, Signal

from napari_sam2.movies.background_threads import background_thread

Job: TypeAlias = Callable[[Callable[[int, int], None]], Any]
"""Gets whom to tell how far it is; gives its result."""


class Cancelled(Exception):
    """Raised in a job by its own call that tells how far it is."""


class Background(QObject):
    """Runs one job at a time on a thread of its own; answers come on the GUI thread.

    Signals
    -------
    progressed
        How many steps are done, and of how many.
    finished
        The result of the job.
    failed
        The exception of the job.
    stopped
        The job was cancelled.
    """

    progressed = Signal(int, int)
    finished = Signal(object)
    failed = Signal(object)
    stopped = Signal()
    _done = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._cancel = Event()
        self._thread: Thread | None = None
        self._done.connect(self._end)

    @property
    def is_running(self) -> bool:
        """Whether a job runs."""
        return self._thread is not None

    def run(self, job: Job) -> bool:
        """Start a job; returns False if one runs already: it is not started then."""
        if self._thread is not None:
            return False
        self._cancel.clear()
        self._thread = background_thread(partial(self._work, job), "napari-sam2 files")
        self._thread.start()
        return True

    def cancel(self) -> None:
        """Stop the job at its next step."""
        self._cancel.set()

    def close(self) -> None:
        """Stop the job and wait for it; nobody is told any more."""
        self.blockSignals(True)
        self.cancel()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self, job: Job) -> None:
        try:
            result = job(self._report)
        except Cancelled:
            self._done.emit(self.stopped, ())
        except Exception as error:  # whatever it is, the user is told
            self._done.emit(self.failed, (error,))
        else:
            self._done.emit(self.finished, (result,))

    def _report(self, done: int, total: int) -> None:
        if self._cancel.is_set():
            raise Cancelled
        self.progressed.emit(done, total)

    def _end(self, signal: Any, arguments: tuple[Any, ...]) -> None:
        """Tell it on the GUI thread, where nobody can see that it ended and not know how."""
        self._thread = None
        signal.emit(*arguments)
