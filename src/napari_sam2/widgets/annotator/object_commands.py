"""Commands on whole objects, undo and redo; each is one step of the log."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari_sam2.annotation import object_edits
from napari_sam2.annotation.history import Action, Changes, Key, Kind
from napari_sam2.annotation.objects import ObjectRecord

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace


class ObjectCommands:
    """Edits the objects of one image.

    Parameters
    ----------
    workspace
        The log, and the current object.
    apply
        Called with changed values of the log, to show them.
    when_idle
        Calls a function when no propagation runs any more.
    """

    def __init__(
        self,
        workspace: "Workspace",
        apply: Callable[[Changes], None],
        when_idle: Callable[[Callable[[], None]], None],
    ) -> None:
        self._workspace = workspace
        self._history = workspace.history
        self._apply = apply
        self._when_idle = when_idle

    @property
    def undo_text(self) -> str:
        """Text of the step that `undo` takes back; empty if there is none."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        """Text of the step that `redo` repeats; empty if there is none."""
        return self._history.redo_text

    def undo(self) -> None:
        """Undo the last step; a propagation that runs is cancelled first."""
        self._when_idle(self._undo)

    def redo(self) -> None:
        """Redo the step that was undone last."""
        self._when_idle(lambda: self._apply(self._history.redo()))

    def new(self, name: str | None = None) -> int:
        """Make an object, make it the current one, and return its id."""
        object_id = self._workspace.objects.next_id()
        record = ObjectRecord(name or f"Object {object_id}")
        self._workspace.current_object = object_id
        self._do(Action.NEW, {Key(Kind.OBJECT, object_id): record}, record.name)
        return object_id

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        self._describe(Action.RENAME, [object_id], name, name=name)

    def classify(self, object_ids: Iterable[int], category: str) -> None:
        """Set the class of objects; empty for none."""
        self._describe(Action.CLASSIFY, object_ids, category, category=category)

    def lock(self, object_ids: Iterable[int], locked: bool) -> None:
        """Lock all masks of objects, or unlock them."""
        about = "locked" if locked else "unlocked"
        self._describe(Action.LOCK, object_ids, about, is_locked=locked)

    def show(self, object_ids: Iterable[int], visible: bool) -> None:
        """Show objects in the layers, or hide them."""
        about = "shown" if visible else "hidden"
        self._describe(Action.SHOW, object_ids, about, is_visible=visible)

    def delete(self, object_ids: Iterable[int]) -> None:
        """Delete objects with their prompts and masks."""
        ids = list(object_ids)
        if ids:
            changes = object_edits.delete(self._history.values, ids)
            self._do(Action.DELETE, changes, self._names(ids))

    def duplicate(self, object_id: int) -> int:
        """Copy an object with its prompts and masks, and return the id of the copy."""
        new_id = self._workspace.objects.next_id()
        changes = object_edits.duplicate(self._history.values, object_id, new_id)
        self._do(Action.DUPLICATE, changes, self._names([object_id]))
        return new_id

    def merge(self, into: int, object_ids: Iterable[int]) -> None:
        """Make one object of several; see `napari_sam2.annotation.object_edits.merge`."""
        ids = [into, *(i for i in object_ids if i != into)]
        self._when_idle(lambda: self._merge(ids))

    def lock_frame(self, object_id: int, frame: int, locked: bool) -> None:
        """Lock the mask of an object on one frame, or unlock it."""
        shape = self._workspace.geometry.frame_shape
        changes = object_edits.lock_frame(self._history.values, object_id, frame, locked, shape)
        word = "locked" if locked else "unlocked"
        self._do(Action.LOCK_FRAME, changes, f"{self._names([object_id])}, frame {frame} {word}")

    def _undo(self) -> None:
        self._workspace.take_painted()
        self._apply(self._history.undo())

    def _merge(self, ids: list[int]) -> None:
        shape = self._workspace.geometry.frame_shape
        changes = object_edits.merge(self._history.values, ids[0], ids[1:], shape)
        about = self._names(ids)
        self._workspace.current_object = ids[0]
        self._do(Action.MERGE, changes, about)

    def _describe(
        self, action: Action, object_ids: Iterable[int], about: str, **fields: object
    ) -> None:
        ids = list(object_ids)
        changes = object_edits.describe(self._history.values, ids, **fields)
        self._do(action, changes, f"{self._names(ids)}: {about}")

    def _do(self, action: Action, changes: Changes, about: str) -> None:
        if self._history.record(action, changes, about) is not None:
            self._apply(changes)

    def _names(self, object_ids: list[int]) -> str:
        names = [self._workspace.objects.name(i) for i in object_ids]
        return ", ".join(names) if len(names) <= 3 else f"{len(names)} objects"
