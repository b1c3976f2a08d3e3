"""Preview after a prompt: the object on neighbouring frames, shown and not kept."""

from collections.abc import Iterator
from functools import partial
from threading import Event

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.preview import Neighbour, Painter, look_around
from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.layers.viewer.colours import object_colour
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.inference.network import Network
from napari_sam2.widgets.inference.session_owner import SessionOwner
from sam2_torch.inputs.frames import Frames
from sam2_torch.masks import SparseMask

QUIET_MS = 400  # after an answer: clicks in quick succession need no preview each


class Neighbours(QObject):
    """Shows the current object on the frames next to a prompt, until the user does something.

    Parameters
    ----------
    network
        Predicts the masks.

    Attributes
    ----------
    direction
        That of the next propagation.
    found
        What is shown, in the order of its prediction.
    is_wanted
        Whether to show it after each prompt; changed by `want`.

    Signals
    -------
    changed
        What is shown changed.
    """

    changed = Signal()

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.direction: Direction = "both"
        self.found: list[Neighbour] = []
        self.is_wanted = False
        self._network = network
        self._prompt: tuple[Workspace, ObjectFrame] | None = None
        self._stop = Event()
        self._timer = single_shot(self, self._look, QUIET_MS)

    def want(self, wanted: bool) -> None:
        """Show neighbouring frames after prompts, or not; then the layer leaves the viewer."""
        self.is_wanted = wanted
        prompt = self._prompt
        self.discard()
        if prompt is not None:
            if wanted:
                self.look_soon(*prompt)
            else:
                prompt[0].neighbours.remove()

    def look_soon(self, workspace: Workspace, key: ObjectFrame) -> None:
        """Show the frames next to a prompt that was answered, unless the user goes on at once."""
        self.discard()
        is_seen = (workspace.current_object, workspace.shown_frame) == key
        if is_seen and workspace.geometry.n_frames > 1:
            self._prompt = workspace, key
            if self.is_wanted:
                self._timer.start()

    def discard_outdated(self) -> None:
        """Hide it if another object has become the current one."""
        if self._prompt is not None and self._prompt[0].current_object != self._prompt[1][0]:
            self.discard()

    def discard(self) -> None:
        """Hide it, and stop a prediction that runs."""
        self._stop.set()
        self._timer.stop()
        prompt, self._prompt = self._prompt, None
        if prompt is not None:
            prompt[0].neighbours.clear()
        if self.found:
            self.found = []
            self.changed.emit()

    def _look(self) -> None:
        if self._prompt is None:
            return
        workspace, key = self._prompt
        mask = workspace.masklets.get(*key)
        if not mask:
            return
        self._stop = Event()
        direction, stop, frames = self.direction, self._stop, workspace.frames
        self._network.stream(
            lambda owner: _neighbours(owner, frames, key, mask, direction, stop),
            each=partial(self._show, workspace, stop),
        )

    def _show(self, workspace: Workspace, stop: Event, neighbour: Neighbour) -> None:
        if stop.is_set():
            return
        self.found.append(neighbour)
        if not neighbour.is_prompted:
            workspace.neighbours.show(neighbour.frame, neighbour.mask)
        self.changed.emit()


def _neighbours(  # on the inference thread, if an image is open by then
    owner: SessionOwner,
    frames: Frames,
    key: ObjectFrame,
    mask: SparseMask,
    direction: Direction,
    stop: Event,
) -> Iterator[Neighbour]:
    if owner.session is not None:
        painter = Painter(frames, mask, key[1], object_colour(key[0]))
        yield from look_around(owner.session, painter, key, mask, direction, stop.is_set)
