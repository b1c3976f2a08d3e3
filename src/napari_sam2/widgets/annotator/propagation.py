"""Masks carried to other frames: one stream at a time, shown as it comes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.annotation import Direction
from napari_sam2.annotation.history import Action
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.live_view import LiveView
from napari_sam2.widgets.annotator.pending_step import PendingStep
from napari_sam2.widgets.inference.guarded import Guarded
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker


class Propagation(QObject):
    """Takes the results of a propagation into the history and the layers.

    Parameters
    ----------
    worker, owner
        Where it runs, and what the thread owns.
    current
        Gives the image that is worked on; None if there is none.

    Attributes
    ----------
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
    noticed, failed
        A sentence for the user, and what broke it off.
    """

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(bool)
    recorded = Signal()
    noticed = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        worker: SessionWorker,
        owner: SessionOwner,
        current: Callable[[], Workspace | None],
    ) -> None:
        super().__init__()
        self.is_running = False
        self._worker = worker
        self._owner = owner
        self._current = current
        self._waiting: list[Callable[[], None]] = []
        self._run = 0
        self._live = LiveView(current)
        self._live.shown.connect(self.progressed)
        self._live.noticed.connect(self.noticed)

    @property
    def follow(self) -> bool:
        """Whether the viewer goes along with the frames, as long as the user does not leave."""
        return self._live.follow

    @follow.setter
    def follow(self, follow: bool) -> None:
        self._live.follow = follow

    @property
    def is_showing(self) -> bool:
        """Whether masks are there that are yet to be shown."""
        return self._live.is_busy

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._worker.is_paused

    def carry(
        self,
        step: PendingStep,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None,
    ) -> None:
        """Carry masks to other frames; the step gets them, the rest is as for `Annotation`."""
        self.start(partial(self._owner.propagate, direction, frames, object_ids), step)

    def carry_changes(self, object_ids: Sequence[int] | None) -> None:
        """Carry on what was corrected since, as far as it changes anything."""
        step = PendingStep(Action.CORRECT, "")
        self.start(partial(self._owner.propagate_changes, object_ids), step)

    def start(self, stream: Callable[[], Iterator[Progress | None]], step: PendingStep) -> None:
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
        self._live.begin(workspace)
        step.begin(workspace)
        guarded = Guarded(stream)
        self._worker.stream(
            guarded,
            each=partial(self._take, workspace, step),
            then=partial(self._end, self._run, guarded),
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

    def close(self) -> None:
        """Show nothing any more."""
        self._live.close()

    def _take(self, workspace: Workspace, step: PendingStep, progress: Progress) -> None:
        ids = [i for i in progress.object_ids if i in workspace.objects.ids]
        step.record(workspace, workspace.stored_masks((i, progress.frame) for i in ids))
        self.recorded.emit()
        if workspace is self._current():
            self._live.take(workspace, progress)

    def _end(self, run: int, stream: Guarded, completed: bool) -> None:
        if run == self._run and self.is_running:  # else of an image that was left
            self.is_running = False
            self._live.finish()
            self.ended.emit(completed and stream.error is None)
            self.changed.emit()
            self._call_waiting()
        if stream.error is not None:
            self.failed.emit(stream.error)

    def _call_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
        workspace = self._current()
        if workspace is not None:
            workspace.history.drop_empty()
