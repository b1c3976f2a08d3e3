"""Masks of a propagation, shown as they come, a few layers in each turn of the event loop."""

from collections import defaultdict
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.session_owner import Progress

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
