"""What is drawn, said to the network; and its answers, taken into the history and the layers."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.drawn_prompts import Marks, ObjectFrame
from napari_sam2.annotation.history import Action, Changes, Key, Kind, StoredMask
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.pending_step import PendingStep
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker

if TYPE_CHECKING:
    from sam2_torch.masks import SparseMask


class Conversation(QObject):
    """Says prompts to the network of the open image.

    Parameters
    ----------
    worker, owner
        The thread that calls the network, and what it owns.

    Signals
    -------
    changed
        A mask came.
    noticed
        A sentence for the user.
    answered
        The workspace, and (object id, frame) of a prompt that has its mask now.
    """

    changed = Signal()
    noticed = Signal(str)
    answered = Signal(object, object)

    def __init__(self, worker: SessionWorker, owner: SessionOwner) -> None:
        super().__init__()
        self._worker = worker
        self._owner = owner
        self._models: WeakKeyDictionary[Workspace, tuple[str, str]] = WeakKeyDictionary()
        # what was drawn, and has no mask yet: it is said again if the network was not there
        self._unanswered: defaultdict[Workspace, dict[ObjectFrame, PendingStep]]
        self._unanswered = defaultdict(dict)

    def expect(self, workspace: Workspace, keys: Iterable[ObjectFrame], step: PendingStep) -> None:
        """Remember that masks of a step are yet to come, whether or not an image is open."""
        self._unanswered[workspace].update(dict.fromkeys(keys, step))

    def say_all(self, workspace: Workspace, model: tuple[str, str]) -> None:
        """Say all that is drawn to a network that has just been opened.

        What it found itself already, or another one of the same name, stays as it is.
        """
        asked, step = self._unanswered[workspace], PendingStep(Action.MODEL, model[0])
        again = self._models.get(workspace) in (None, model)
        for key, marks in workspace.marks.items():
            is_known = workspace.masklets.packed(*key) is not None
            if again and is_known and key not in asked:
                self._restate(workspace, key)
            else:
                self.prompt(workspace, key, marks, asked.get(key, step))
        self._models[workspace] = model

    def prompt(
        self, workspace: Workspace, key: ObjectFrame, marks: Marks, step: PendingStep
    ) -> None:
        """Ask for the mask of what is drawn of an object in a frame."""
        self._worker.submit(
            partial(self._owner.prompt, key, marks, workspace.geometry.frame_shape),
            then=partial(self.show_mask, workspace, key, step),
            topic=key,
        )

    def ask_alternatives(
        self, key: ObjectFrame, then: "Callable[[list[SparseMask]], None]"
    ) -> None:
        """Ask for all that a click can mean."""
        self._worker.submit(partial(self._owner.alternatives, key), then=then, topic="ghosts")

    def tell(self, workspace: Workspace, changes: Changes) -> None:
        """Tell the network that values of the history are in place."""
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
            self._worker.submit(partial(self._owner.forget_tracked, followed))
        for place in sorted(drawn):
            self._restate(workspace, place)

    def settle(self, workspace: Workspace, changes: Changes) -> None:
        """Wait no longer for masks of marks that were put in place with their masks."""
        for key in changes:
            if key.kind == Kind.MARKS:
                self._unanswered[workspace].pop(key.place, None)

    def forget(self, workspace: Workspace) -> None:
        """Let go of an image."""
        self._unanswered.pop(workspace, None)

    def close(self) -> None:
        """Let go of all images."""
        self._unanswered.clear()

    def show_mask(
        self, workspace: Workspace, key: ObjectFrame, step: PendingStep, prediction: Any
    ) -> None:
        """Take the network's answer to a prompt; None if no image could be opened."""
        object_id, frame = key
        if object_id not in workspace.objects.ids:  # deleted meanwhile
            return
        self._unanswered[workspace].pop(key, None)
        step.record(workspace, workspace.stored_masks([key]))
        if prediction is not None and not workspace.outputs.show([object_id]):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        if workspace.shown_frame == frame or workspace.is_3d:
            workspace.outputs.refresh([object_id])
        marks = workspace.marks.get(key, Marks())
        if prediction is not None and not prediction.sparse and marks.painted is None:
            self.noticed.emit("Nothing was found there: click again, or draw a box.")
        self.changed.emit()
        if prediction is not None:
            self.answered.emit(workspace, key)

    def _restate(self, workspace: Workspace, key: ObjectFrame) -> None:
        marks, shape = workspace.marks.get(key, Marks()), workspace.geometry.frame_shape
        # not from the masklets: what the worker is at may have been written there just now
        stored = workspace.history.values.get(Key(Kind.MASK, *key))
        mask = stored if isinstance(stored, StoredMask) else None

        def show(is_changed: bool) -> None:
            _mend(workspace, [Key(Kind.MASK, *key)])
            if is_changed:  # an older one had taken the mask away, and may have been seen
                workspace.outputs.refresh([key[0]])

        self._worker.submit(
            partial(self._owner.restate, key, marks, shape, mask), then=show, topic=key
        )

    def _let_remove(self, workspace: Workspace, object_id: int) -> None:
        def mend(_: Any) -> None:
            own = [key for key in workspace.history.values if key.object_id == object_id]
            _mend(workspace, own)

        self._worker.submit(partial(self._owner.remove_object, object_id), then=mend)


def _mend(workspace: Workspace, keys: Iterable[Key]) -> None:
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
