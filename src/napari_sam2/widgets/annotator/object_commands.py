"""What is done to the objects as a whole, and undo: steps of the history that are acted on."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari_sam2.annotation import object_edits
from napari_sam2.annotation.history import Action, Changes, Key, Kind
from napari_sam2.annotation.objects import ObjectRecord

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace


class Edits:
    """Edits the objects of the image that is worked on; each call is one step.

    Parameters
    ----------
    workspace
        Gives the image that is worked on; None if there is none.
    put
        Called with a workspace and changed values: puts them in place and tells the network.
    when_idle
        Called with what to do once no propagation writes masks any more.
    """

    def __init__(
        self,
        workspace: "Callable[[], Workspace | None]",
        put: "Callable[[Workspace, Changes], None]",
        when_idle: Callable[[Callable[[], None]], None],
    ) -> None:
        self._workspace = workspace
        self._put = put
        self._when_idle = when_idle

    @property
    def undo_text(self) -> str:
        """What `undo` takes back; empty if there is nothing."""
        workspace = self._workspace()
        return "" if workspace is None else workspace.history.undo_text

    @property
    def redo_text(self) -> str:
        """What `redo` does again; empty if there is nothing."""
        workspace = self._workspace()
        return "" if workspace is None else workspace.history.redo_text

    def undo(self) -> None:
        """Take the last step back; a propagation that is running is cancelled first."""
        self._when_idle(self._undo)

    def redo(self) -> None:
        """Do the step again that was taken back last."""
        self._when_idle(self._redo)

    def new(self, name: str | None = None) -> int | None:
        """Make an object and make it the current one; returns its id."""
        workspace = self._workspace()
        if workspace is None:
            return None
        object_id = workspace.objects.next_id()
        record = ObjectRecord(name or f"Object {object_id}")
        workspace.current_object = object_id
        self._do(Action.NEW, {Key(Kind.OBJECT, object_id): record}, record.name)
        return object_id

    def rename(self, object_id: int, name: str) -> None:
        """Call an object something else."""
        self._describe(Action.RENAME, [object_id], name, name=name)

    def classify(self, object_ids: Iterable[int], category: str) -> None:
        """Say of which class objects are; empty for none."""
        self._describe(Action.CLASSIFY, object_ids, category, category=category)

    def lock(self, object_ids: Iterable[int], locked: bool) -> None:
        """Let nothing change objects' masks, or let it again."""
        about = "locked" if locked else "unlocked"
        self._describe(Action.LOCK, object_ids, about, is_locked=locked)

    def show(self, object_ids: Iterable[int], visible: bool) -> None:
        """Show objects in the layers, or hide them."""
        about = "shown" if visible else "hidden"
        self._describe(Action.SHOW, object_ids, about, is_visible=visible)

    def delete(self, object_ids: Iterable[int]) -> None:
        """Delete objects, their prompts and their masks."""
        workspace = self._workspace()
        ids = list(object_ids)
        if workspace is not None and ids:
            # one that was never prompted may not be in the history
            gone = {Key(Kind.OBJECT, i): None for i in ids if i in workspace.objects.ids}
            about = self._names(ids)
            self._do(
                Action.DELETE,
                gone | dict(object_edits.delete(workspace.history.values, ids)),
                about,
            )

    def duplicate(self, object_id: int) -> int | None:
        """Make another object of the same prompts and masks; returns its id."""
        workspace = self._workspace()
        if workspace is None:
            return None
        new_id = workspace.objects.next_id()
        changes = object_edits.duplicate(workspace.history.values, object_id, new_id)
        self._do(Action.DUPLICATE, changes, self._names([object_id]))
        return new_id

    def merge(self, into: int, object_ids: Iterable[int]) -> None:
        """Make one object of several; see `napari_sam2.annotation.object_edits.merge`."""
        ids = [into, *(i for i in object_ids if i != into)]
        self._when_idle(lambda: self._merge(ids))

    def lock_frame(self, object_id: int, frame: int, locked: bool) -> None:
        """Make an object's mask in a frame the user's word, which nothing changes, or not."""
        workspace = self._workspace()
        if workspace is not None:
            shape = workspace.geometry.frame_shape
            changes = object_edits.lock_frame(
                workspace.history.values, object_id, frame, locked, shape
            )
            word = "locked" if locked else "unlocked"
            about = f"{self._names([object_id])}, frame {frame} {word}"
            self._do(Action.LOCK_FRAME, changes, about)

    def _undo(self) -> None:
        workspace = self._workspace()
        if workspace is not None:
            workspace.take_painted()
            self._put(workspace, workspace.history.undo())

    def _redo(self) -> None:
        workspace = self._workspace()
        if workspace is not None:
            self._put(workspace, workspace.history.redo())

    def _merge(self, ids: list[int]) -> None:
        workspace = self._workspace()
        if workspace is not None:
            shape = workspace.geometry.frame_shape
            changes = object_edits.merge(workspace.history.values, ids[0], ids[1:], shape)
            about = self._names(ids)
            workspace.current_object = ids[0]
            self._do(Action.MERGE, changes, about)

    def _describe(
        self, action: Action, object_ids: Iterable[int], about: str, **said: object
    ) -> None:
        workspace = self._workspace()
        if workspace is not None:
            ids = list(object_ids)
            changes = object_edits.describe(workspace.history.values, ids, **said)
            self._do(action, changes, f"{self._names(ids)}: {about}")

    def _do(self, action: Action, changes: Changes, about: str) -> None:
        workspace = self._workspace()
        if workspace is not None and workspace.history.record(action, changes, about) is not None:
            self._put(workspace, changes)

    def _names(self, object_ids: list[int]) -> str:
        workspace = self._workspace()
        if workspace is None:
            return ""
        names = [workspace.objects.name(i) for i in object_ids]
        return ", ".join(names) if len(names) <= 3 else f"{len(names)} objects"
