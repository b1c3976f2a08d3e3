"""What a user does with whole objects, and going to where they are."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_sam2.layers.navigation import look_at, object_at
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.objects.review import Review

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace

FEW = 5  # frames to name


class ObjectActions:
    """Acts on the objects of the chosen image; the widgets are disabled while there is none.

    Parameters
    ----------
    annotator
        Whose objects they are. It says `changed` after each action.
    review
        Finds the masks with low confidence.
    """

    def __init__(self, annotator: Annotator, review: Review) -> None:
        self._annotator = annotator
        self._review = review

    @property
    def _workspace(self) -> "Workspace":
        return self._annotator.work.workspace

    def classify(self, object_id: int, category: str) -> None:
        """Say of which class an object is."""
        self._annotator.work.edit.classify([object_id], category)

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        if self._annotator.has_image:  # an editor of the table may close after the image left
            self._annotator.work.edit.rename(object_id, name)

    def show(self, object_ids: list[int], visible: bool) -> None:
        """Show objects in the layers, or hide them."""
        self._annotator.work.edit.show(object_ids, visible)

    def lock(self, object_ids: list[int], locked: bool) -> None:
        """Lock all masks of objects, or unlock them."""
        self._annotator.work.edit.lock(object_ids, locked)

    def show_or_hide_current(self) -> None:
        """Hide the current object, or show it again."""
        current = self._workspace.current_object
        self._annotator.work.edit.show([current], current in self._workspace.outputs.hidden)

    def lock_or_unlock_frame(self) -> None:
        """Let the current object's mask in this frame stay as it is, or no longer."""
        workspace = self._workspace
        if workspace.shown_frame is None:
            return
        place = workspace.current_object, workspace.shown_frame
        try:
            self._annotator.work.edit.lock_frame(*place, place not in workspace.locks)
        except KeyError as error:  # there is no mask
            self._annotator.failed.emit(error)

    def duplicate(self, object_ids: Sequence[int]) -> None:
        """Copy objects; the last copy is the current object then."""
        for object_id in object_ids:
            copy = self._annotator.work.edit.duplicate(object_id)
            if copy is not None:
                self._annotator.work.select_object(copy)

    def merge(self, object_ids: Sequence[int]) -> None:
        """Merge several objects: into the current one if it is among them."""
        workspace = self._workspace
        if len(object_ids) < 2:
            return
        current = workspace.current_object
        into = current if current in object_ids else object_ids[0]
        others = {frame for i in object_ids if i != into for frame in workspace.masklets.frames(i)}
        kept = sorted(frame for i, frame in workspace.locks if i == into and frame in others)
        name, n_objects = workspace.objects.name(into), len(workspace.objects.ids)
        self._change_unlocked(object_ids, lambda ids: self._annotator.work.edit.merge(into, ids))
        if kept and len(workspace.objects.ids) < n_objects:
            frames = ", ".join(map(str, kept[:FEW])) + (" …" if len(kept) > FEW else "")
            self._annotator.noticed.emit(
                f"{name} is locked in frame {frames}: its mask stayed as it was there."
            )

    def delete(self, object_ids: Sequence[int]) -> None:
        """Delete objects with their prompts and their masks."""
        self._change_unlocked(object_ids, self._annotator.work.edit.delete)

    def _change_unlocked(
        self, object_ids: Sequence[int], change: Callable[[Sequence[int]], None]
    ) -> None:
        """Call a function that changes objects, only if none of them is locked."""
        objects = self._workspace.objects
        locked = [i for i in object_ids if objects.is_locked(i)]
        if locked:
            names = ", ".join(objects.name(i) for i in locked)
            self._annotator.noticed.emit(
                f"{names}: locked. Unlock it first (the padlock in the list)."
            )
        else:
            change(object_ids)

    def go_to(self, object_id: int, frame: int | None = None) -> None:
        """Select an object, and show it in the viewer.

        Parameters
        ----------
        object_id
            The object.
        frame
            The frame to go to; by default the nearest one that the object is in.
        """
        workspace = self._workspace
        if object_id not in workspace.objects:
            return
        if object_id != workspace.current_object:
            self._annotator.work.select_object(object_id)
        look_at(workspace, object_id, frame)

    def go_to_current(self) -> None:
        """Let the viewer show the current object."""
        self.go_to(self._workspace.current_object)

    def go_to_low_confidence(self, backward: bool = False) -> None:
        """Go to the next mask with low confidence of any object, or to the previous one."""
        place = self._review.next_place(backward)
        if place is None:
            self._annotator.noticed.emit("No mask has low confidence.")
        else:
            self.go_to(*place)

    def pick(self) -> None:
        """Select the object under the mouse."""
        object_id = object_at(self._workspace, self._workspace.viewer.cursor.position)
        if object_id is None:
            self._annotator.noticed.emit("There is no object under the mouse.")
        else:
            self._annotator.work.select_object(object_id)
