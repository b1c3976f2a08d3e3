"""Masks carried to other frames: one stream at a time, shown as it comes."""

from collections.abc import Callable, Iterator
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.pending_steps import PendingStep
from napari_sam2.widgets.session_owner import Progress
from napari_sam2.widgets.worker import SessionWorker

REFRESH_MS, REFRESH_3D_MS = 40, 1000  # in 3-D all frames are drawn anew


class Propagation(QObject):
    """Takes the results of a propagation into the history and the layers.

    Parameters
    ----------
    worker
        Where it runs.
    current
        Gives the image that is worked on; None if there is none.

    Attributes
    ----------
    follow
        Whether the viewer goes along with the frames, as long as the user does not leave them.
    is_running
        Whether masks are being carried.

    Signals
    -------
    changed
        It began, stands still, goes on, or ended.
    progressed, ended
        `Progress`, and whether it went to its end.
    recorded
        New masks are in the history.
    noticed
        A sentence for the user.
    """

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(bool)
    recorded = Signal()
    noticed = Signal(str)

    def __init__(self, worker: SessionWorker, current: Callable[[], Workspace | None]) -> None:
        super().__init__()
        self.follow = True
        self.is_running = False
        self._worker = worker
        self._current = current
        self._waiting: list[Callable[[], None]] = []
        self._run = 0
        self._last: Progress | None = None
        self._done_frames: set[int] = set()
        self._shown_by_us: int | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_done_frames)

    @property
    def is_showing(self) -> bool:
        """Whether masks are there that are yet to be shown."""
        return self._timer.isActive()

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._worker.is_paused

    def start(self, stream: Callable[[], Iterator[Progress]], step: PendingStep) -> None:
        """Run a propagation; nothing happens while another one runs.

        Parameters
        ----------
        stream
            Makes the generator, on the worker's thread.
        step
            Gets the masks.
        """
        workspace = self._current()
        if workspace is None or self.is_running:
            return
        self.is_running = True
        self._run += 1
        self._shown_by_us = workspace.shown_frame
        step.begin(workspace)
        self._worker.stream(
            stream,
            each=partial(self._take, workspace, step),
            then=partial(self._end, self._run),
        )
        self.changed.emit()

    def pause(self, pause: bool = True) -> None:
        """Let it stand still, or go on; prompts are answered meanwhile."""
        self._worker.pause(pause)
        self.changed.emit()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call at once, or as soon as the propagation that is running is cancelled."""
        if self.is_running:
            self._waiting.append(call)
            self._worker.cancel()
        else:
            call()

    def abandon(self) -> None:
        """Take it for ended: its worker's queue was cleared."""
        self.is_running = False

    def forget_waiting(self) -> None:
        """Call nothing of what waits for the end."""
        self._waiting.clear()

    def note_failure(self) -> None:
        """Something failed on the worker: find out whether it was the propagation."""
        self.is_running = self.is_running and self._worker.is_streaming
        if not self.is_running:
            self._call_waiting()

    def close(self) -> None:
        """Show nothing any more."""
        self._timer.stop()

    def _take(self, workspace: Workspace, step: PendingStep, progress: Progress) -> None:
        ids = [i for i in progress.object_ids if i in workspace.objects.ids]
        step.record(workspace, workspace.stored_masks((i, progress.frame) for i in ids))
        self.recorded.emit()
        if workspace is not self._current():
            return
        self._done_frames.add(progress.frame)
        self._last = progress
        if not self._timer.isActive():
            self._timer.start(REFRESH_3D_MS if workspace.is_3d else REFRESH_MS)

    def _show_done_frames(self) -> None:
        workspace, progress = self._current(), self._last
        if workspace is None or progress is None:
            return
        if not workspace.outputs.show(progress.object_ids):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        shown = workspace.shown_frame
        if self.follow and shown == self._shown_by_us != progress.frame:
            self._shown_by_us = progress.frame
            workspace.go_to(progress.frame)  # which shows the new masks, too
        elif workspace.is_3d or shown in self._done_frames:
            workspace.outputs.refresh()
        self._done_frames.clear()
        self.progressed.emit(progress)

    def _end(self, run: int, completed: bool) -> None:
        if run != self._run or not self.is_running:  # of an image that was left
            return
        self.is_running = False
        self._timer.stop()
        self._show_done_frames()
        self.ended.emit(completed)
        self.changed.emit()
        self._call_waiting()

    def _call_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
        workspace = self._current()
        if workspace is not None:
            workspace.history.drop_empty()
