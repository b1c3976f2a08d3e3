"""From what is drawn to the session and back to the layers, through the worker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.annotation import Direction
from napari_sam2.annotation.history import Action, Changes, History
from napari_sam2.layers.viewer.image_geometry import Along
from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.movies.appearance import Appearance
from napari_sam2.widgets.annotator.drawing_tools import Pen
from napari_sam2.widgets.annotator.mask_candidates import Alternatives
from napari_sam2.widgets.annotator.object_commands import Edits
from napari_sam2.widgets.annotator.open_suggestions import OpenSuggestions
from napari_sam2.widgets.annotator.pending_step import PendingStep
from napari_sam2.widgets.annotator.preview_request import Neighbours
from napari_sam2.widgets.annotator.prompting import Conversation
from napari_sam2.widgets.annotator.propagation import Propagation
from napari_sam2.widgets.annotator.recorder import Steps
from napari_sam2.widgets.annotator.workspaces import Workspaces
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.network import Network
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker
from napari_sam2.widgets.sessions.sessions import Sessions

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from sam2_torch.masks import SparseMask


class Annotator(QObject):
    """Connects the layers of one image at a time with the session.

    All docks of a viewer share one: get it by `annotator_of_viewer.annotator_of`.

    Parameters
    ----------
    viewer
        Where the image is.
    owner
        What the worker owns; tests give one without a network.

    Attributes
    ----------
    workspace
        The chosen image with its axes, objects, masklets and layers; None if none is chosen.
    network, conversation, alternatives, propagation, steps, neighbours, edit, pen, sessions
        The parts: what is loaded, what is asked of it, what else a click can mean, masks carried
        on, what is recorded, the frames beside a prompt, edits, the next mark, files.
    suggestions
        What may have happened to the objects, and is yet to be decided on.
    is_closed
        Whether the viewer is closed.

    Signals
    -------
    changed
        Something that a dock shows is different now.
    progressed, ended
        Of a propagation: `Progress`, and whether it went to its end.
    noticed, failed
        A sentence for the user, and an exception.
    closed
        The viewer's window is closed; the thread has ended.
    """

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(bool)
    noticed = Signal(str)
    failed = Signal(object)
    closed = Signal()

    def __init__(self, viewer: "ViewerModel", owner: SessionOwner | None = None) -> None:
        super().__init__()
        self.viewer = viewer
        self.worker = SessionWorker()
        self.workspace: Workspace | None = None
        self.is_closed = False
        self._owner = owner or SessionOwner()
        self.network = Network(self.worker, self._owner)
        self._workspaces = Workspaces(viewer, self._listener)
        self.conversation = Conversation(self.worker, self._owner)
        self.alternatives = Alternatives(self.conversation, self._current, self.open)
        self.propagation = Propagation(self.worker, self._owner, self._current)
        self.steps = Steps(
            self.network, self.conversation, self.alternatives, self._current, self.open
        )
        self.neighbours = Neighbours(self.worker, self._owner, self._current)
        self.suggestions = OpenSuggestions()
        self.edit = Edits(self._current, self.steps.put, self.propagation.when_idle)
        self.pen = Pen(self._current, self.steps, self.edit)
        self.sessions = Sessions(lambda: self.model[0], self._put_history)
        _connect_parts(self)
        viewer.layers.events.removed.connect(self._layer_removed)

    @property
    def workspaces(self) -> "tuple[Workspace, ...]":
        """All images that were worked on, the first one first."""
        return tuple(self._workspaces)

    @property
    def model(self) -> tuple[str, str]:
        """Name or path of the network, and the device, that `open` takes."""
        return self.network.model

    @model.setter
    def model(self, model: tuple[str, str]) -> None:
        self.network.model = model

    @property
    def device(self) -> str:
        """Where the model is; empty as long as it is not loaded."""
        return self.network.device

    @property
    def follow(self) -> bool:
        """Whether the viewer goes along with the frames of a propagation."""
        return self.propagation.follow

    @follow.setter
    def follow(self, follow: bool) -> None:
        self.propagation.follow = follow

    @property
    def is_loading(self) -> bool:
        """Whether the model is on its way."""
        return self.network.is_loading

    @property
    def is_propagating(self) -> bool:
        """Whether masks are being carried to other frames."""
        return self.propagation.is_running

    @property
    def is_paused(self) -> bool:
        """Whether the propagation stands still."""
        return self.propagation.is_paused

    def _current(self) -> Workspace | None:
        return self.workspace

    def choose_image(self, image: "Image | None", frame_axis: Along = None) -> None:
        """Go to an image; what was done on it before is there again. None leaves all.

        So does an image without a pixel, which is said.
        """
        try:
            workspace = None if image is None else self._workspaces.of(image, frame_axis)
        except ValueError as error:
            self.failed.emit(error)
            workspace = None
        if workspace is not None and workspace is self.workspace:
            return
        self.propagation.forget_waiting()
        self.network.leave()
        self.propagation.abandon()
        self.workspace = workspace
        self.sessions.choose(workspace)
        self.changed.emit()

    def forget_image(self, image: "Layer") -> None:
        """Let go of an image that left the viewer; the layers that were made for it stay."""
        for workspace in self._workspaces.pop(image):
            self.conversation.forget(workspace)
            self.sessions.forget(workspace)
            workspace.close()
            # not now: napari may be removing several layers, and has listed them already
            QTimer.singleShot(0, workspace.remove_previews)
        if self.workspace is not None and self.workspace.image is image:
            self.choose_image(None)

    def open(self, model: tuple[str, str] | None = None) -> None:
        """Load the model and the image unless they are open, and say all that is drawn.

        Parameters
        ----------
        model
            Name or path, and device; by default the one that was chosen last.
        """
        workspace = self.workspace
        self.model = model or self.model
        if workspace is None or not self.network.open(workspace):
            return
        self.propagation.abandon()
        # napari takes long to make the first Labels layer; while the network is loaded, longer
        self.worker.submit(bool, then=lambda _: self.pen.show_layer(workspace))
        self.conversation.say_all(workspace, self.model)
        self.changed.emit()

    def choose_model(self, name: str, device: str) -> None:
        """Go on with another network; session and prompts stay. It is loaded when needed."""
        self.model = (name, device)
        workspace = self.workspace
        if self.network.is_open or (workspace and (workspace.points or workspace.shapes)):
            self.open()
        else:
            self.changed.emit()

    def choose_appearance(self, appearance: Appearance) -> None:
        """Let the network see the image in another way; session and prompts stay."""
        workspace = self.workspace
        if workspace is None or workspace.appearance == appearance:
            return
        workspace.appearance = appearance
        if self.network.is_open:
            self.network.outdate()
            self.open()

    def preview(self, then: Callable[[tuple[Any, str]], None]) -> None:
        """Make a picture of what the network sees of the frame that is shown."""
        if self.workspace is not None:
            self.network.preview(self.workspace, then)

    def unload(self) -> None:
        """Free the memory of the network; what is drawn next, or propagated, loads it again."""
        self.network.unload()
        self.propagation.abandon()
        self.changed.emit()

    def submit(
        self,
        function: Callable[[SessionOwner], Any],
        then: Callable[[Any], None] | None = None,
    ) -> None:
        """Run something with the network, on the worker's thread.

        Parameters
        ----------
        function
            Gets the owner of the model and of the open image's annotation.
        then
            Gets its answer, on the GUI thread; not called when `failed` is emitted instead.
        """
        self.worker.submit(partial(function, self._owner), then=then)

    def stream(
        self,
        function: Callable[[SessionOwner], Iterator[Any]],
        each: Callable[[Any], None],
        then: Callable[[bool], None] | None = None,
    ) -> None:
        """Run something long with the network, step by step, so that clicks are answered meanwhile.

        Parameters
        ----------
        function
            Gets the owner, and returns a generator; `cancel` closes it between two steps.
        each
            Gets all that it yields, on the GUI thread.
        then
            Is told at the end whether it came to its end.
        """
        self.worker.stream(partial(function, self._owner), each=each, then=then)

    def add_masks(
        self,
        masks: "Mapping[int, Mapping[int, SparseMask]]",
        names: Mapping[int, str] | None = None,
    ) -> None:
        """Take masks that were found elsewhere as prompts; they are shown at once.

        Parameters
        ----------
        masks
            By object id and frame, of the chosen image. Take new ids from
            `workspace.objects.new()`; objects that are not there are made.
        names
            What to call the objects.
        """
        if self.workspace is not None:
            self.steps.add_masks(self.workspace, masks, names or {})

    def new_object(self) -> None:
        """Start on another object, unless the current one is still empty."""
        self.pen.new_object()

    def select_object(self, object_id: int) -> None:
        """Choose whose the next prompts are."""
        self.pen.select_object(object_id)

    def delete_object(self, object_id: int) -> None:
        """Delete an object, its prompts and its masks."""
        self.edit.delete([object_id])

    def choose_alternative(self) -> None:
        """Take the next of the masks that the click shown can mean; the others are outlined."""
        self.neighbours.discard()
        self.alternatives.choose_next()

    def set_per_object(self, per_object: bool) -> None:
        """Choose one Labels layer for each object, or one for all."""
        if self.workspace is not None:
            if not self.workspace.outputs.set_per_object(per_object):
                self.noticed.emit(ONE_LAYER_FOR_ALL)
            self.changed.emit()

    def propagate(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None = None,
    ) -> None:
        """Carry masks to other frames, those of all objects by default; locked ones stay.

        In a movie of stacks, `frames` counts time points.
        """
        about = direction if frames is None else f"{direction}, frames {frames[0]} to {frames[1]}"
        if frames is not None and self.workspace is not None:
            n_planes = self.workspace.geometry.n_planes
            frames = frames[0] * n_planes, frames[1] * n_planes
        step = PendingStep(Action.PROPAGATE, about)
        self.propagation.carry(step, direction, frames, object_ids)

    def propagate_changes(self, object_ids: Sequence[int] | None = None) -> None:
        """Carry on what was corrected since, in both directions, as far as it changes anything."""
        self.propagation.carry_changes(object_ids)

    def carry_out(
        self, action: Action, changes: Changes, about: str, follow: Sequence[int] = ()
    ) -> None:
        """Make a step of changed values; what is drawn without a mask is answered.

        Parameters
        ----------
        action, about
            What the user did.
        changes
            The values that the history holds from now on.
        follow
            Objects to follow then, from the shown frame on to the end, in the same step.
        """
        workspace = self.workspace
        if workspace is None:
            return
        step, first = PendingStep(action, about), workspace.shown_frame
        self.steps.carry_out(workspace, step, changes)
        if follow and first is not None:
            span = first, workspace.geometry.n_frames
            self.propagation.carry(step, "forward", span, follow)

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call at once, or as soon as the propagation that is running is cancelled."""
        self.propagation.when_idle(call)

    def pause(self, pause: bool = True) -> None:
        """Let the propagation stand still, or go on; prompts are answered meanwhile."""
        self.propagation.pause(pause)

    def cancel(self) -> None:
        """Stop the propagation after the frame that it is at."""
        self.worker.cancel()

    def close(self) -> None:
        """Let go of the viewer and end the thread; nothing happens the second time."""
        if self.is_closed:
            return
        self.is_closed = True
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        self.propagation.close()
        self.alternatives.hide()
        self.neighbours.discard()
        self.worker.close()
        self._workspaces.end_strokes()
        self.sessions.close()
        self._workspaces.close()
        self.conversation.close()
        self.workspace = None
        self.closed.emit()

    def _layer_removed(self, event: Any) -> None:
        self.forget_image(event.value)

    def _listener(self, which: Callable[[], Workspace]) -> Listener:
        return self.pen.listener(which, {"Tab": self.choose_alternative})

    def _put_history(self, workspace: Workspace, history: History) -> None:
        self.propagation.when_idle(partial(self.steps.put_history, workspace, history))

    def fail(self, error: Exception) -> None:
        """Tell of something that failed on the worker's thread, and show what there is now."""
        self.network.note_failure()
        self.failed.emit(error)
        self.changed.emit()


def _connect_parts(annotator: Annotator) -> None:
    """Connect the parts with each other, and what they say with what the Annotator says."""
    network, propagation, sessions = annotator.network, annotator.propagation, annotator.sessions
    steps, conversation, pen = annotator.steps, annotator.conversation, annotator.pen
    network.changed.connect(steps.note_settings)  # first: then they are saved
    for part in (conversation, annotator.alternatives, steps, propagation, pen, sessions):
        part.noticed.connect(annotator.noticed)
    for each in (network, conversation, steps, propagation, pen, sessions):
        each.changed.connect(annotator.changed)
    for one in (network, propagation, sessions):
        one.failed.connect(annotator.failed)
    annotator.worker.failed.connect(annotator.fail)
    propagation.progressed.connect(annotator.progressed)
    propagation.ended.connect(annotator.ended)
    # save after whatever is recorded
    propagation.recorded.connect(sessions.later)
    annotator.changed.connect(sessions.later)
    # show how an object would go on after each answer, until something else is done
    neighbours = annotator.neighbours
    conversation.answered.connect(neighbours.look_soon)
    steps.changed.connect(neighbours.discard)
    propagation.changed.connect(neighbours.discard)
    annotator.changed.connect(neighbours.discard_outdated)
