"""After each prompt: how the object would go on, shown and kept nowhere."""

from collections.abc import Callable, Iterator
from functools import partial
from threading import Event

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.annotation import Direction
from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.preview import Neighbour, look_around
from napari_sam2.layers.viewer.colours import object_colour
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker
from sam2_torch.inputs.frames import Frames

QUIET_MS = 400  # after an answer, so that clicks in a row are not followed one by one


class Neighbours(QObject):
    """Shows the current object in the frames next to a prompt, until something else is done.

    Parameters
    ----------
    worker, owner
        The thread that calls the network, and what it owns.
    current
        Gives the image that is worked on; None if there is none.

    Attributes
    ----------
    direction
        Which way to look: the one that a propagation would take.
    found
        What is shown, in the order in which it came.

    Signals
    -------
    changed
        Something else is shown.
    """

    changed = Signal()

    def __init__(
        self,
        worker: SessionWorker,
        owner: SessionOwner,
        current: Callable[[], Workspace | None],
    ) -> None:
        super().__init__()
        self.direction: Direction = "both"
        self.found: list[Neighbour] = []
        self._worker = worker
        self._owner = owner
        self._current = current
        self._is_wanted = False
        self._shown_on: Workspace | None = None
        self._key: ObjectFrame | None = None
        self._stop = Event()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self._look)

    def want(self, wanted: bool) -> None:
        """Look around after prompts, or not; without it, the layer leaves the viewer."""
        self._is_wanted = wanted
        workspace, key = self._shown_on, self._key
        self.discard()
        if not wanted and workspace is not None:
            workspace.neighbours.remove()
        elif workspace is not None and key is not None:
            self.look_soon(workspace, key)

    def look_soon(self, workspace: Workspace, key: ObjectFrame) -> None:
        """Look around a prompt that was answered, unless something is done before long."""
        self.discard()
        is_seen = (workspace.current_object, workspace.shown_frame) == key
        if workspace is self._current() and is_seen and workspace.geometry.n_frames > 1:
            self._shown_on, self._key = workspace, key
            if self._is_wanted:
                self._timer.start()

    def discard_outdated(self) -> None:
        """Show it no longer if another object, or another image, is worked on now."""
        workspace = self._shown_on
        if workspace is None or self._key is None:
            return
        if workspace is not self._current() or workspace.current_object != self._key[0]:
            self.discard()

    def discard(self) -> None:
        """Show it no longer; what is being looked at is broken off."""
        self._stop.set()
        self._timer.stop()
        workspace, self._shown_on, self._key = self._shown_on, None, None
        if workspace is not None:
            workspace.neighbours.clear()
        if self.found:
            self.found = []
            self.changed.emit()

    def _look(self) -> None:
        workspace, key = self._shown_on, self._key
        if workspace is None or key is None:
            return
        self._stop = Event()
        self._worker.stream(
            partial(_stream, self._owner, workspace.frames, key, self.direction, self._stop.is_set),
            each=partial(self._show, workspace, self._stop),
        )

    def _show(self, workspace: Workspace, stop: Event, neighbour: Neighbour) -> None:
        if stop.is_set():
            return
        self.found.append(neighbour)
        if not neighbour.is_prompted:
            workspace.neighbours.show(neighbour.frame, neighbour.mask)
        self.changed.emit()


def _stream(
    owner: SessionOwner,
    frames: Frames,
    key: ObjectFrame,
    direction: Direction,
    stop: Callable[[], bool],
) -> Iterator[Neighbour]:
    """Look around on the worker's thread, if an image is open by then."""
    if owner.annotation is not None:
        colour = object_colour(key[0])
        yield from look_around(owner.annotation, frames, key, direction, colour, stop)
