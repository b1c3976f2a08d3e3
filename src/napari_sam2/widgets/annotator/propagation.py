"""Masks carried to other frames: one stream at a time, shown as it comes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.annotation import Direction
from napari_sam2.annotation.history import Action
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.pending_step import PendingStep
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from napari_sam2.widgets.inference.worker import Guarded, SessionWorker

# New masks are gathered for so long; in 3-D all frames are drawn anew
GATHER_MS, GATHER_3D_MS = 100, 1000
BUDGET_S = 0.012  # of the GUI thread, at a time
BREATH_MS = 4  # between two turns: the user comes first


class LiveView(QObject):
    """Shows the frames that a propagation has done, and goes along with them.

    A slice of a Labels layer takes napari some 5 ms. Twenty of them at once are a tenth of a
    second in which nothing else is done; here each turn of the event loop shows a few.

    Parameters
    ----------
    current
        Gives the image that is worked on; None if there is none.

    Attributes
    ----------
    follow
        Whether the viewer goes along with the frames, as long as the user does not leave them.

    Signals
    -------
    shown
        The newest `Progress` that is on the screen, or about to be.
    noticed
        A sentence for the user.
    """

    shown = Signal(object)
    noticed = Signal(str)

    def __init__(self, current: Callable[[], Workspace | None]) -> None:
        super().__init__()
        self.follow = True
        self._current = current
        self._workspace: Workspace | None = None
        self._newest: Progress | None = None
        self._done: defaultdict[int, set[int]] = defaultdict(set)  # objects by frame
        self._shown_by_us: int | None = None
        self._gather = _single_shot(self._show, self)
        self._catch_up = _single_shot(self._show_some, self)

    @property
    def is_busy(self) -> bool:
        """Whether masks are there that are yet to be shown."""
        return self._gather.isActive() or self._catch_up.isActive()

    def begin(self, workspace: Workspace) -> None:
        """Follow from the frame that is shown now."""
        self._workspace, self._newest = workspace, None
        self._done.clear()
        self._shown_by_us = workspace.shown_frame

    def take(self, workspace: Workspace, progress: Progress) -> None:
        """Show the masks of a frame, in a moment."""
        self._done[progress.frame].update(progress.object_ids)
        self._newest = progress
        if not self.is_busy:
            self._gather.start(GATHER_3D_MS if workspace.is_3d else GATHER_MS)

    def finish(self) -> None:
        """Show what came last without waiting for more; then the thumbnails."""
        self._gather.stop()
        self._show()
        workspace = self._current()
        if workspace is not None and self._newest is not None:
            workspace.outputs.outdate(thumbnails=True)
            self._catch_up.start(BREATH_MS)

    def close(self) -> None:
        """Show nothing any more."""
        self._gather.stop()
        self._catch_up.stop()

    def _show(self) -> None:
        workspace, progress = self._current(), self._newest
        if workspace is None or progress is None or not self._done:
            return
        ids = set().union(*self._done.values())
        if not workspace.outputs.show(ids.intersection(workspace.objects.ids)):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        shown = workspace.shown_frame
        if self.follow and shown == self._shown_by_us != progress.frame:
            self._shown_by_us = progress.frame
            with workspace.outputs.left_out():
                workspace.go_to(progress.frame)
        elif workspace.is_3d:
            workspace.outputs.outdate()
        elif shown is not None and shown in self._done:
            workspace.outputs.outdate(self._done[shown])
        self._done.clear()
        self._catch_up.start(BREATH_MS)
        self.shown.emit(progress)

    def _show_some(self) -> None:
        workspace = self._workspace  # its layers are on the screen even if another one was chosen
        if workspace is None:
            return
        if workspace.outputs.catch_up(BUDGET_S):
            self._catch_up.start(BREATH_MS)
        elif self._done:
            self._gather.start(GATHER_3D_MS if workspace.is_3d else GATHER_MS)


def _single_shot(call: Callable[[], None], parent: QObject) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    return timer


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
