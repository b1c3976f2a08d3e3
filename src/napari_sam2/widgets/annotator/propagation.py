"""Propagation to other frames: one at a time, recorded and shown frame by frame."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.history import Key, Kind, Step
from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.inference.network import Network
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from napari_sam2.widgets.inference.worker import Guarded

# New masks are gathered for so long; in 3-D all frames are drawn anew
GATHER_MS, GATHER_3D_MS = 100, 1000
BUDGET_S = 0.012  # of the GUI thread, at a time
BREATH_MS = 4  # between two turns: the user comes first


class LiveView(QObject):
    """Shows the masks of a propagation, and its newest frame.

    A slice of a Labels layer takes napari some 5 ms. Twenty of them at once are a tenth of a
    second in which nothing else is done; here each turn of the event loop shows a few.

    Attributes
    ----------
    shows_newest
        Whether the viewer goes to the newest frame, as long as the user stays there.

    Signals
    -------
    shown
        The newest `Progress` that is on the screen, or about to be.
    noticed
        A sentence for the user.
    """

    shown = Signal(object)
    noticed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.shows_newest = True
        self._workspace: Workspace | None = None
        self._newest: Progress | None = None
        self._done: defaultdict[int, set[int]] = defaultdict(set)  # objects by frame
        self._shown_by_us: int | None = None
        self._began_at: int | None = None
        self._gather = single_shot(self, self._show)
        self._catch_up = single_shot(self, self._show_some)

    @property
    def is_busy(self) -> bool:
        """Whether masks wait to be shown."""
        return self._gather.isActive() or self._catch_up.isActive()

    def begin(self, workspace: Workspace) -> None:
        """Show the masks of a propagation that begins now."""
        self._workspace, self._newest = workspace, None
        self._done.clear()
        self._shown_by_us = self._began_at = workspace.shown_frame

    def take(self, progress: Progress) -> None:
        """Show the masks of a frame soon."""
        self._done[progress.frame].update(progress.object_ids)
        self._newest = progress
        if not self.is_busy:
            self._start_gathering()

    def finish(self) -> None:
        """Show the last masks without waiting for more, then the thumbnails.

        The viewer returns to the frame where the propagation began, unless the user moved on.
        """
        self._gather.stop()
        self._show()
        workspace = self._workspace
        if workspace is not None and workspace.shown_frame == self._shown_by_us:
            if self._began_at is not None:
                with workspace.outputs.left_out():
                    workspace.go_to(self._began_at)
        if self._workspace is not None and self._newest is not None:
            self._workspace.outputs.outdate(thumbnails=True)
            self._catch_up.start(BREATH_MS)

    def leave(self) -> None:
        """Show no further frames; layers that are outdated are still drawn."""
        self._gather.stop()
        self._newest = None
        self._done.clear()

    def close(self) -> None:
        """Show nothing any more."""
        self.leave()
        self._catch_up.stop()
        self._workspace = None

    def _start_gathering(self) -> None:
        is_3d = self._workspace is not None and self._workspace.is_3d
        self._gather.start(GATHER_3D_MS if is_3d else GATHER_MS)

    def _show(self) -> None:
        workspace, progress = self._workspace, self._newest
        if workspace is None or progress is None or not self._done:
            return
        ids = set().union(*self._done.values())
        if not workspace.outputs.show(ids.intersection(workspace.objects.ids)):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        shown = workspace.shown_frame
        if self.shows_newest and shown == self._shown_by_us != progress.frame:
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
        # the layers are on the screen even if another image was chosen
        if self._workspace is not None and self._workspace.outputs.catch_up(BUDGET_S):
            self._catch_up.start(BREATH_MS)
        elif self._done:
            self._start_gathering()


class Propagation(QObject):
    """Runs one propagation at a time.

    Parameters
    ----------
    network
        Runs it on the inference thread.

    Attributes
    ----------
    view
        Shows the frames as they come.
    is_running
        Whether a propagation runs, paused or not.

    Signals
    -------
    changed
        It began, was paused, continued, or ended.
    progressed, ended
        `Progress` of the newest frame shown, and whether it reached its end.
    recorded
        New masks are in the log.
    noticed, failed
        A sentence for the user, and the exception that ended it.
    """

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(bool)
    recorded = Signal()
    noticed = Signal(str)
    failed = Signal(object)

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.is_running = False
        self.view = LiveView()
        self.view.shown.connect(self.progressed)
        self.view.noticed.connect(self.noticed)
        self._network = network
        self._waiting: list[Callable[[], None]] = []
        self._run = 0

    @property
    def is_showing(self) -> bool:
        """Whether masks wait to be shown."""
        return self.view.is_busy

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self._network.worker.is_paused

    def propagate(
        self,
        workspace: Workspace,
        step: Step,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None,
    ) -> None:
        """Propagate objects; the step gets the masks, the rest is as for `SessionOwner`."""
        prompts, locked = dict(workspace.history.prompts), workspace.objects.locked_ids
        self._start(
            workspace,
            step,
            lambda owner: owner.propagate(prompts, locked, direction, frames, object_ids),
        )

    def propagate_changes(
        self, workspace: Workspace, step: Step, object_ids: Sequence[int] | None
    ) -> None:
        """Propagate what changed prompts can change; as `propagate`."""
        prompts, locked = dict(workspace.history.prompts), workspace.objects.locked_ids
        self._start(
            workspace, step, lambda owner: owner.propagate_changes(prompts, locked, object_ids)
        )

    def pause(self, pause: bool = True) -> None:
        """Pause or continue; prompts are answered meanwhile."""
        self._network.worker.pause(pause)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop after the present frame."""
        self._network.worker.cancel()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call at once, or when the propagation that runs is cancelled."""
        if self.is_running:
            self._waiting.append(call)
            self.cancel()
        else:
            call()

    def leave(self) -> None:
        """Count the propagation as ended: its image was left, and the thread's queue cleared."""
        self.is_running = False
        self.view.leave()

    def forget_waiting(self) -> None:
        """Forget the calls that wait for its end."""
        self._waiting.clear()

    def _start(
        self,
        workspace: Workspace,
        step: Step,
        stream: Callable[[SessionOwner], Iterator[Progress | None]],
    ) -> None:
        if self.is_running:
            return
        self.is_running = True
        self._run += 1
        self.view.begin(workspace)
        guarded = Guarded(lambda owner: _exclusive(workspace, stream(owner)))
        self._network.stream(
            guarded,
            each=partial(self._take, workspace, step, self._run),
            then=partial(self._end, workspace, self._run, guarded),
        )
        self.changed.emit()

    def _take(self, workspace: Workspace, step: Step, run: int, progress: Progress) -> None:
        """Record the masks of a frame; those of prompted frames and locked objects stay."""
        history, frame = workspace.history, progress.frame
        masks = {
            Key(Kind.MASK, i, frame): mask
            for i, mask in progress.masks.items()
            if history.accepts_mask(i, frame)
        }
        history.extend(step, masks)
        self.recorded.emit()
        if run == self._run and self.is_running:
            self.view.take(progress)

    def _end(self, workspace: Workspace, run: int, stream: Guarded, completed: bool) -> None:
        if run == self._run and self.is_running:  # else its image was left
            self.is_running = False
            self.view.finish()
            # without an open image nothing was propagated: why, was reported when it was opened
            self.ended.emit(completed and stream.error is None and self._network.is_open)
            self.changed.emit()
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()
            workspace.history.drop_empty()
        if sentence := workspace.blank.new_sentence():
            self.noticed.emit(f"{sentence}.")
        if stream.error is not None:
            self.failed.emit(stream.error)


def _exclusive(
    workspace: Workspace, stream: Iterator[Progress | None]
) -> Iterator[Progress | None]:
    """Leave each pixel of a frame to one object; on the inference thread, which only reads."""
    with closing(stream):  # type: ignore[type-var]
        for progress in stream:
            if progress is None:
                yield None
                continue
            frame, accepts = progress.frame, workspace.history.accepts_mask
            accepted = {i: mask for i, mask in progress.masks.items() if accepts(i, frame)}
            owned = progress.masks | workspace.exclusive(accepted, frame)
            yield replace(progress, masks=owned)
