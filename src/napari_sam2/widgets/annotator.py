"""From what is drawn to the session and back to the layers, through the worker."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation import Direction
from napari_sam2.appearance import Appearance, preview
from napari_sam2.history import Action, Changes, History, Key, Kind, StoredMask, Value
from napari_sam2.layers.geometry import Along, FrameGeometry, LayerFrames
from napari_sam2.layers.labels_layer import MAX_OBJECT_LAYERS
from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.marks import Marks, ObjectFrame
from napari_sam2.objects import ObjectRecord
from napari_sam2.widgets.edits import Edits
from napari_sam2.widgets.loaded_model import Opened
from napari_sam2.widgets.session_owner import Progress, SessionOwner
from napari_sam2.widgets.sessions import Sessions
from napari_sam2.widgets.worker import SessionWorker

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from sam2_torch.predictions import SparseMask

BRUSH_REST_MS = 250  # a brush that rests this long has ended its stroke
GHOSTS_MS = 6000
ALTERNATIVES = 3  # masks that the network makes of one click
REFRESH_MS, REFRESH_3D_MS = 40, 1000  # in 3-D all frames are drawn anew
PREVIEW_PX = 240
EMBEDDED_MODEL = ("cells_nano", "auto")


class _Job:
    """One step of the history, whose masks come later than its prompts."""

    def __init__(self, action: Action, about: str) -> None:
        self._action = action
        self._about = about
        self._history: History | None = None
        self._step: int | None = None

    def begin(self, workspace: Workspace) -> None:
        """Write down that it begins: whatever comes of it, an undo takes that back."""
        if self._step is not None:  # it is part of a step that was written down
            return
        self._history = workspace.history
        self._step = workspace.history.begin(self._action, self._about)

    def record(self, workspace: Workspace, changes: Changes) -> None:
        """Write down what is different; nothing happens if the step was undone meanwhile."""
        history = workspace.history
        if self._history not in (None, history):  # another session was opened
            return
        step = history.record(self._action, changes, self._about, self._step)
        if self._step is None and step is not None:
            self._history, self._step = history, step


class Annotator(QObject):
    """Connects the layers of one image at a time with the session.

    All docks of a viewer share one: get it by `annotators.annotator_of`.

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
    model
        Name or path of the network, and the device, that `open` takes.
    device, dtype
        Where the model is, and its precision; empty as long as it is not loaded.
    is_loading, is_propagating, is_unloaded, is_closed
        What is going on.

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
        self.is_loading = False
        self.is_propagating = False
        self.is_closed = False
        self.model = EMBEDDED_MODEL
        self.device = self.dtype = ""
        self.is_unloaded = False
        self.follow = True
        self._owner = owner or SessionOwner()
        self._workspaces: dict[tuple[Image, Along], Workspace] = {}
        self._opened: tuple[Workspace, tuple[str, str]] | None = None
        self._models: WeakKeyDictionary[Workspace, tuple[str, str]] = WeakKeyDictionary()
        # what was drawn, and has no mask yet: it is said again if the network was not there
        self._unanswered: defaultdict[Workspace, dict[ObjectFrame, _Job]] = defaultdict(dict)
        self._waiting: list[Callable[[], None]] = []
        self._done_frames: set[int] = set()
        self._shown_by_us: int | None = None
        self._run = 0
        self._last_progress: Progress | None = None
        self._timer = self._timer_to(self._show_done_frames)
        self._brush = self._timer_to(self._take_painted)
        self._brush.setInterval(BRUSH_REST_MS)
        self._ghosts = self._timer_to(self._hide_ghosts)
        self.worker.failed.connect(self._fail)
        self.edit = Edits(lambda: self.workspace, self._put, self._when_idle)
        self.sessions = Sessions(lambda: self.model[0], self._put_history)
        self._connect_sessions()
        viewer.layers.events.removed.connect(self._layer_removed)

    @property
    def workspaces(self) -> "tuple[Workspace, ...]":
        """All images that were worked on, the first one first."""
        return tuple(self._workspaces.values())

    def _timer_to(self, call: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(call)
        return timer

    def _connect_sessions(self) -> None:
        sessions = self.sessions
        sessions.changed.connect(self.changed)
        sessions.noticed.connect(self.noticed)
        sessions.failed.connect(self.failed)
        self.changed.connect(sessions.later)

    def choose_image(self, image: "Image | None", frame_axis: Along = None) -> None:
        """Go to an image; what was done on it before is there again. None leaves all."""
        workspace = None if image is None else self._workspace(image, frame_axis)
        if workspace is not None and workspace is self.workspace:
            return
        self.worker.clear()
        self._waiting.clear()
        if self._opened is not None:
            self.worker.submit(self._owner.close)
            self._opened = None
        self.is_loading = self.is_propagating = False
        self.workspace = workspace
        self.sessions.choose(workspace)
        self.changed.emit()

    def forget_image(self, image: "Layer") -> None:
        """Let go of an image that left the viewer; the layers that were made for it stay."""
        for key in [key for key in self._workspaces if key[0] is image]:
            workspace = self._workspaces.pop(key)
            workspace.take_painted()
            self._unanswered.pop(workspace, None)
            self.sessions.forget(workspace)
            workspace.close()
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
        model = self.model = model or self.model
        if workspace is None or self._opened == (workspace, model):
            return
        self.worker.clear()
        self._opened = (workspace, model)
        self.is_loading, self.is_propagating, self.is_unloaded = True, False, False
        self.device = self.dtype = ""
        frames = LayerFrames(workspace.image, workspace.geometry, workspace.appearance)
        self.worker.submit(
            partial(
                self._owner.open,
                model,
                frames,
                workspace.masklets,
                workspace.objects,
                workspace.confidence,
            ),
            then=self._show_opened,
        )
        asked, job = self._unanswered[workspace], _Job(Action.MODEL, model[0])
        again = self._models.get(workspace) in (None, model)
        for key, marks in workspace.marks.items():
            is_known = workspace.masklets.packed(*key) is not None
            if again and is_known and key not in asked:
                self._restate(workspace, key)
            else:
                self._prompt(workspace, key, marks, asked.get(key, job))
        self._models[workspace] = model
        self.changed.emit()
        # the first Labels layer takes napari a second: let this be seen before
        QTimer.singleShot(REFRESH_MS, partial(self._show_current, workspace))

    def choose_model(self, name: str, device: str) -> None:
        """Go on with another network; session and prompts stay. It is loaded when needed."""
        self.model = (name, device)
        workspace = self.workspace
        if self._opened is not None or (workspace and (workspace.points or workspace.shapes)):
            self.open()
        else:
            self.changed.emit()

    def choose_appearance(self, appearance: Appearance) -> None:
        """Let the network see the image in another way; session and prompts stay."""
        workspace = self.workspace
        if workspace is None or workspace.appearance == appearance:
            return
        workspace.appearance = appearance
        if self._opened is not None:
            self._opened = None
            self.open()

    def preview(self, then: Callable[[tuple[Any, str]], None]) -> None:
        """Make a picture of what the network sees of the frame that is shown."""
        workspace = self.workspace
        if workspace is None:
            return
        frames = LayerFrames(workspace.image, workspace.geometry, workspace.appearance)
        picture = partial(
            preview,
            frames,
            workspace.shown_frame or 0,
            workspace.shown_centre,
            workspace.appearance,
            PREVIEW_PX,
        )
        self.worker.submit(picture, then=then, topic="preview")

    def unload(self) -> None:
        """Free the memory of the network; what is drawn next, or propagated, loads it again."""
        self.worker.clear()
        self.worker.submit(self._owner.unload)
        self.is_loading = self.is_propagating = False
        self._opened, self.device, self.dtype = None, "", ""
        self.is_unloaded = True
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
        workspace = self.workspace
        if workspace is None or not masks:
            return
        changes: dict[Key, Value | None] = dict(workspace.given_masks(masks))
        known = names or {}
        for object_id in masks:
            key = Key(Kind.OBJECT, object_id)
            if object_id in known or key not in workspace.history.values:
                name = known.get(object_id, f"Object {object_id}")
                changes[key] = ObjectRecord(name)
        n = len(masks)
        workspace.history.record(Action.ADD_MASKS, changes, f"{n} object{'s' * (n != 1)}")
        self._put(workspace, changes)

    def new_object(self) -> None:
        """Start on another object, unless the current one is still empty."""
        workspace = self.workspace
        if workspace is None:
            return
        if workspace.is_marked(workspace.current_object):
            self.edit.new()
            self._show_current(workspace)
        else:
            name = workspace.objects.name(workspace.current_object)
            self.noticed.emit(f"{name} is still empty: click inside a cell first.")

    def select_object(self, object_id: int) -> None:
        """Choose whose the next prompts are."""
        if self.workspace is not None:
            self.workspace.current_object = object_id
            self.changed.emit()

    def delete_object(self, object_id: int) -> None:
        """Delete an object, its prompts and its masks."""
        self.edit.delete([object_id])

    def choose_alternative(self) -> None:
        """Take the next of the masks that the click shown can mean; the others are outlined."""
        workspace = self.workspace
        frame = None if workspace is None else workspace.shown_frame
        if workspace is None or frame is None:
            return
        key = (workspace.current_object, frame)
        marks = workspace.marks.get(key, Marks())
        if marks != Marks(marks.clicks, choice=marks.choice) or len(marks.clicks) != 1:
            self.noticed.emit("There is a choice after a single click: whole, part or sub-part.")
            return
        self.open()
        choice = ((marks.choice or 0) + 1) % ALTERNATIVES
        chosen = replace(marks, choice=choice or None)
        job = _Job(Action.CHOOSE, f"{_places(workspace, [key])}, {choice + 1} of {ALTERNATIVES}")
        changes = {Key(Kind.MARKS, *key): chosen}
        job.record(workspace, changes)
        workspace.take(changes)
        self._unanswered[workspace][key] = job
        self._prompt(workspace, key, chosen, job)
        self.worker.submit(
            partial(self._owner.alternatives, key),
            then=partial(self._show_ghosts, workspace, frame, choice),
            topic="ghosts",
        )

    def set_label(self, label: int) -> None:
        """Choose whether the next click is positive (1) or negative (0)."""
        if self.workspace is not None:
            self.workspace.label = label
            self.changed.emit()

    def switch_label(self) -> None:
        """Make the next click negative if it would be positive, and the other way round."""
        if self.workspace is not None:
            self.set_label(1 - self.workspace.label)

    def set_per_object(self, per_object: bool) -> None:
        """Choose one Labels layer for each object, or one for all."""
        if self.workspace is not None:
            if not self.workspace.outputs.set_per_object(per_object):
                self._tell_limit()
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
        job = _Job(Action.PROPAGATE, about)
        self._carry(partial(self._owner.propagate, direction, frames, object_ids), job)

    def propagate_changes(self, object_ids: Sequence[int] | None = None) -> None:
        """Carry on what was corrected since, in both directions, as far as it changes anything."""
        job = _Job(Action.CORRECT, "")
        self._carry(partial(self._owner.propagate_changes, object_ids), job)

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
        job = _Job(action, about)
        job.record(workspace, changes)
        places = (key.place for key, value in changes.items() if key.kind == Kind.MARKS and value)
        unknown = {place for place in places if workspace.masklets.packed(*place) is None}
        self._put(workspace, changes)
        first = workspace.shown_frame
        self.open()
        if self._opened is not None and self._opened[0] is workspace:
            for place in sorted(unknown):
                self._prompt(workspace, place, workspace.marks[place], job)
        if follow and first is not None:
            span = (first, workspace.geometry.n_frames)
            self._carry(partial(self._owner.propagate, "forward", span, follow), job)

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call at once, or as soon as the propagation that is running is cancelled."""
        self._when_idle(call)

    def _carry(self, propagation: Callable[[], Iterator[Progress]], job: "_Job") -> None:
        workspace = self.workspace
        if workspace is None or self.is_propagating:
            return
        self.is_propagating = True
        self._run += 1
        self._shown_by_us = workspace.shown_frame
        job.begin(workspace)
        self.worker.stream(
            propagation,
            each=partial(self._take_progress, workspace, job),
            then=partial(self._end, self._run),
        )
        self.changed.emit()

    @property
    def is_paused(self) -> bool:
        """Whether the propagation stands still."""
        return self.worker.is_paused

    def pause(self, pause: bool = True) -> None:
        """Let the propagation stand still, or go on; prompts are answered meanwhile."""
        self.worker.pause(pause)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the propagation after the frame that it is at."""
        self.worker.cancel()

    def close(self) -> None:
        """Let go of the viewer and end the thread; nothing happens the second time."""
        if self.is_closed:
            return
        self.is_closed = True
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        self._timer.stop()
        self._brush.stop()
        self._ghosts.stop()
        self.worker.close()
        for workspace in self._workspaces.values():
            workspace.take_painted()
        self.sessions.close()
        for workspace in self._workspaces.values():
            workspace.close()
        self._workspaces.clear()
        self._unanswered.clear()
        self.workspace = None
        self.closed.emit()

    def _layer_removed(self, event: Any) -> None:
        self.forget_image(event.value)

    def _workspace(self, image: "Image", frame_axis: Along) -> Workspace:
        geometry = FrameGeometry.of(image, frame_axis=frame_axis, point=self.viewer.dims.point)
        at = (image, geometry.along)
        workspace = self._workspaces.get(at)
        if workspace is not None:
            started = workspace.marks or workspace.masklets.object_ids
            if started or workspace.geometry == geometry:
                return workspace
            workspace.discard()  # the viewer has gone to another plane since
        listener = Listener(
            marks=partial(self._marked, at),
            painting=self._brush.start,
            ignored=partial(self._tell_ignored, at),
            refused=self._tell_locked,
            keys={
                "T": self.switch_label,
                "N": self.new_object,
                "Tab": self.choose_alternative,
                "Control-Z": self.edit.undo,
                "Control-Shift-Z": self.edit.redo,
            },
        )
        self._workspaces[at] = Workspace(self.viewer, image, geometry, listener)
        return self._workspaces[at]

    def _marked(
        self, at: "tuple[Image, Along]", marks: dict[ObjectFrame, Marks], painted: bool
    ) -> None:
        workspace = self._workspaces[at]
        workspace.ghosts.hide()
        job = _Job(Action.PAINT if painted else Action.PROMPT, _places(workspace, marks))
        changes: dict[Key, Value | None] = {
            Key(Kind.MARKS, *key): drawn or None for key, drawn in marks.items()
        }
        changes |= workspace.unknown_objects(object_id for object_id, _ in marks)
        if painted:
            changes |= workspace.stored_masks(marks)
        job.record(workspace, changes)
        self._unanswered[workspace].update(dict.fromkeys(marks, job))
        # what is drawn on another image waits until that one is chosen
        if workspace is self.workspace and self.is_unloaded:
            self.open()
        elif workspace is self.workspace and self._opened is not None:
            for key, drawn in marks.items():
                self._prompt(workspace, key, drawn, job)
        self.changed.emit()

    def _take_painted(self) -> None:
        for workspace in self._workspaces.values():
            workspace.take_painted()

    def _prompt(self, workspace: Workspace, key: ObjectFrame, marks: Marks, job: "_Job") -> None:
        self.worker.submit(
            partial(self._owner.prompt, key, marks, workspace.geometry.frame_shape),
            then=partial(self._show_mask, workspace, key, job),
            topic=key,
        )

    def _restate(self, workspace: Workspace, key: ObjectFrame) -> None:
        marks, shape = workspace.marks.get(key, Marks()), workspace.geometry.frame_shape
        # not from the masklets: what the worker is at may have been written there just now
        stored = workspace.history.values.get(Key(Kind.MASK, *key))
        mask = stored if isinstance(stored, StoredMask) else None
        self.worker.submit(
            partial(self._owner.restate, key, marks, shape, mask),
            then=lambda _: self._mend(workspace, [Key(Kind.MASK, *key)]),
            topic=key,
        )

    def _put(self, workspace: Workspace, changes: Changes) -> None:
        """Put values of the history in place, and tell the network."""
        workspace.ghosts.hide()
        workspace.take(changes)
        for key in changes:
            if key.kind == Kind.MARKS:
                self._unanswered[workspace].pop(key.place, None)
        if not workspace.outputs.show(workspace.masklets.object_ids):
            self._tell_limit()
        workspace.outputs.refresh()
        if self._opened is not None and self._opened[0] is workspace:
            self._tell_network(workspace, changes)
        self.changed.emit()

    def _show_ghosts(
        self, workspace: Workspace, frame: int, choice: int, masks: "list[SparseMask]"
    ) -> None:
        if workspace is self.workspace:
            workspace.ghosts.show([mask for i, mask in enumerate(masks) if i != choice], frame)
            self._ghosts.start(GHOSTS_MS)

    def _hide_ghosts(self) -> None:
        for workspace in self._workspaces.values():
            workspace.ghosts.hide()

    def _tell_network(self, workspace: Workspace, changes: Changes) -> None:
        ids = set(workspace.objects.ids)
        for key, value in changes.items():
            if key.kind == Kind.OBJECT and value is None:
                self._let_remove(workspace, key.object_id)
        drawn = {key.place for key in changes if key.kind == Kind.MARKS and key.object_id in ids}
        followed = {
            key.object_id
            for key in changes
            if key.kind == Kind.MASK and key.object_id in ids and key.place not in drawn
        }
        if followed:
            self.worker.submit(partial(self._owner.forget_tracked, followed))
        for place in sorted(drawn):
            self._restate(workspace, place)

    def _let_remove(self, workspace: Workspace, object_id: int) -> None:
        def mend(_: Any) -> None:
            own = [key for key in workspace.history.values if key.object_id == object_id]
            self._mend(workspace, own)

        self.worker.submit(partial(self._owner.remove_object, object_id), then=mend)

    def _mend(self, workspace: Workspace, keys: Iterable[Key]) -> None:
        """Put back what the worker took away after the user had undone that already."""
        values, ids = workspace.history.values, workspace.objects.ids
        lost = {
            key: values[key]
            for key in keys
            if key in values
            and (
                workspace.masklets.packed(*key.place) is None
                if key.kind == Kind.MASK
                else key.kind in (Kind.OBJECT, Kind.TRACK) and key.object_id not in ids
            )
        }
        if lost:
            workspace.take(lost)

    def _put_history(self, workspace: Workspace, history: History) -> None:
        """Go on with another history, in place of what was done so far."""

        def put() -> None:
            gone = dict.fromkeys(set(workspace.history.values) - set(history.values))
            workspace.history = history
            self._put(workspace, gone | history.values)
            self.open()

        self._when_idle(put)

    def _when_idle(self, call: Callable[[], None]) -> None:
        """Call at once, or as soon as the propagation that is running is cancelled."""
        if self.is_propagating:
            self._waiting.append(call)
            self.cancel()
        else:
            call()

    def _show_opened(self, opened: Opened) -> None:
        self.is_loading, self.device, self.dtype = False, opened.device, opened.dtype
        if opened.failure is not None and self._opened is not None:
            self.model = opened.model  # the one from before goes on
            self._opened = self._opened[0], opened.model
            self.failed.emit(opened.failure)
        self.changed.emit()

    def _show_mask(
        self, workspace: Workspace, key: ObjectFrame, job: "_Job", prediction: Any
    ) -> None:
        object_id, frame = key
        if object_id not in workspace.objects.ids:  # deleted meanwhile
            return
        self._unanswered[workspace].pop(key, None)
        job.record(workspace, workspace.stored_masks([key]))
        if prediction is not None and not workspace.outputs.show([object_id]):
            self._tell_limit()
        if workspace.shown_frame == frame or self._is_3d:
            workspace.outputs.refresh([object_id])
        marks = workspace.marks.get(key, Marks())
        if prediction is not None and not prediction.sparse and marks.painted is None:
            self.noticed.emit("Nothing was found there: click again, or draw a box.")
        self.changed.emit()

    def _take_progress(self, workspace: Workspace, job: "_Job", progress: Progress) -> None:
        ids = [i for i in progress.object_ids if i in workspace.objects.ids]
        job.record(workspace, workspace.stored_masks((i, progress.frame) for i in ids))
        self.sessions.later()
        if workspace is not self.workspace:
            return
        self._done_frames.add(progress.frame)
        self._last_progress = progress
        if not self._timer.isActive():
            self._timer.start(REFRESH_3D_MS if self._is_3d else REFRESH_MS)

    def _show_done_frames(self) -> None:
        workspace, progress = self.workspace, self._last_progress
        if workspace is None or progress is None:
            return
        if not workspace.outputs.show(progress.object_ids):
            self._tell_limit()
        shown = workspace.shown_frame
        if self.follow and shown == self._shown_by_us != progress.frame:
            self._shown_by_us = progress.frame
            workspace.go_to(progress.frame)  # which shows the new masks, too
        elif self._is_3d or shown in self._done_frames:
            workspace.outputs.refresh()
        self._done_frames.clear()
        self.progressed.emit(progress)

    def _end(self, run: int, completed: bool) -> None:
        if run != self._run or not self.is_propagating:  # of an image that was left
            return
        self.is_propagating = False
        self._timer.stop()
        self._show_done_frames()
        self.ended.emit(completed)
        self.changed.emit()
        self._call_waiting()

    def _fail(self, error: Exception) -> None:
        if self.is_loading:
            self.is_loading, self._opened = False, None
        self.is_propagating = self.is_propagating and self.worker.is_streaming
        if not self.is_propagating:
            self._call_waiting()
        self.failed.emit(error)
        self.changed.emit()

    def _call_waiting(self) -> None:
        """Do what waited for the end of the propagation."""
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
        if self.workspace is not None:
            self.workspace.history.drop_empty()

    def _tell_ignored(self, at: "tuple[Image, Along]") -> None:
        others = self._workspaces[at].geometry.place()
        place = f", or on another plane than {others}" if others else ""
        self.noticed.emit(
            f"That says nothing: it is outside of the image{place}. "
            "Take a point, a box, a polygon, an ellipse or a path."
        )

    def _tell_locked(self) -> None:
        self.noticed.emit("That is locked: unlock it first.")

    def _show_current(self, workspace: Workspace) -> None:
        if workspace is self.workspace and not workspace.show_current():
            self._tell_limit()

    def _tell_limit(self) -> None:
        self.noticed.emit(
            f"All objects are in one layer now: napari gets slow with more than "
            f"{MAX_OBJECT_LAYERS} layers of objects."
        )

    @property
    def _is_3d(self) -> bool:
        return bool(self.viewer.dims.ndisplay == 3)


def _places(workspace: Workspace, keys: Iterable[ObjectFrame]) -> str:
    places = [f"{workspace.objects.name(i)}, frame {frame}" for i, frame in keys]
    return places[0] if len(places) == 1 else f"{len(places)} masks"
