"""What is done to the tracks of the image that is worked on; each call is one step of undo."""

from typing import TYPE_CHECKING

from napari_sam2 import track_edits
from napari_sam2.division import daughter_masks, split_mask
from napari_sam2.history import Action
from napari_sam2.suggestions import Kind, Suggestion
from napari_sam2.tracked import Tracked

if TYPE_CHECKING:
    from napari_sam2.history import Changes
    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.annotator import Annotator


class TrackEdits:
    """Carries out operations on tracks.

    Parameters
    ----------
    annotator
        Whose image, objects and history they are.

    Notes
    -----
    The methods raise ValueError where an operation makes no sense, with a sentence.
    """

    def __init__(self, annotator: "Annotator") -> None:
        self._annotator = annotator

    def divide(self, mother: int, frame: int) -> tuple[int, int]:
        """Let an object divide in a frame, and follow its daughters from there on.

        Returns
        -------
        The daughters' ids.
        """
        workspace = self._workspace()
        step, begin = workspace.geometry.n_planes, self._begin(frame)
        seeds = daughter_masks(workspace.masklets, mother, frame, step)
        first = workspace.objects.next_id()
        daughters = (first, first + 1)
        values = workspace.history.values
        changes = track_edits.divide(values, mother, frame, daughters, seeds, begin)
        self._do(Action.DIVIDE, changes, mother, frame, follow=daughters)
        self._annotator.select_object(first)
        return daughters

    def cut(self, object_id: int, frame: int) -> int:
        """Make another object of what comes from a frame on; returns its id."""
        workspace = self._workspace()
        frame, new_id = self._begin(frame), workspace.objects.next_id()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        changes = track_edits.cut(values, object_id, frame, new_id, shape)
        self._do(Action.CUT, changes, object_id, frame)
        return new_id

    def split(self, object_id: int, frame: int) -> int:
        """Part an object that is two cells from a frame on, and follow both; returns the new id."""
        workspace = self._workspace()
        mask = workspace.masklets.get(object_id, frame)
        if not mask or mask.area < 2:
            raise ValueError(f"object {object_id}: expected a mask in frame {frame}, found none")
        new_id = workspace.objects.next_id()
        values = workspace.history.values
        changes = track_edits.split(values, object_id, frame, new_id, split_mask(mask))
        self._do(Action.SPLIT, changes, object_id, frame, follow=(object_id, new_id))
        return new_id

    def swap(self, first: int, second: int, frame: int) -> None:
        """Exchange two objects from a frame on."""
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        frame = self._begin(frame)
        changes = track_edits.swap(values, first, second, frame, shape)
        self._do(Action.SWAP, changes, first, frame)

    def merge(self, first: int, second: int) -> None:
        """Make one object of two."""
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        self._do(Action.MERGE, track_edits.merge(values, first, second, shape), first)

    def finish(self, object_id: int, frame: int) -> None:
        """Let an object end with a frame."""
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        frame = self._begin(frame) + workspace.geometry.n_planes - 1
        changes = track_edits.finish(values, object_id, frame, shape)
        self._do(Action.END, changes, object_id, frame)

    def link(self, mother: int, daughter: int, frame: int | None = None) -> None:
        """Make one object the daughter of another, from its first mask on by default."""
        workspace = self._workspace()
        if frame is None:
            known = workspace.masklets.frames(daughter)
            present = (f for f in known if workspace.masklets.get(daughter, f))
            frame = next(present, 0)
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        changes = track_edits.link(values, mother, daughter, frame, shape)
        self._do(Action.LINK, changes, daughter, frame)

    def unlink(self, object_id: int) -> None:
        """Let an object be without a mother."""
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        self._do(Action.LINK, track_edits.unlink(values, object_id, shape), object_id)

    def bring_in(self, tracked: Tracked) -> None:
        """Take in objects that were read from a file, of a movie of the same size."""
        workspace = self._workspace()
        wanted = (workspace.geometry.n_frames, *workspace.geometry.frame_shape)
        found = (tracked.n_frames, *tracked.masklets.frame_shape)
        if found != wanted:
            raise ValueError(
                f"expected masks for {wanted[0]} frames of {wanted[1]} x {wanted[2]} as in this "
                f"image, found {found[0]} of {found[1]} x {found[2]}"
            )
        unused = workspace.objects.next_id()
        changes = track_edits.bring_in(workspace.history.values, tracked, unused)
        n = len(tracked.tracks)
        self._annotator.carry_out(Action.OPEN, changes, f"{n} object{'s' * (n != 1)}")

    def accept(self, suggestion: Suggestion) -> None:
        """Do what a suggestion says."""
        first, *others = suggestion.object_ids
        if suggestion.kind is Kind.DIVISION:
            self._accept_division(first, others, suggestion.frame)
        elif suggestion.kind is Kind.DOUBLE:
            self.merge(first, others[0])
        elif suggestion.kind in (Kind.DEATH, Kind.EXIT):
            self.finish(first, suggestion.frame - 1)
        else:
            workspace = self._workspace()
            values, shape = workspace.history.values, workspace.geometry.frame_shape
            changes = track_edits.begin(values, first, suggestion.frame, shape)
            self._do(Action.LINK, changes, first, suggestion.frame)

    def _accept_division(self, mother: int, others: list[int], frame: int) -> None:
        """Make daughters of those that are there already; the mother's rest is the other one."""
        if not others:
            self.divide(mother, frame)
            return
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        if len(others) > 1:
            changes = track_edits.adopt(values, mother, frame, (others[0], others[1]), shape)
        else:
            daughters = (workspace.objects.next_id(), others[0])
            changes = track_edits.divide_into(values, mother, frame, daughters, shape)
        self._do(Action.DIVIDE, changes, mother, frame)

    def _begin(self, frame: int) -> int:
        """Give the first frame of the time point that a frame belongs to."""
        return frame - frame % self._workspace().geometry.n_planes

    def _workspace(self) -> "Workspace":
        workspace = self._annotator.workspace
        if workspace is None:
            raise ValueError("expected an image that is worked on, found none: choose one first")
        return workspace

    def _do(
        self,
        action: Action,
        changes: "Changes",
        object_id: int,
        frame: int | None = None,
        follow: tuple[int, ...] = (),
    ) -> None:
        about = self._workspace().objects.name(object_id)
        if frame is not None:
            about += f", frame {frame}"
        self._annotator.carry_out(action, changes, about, follow)
