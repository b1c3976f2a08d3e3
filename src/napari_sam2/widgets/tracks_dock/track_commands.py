"""What is done to the tracks of the image that is worked on; each call is one step of undo."""

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2.annotation import track_edits
from napari_sam2.annotation.daughters import (
    Seeding,
    daughter_masks,
    seed_prompts,
    split_mask,
)
from napari_sam2.annotation.history import Action
from napari_sam2.tracks.suggestions import Kind, Suggestion
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.automatic.seeds import deepest_pixel

if TYPE_CHECKING:
    from napari_sam2.annotation.drawn_prompts import ObjectFrame
    from napari_sam2.annotation.history import Changes
    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.annotator.annotator import Annotator
    from sam2_torch.masks import SparseMask

    Halves: TypeAlias = tuple[SparseMask, SparseMask]


class TrackEdits:
    """Carries out operations on tracks.

    Parameters
    ----------
    annotator
        Whose image, objects and history they are.

    Attributes
    ----------
    seeding
        What the daughters of a division begin with.
    remember_mother
        Whether the network remembers of them what it remembers of their mother.

    Notes
    -----
    The methods raise ValueError where an operation makes no sense, with a sentence.
    """

    def __init__(self, annotator: "Annotator") -> None:
        self._annotator = annotator
        self.seeding = Seeding.CLICKS
        self.remember_mother = False

    def divide(self, mother: int, frame: int) -> None:
        """Let an object divide in a frame, and follow its daughters from there on.

        What they begin with is said by `seeding`, and whether they remember their mother by
        `remember_mother`. For the network's own masks the network is asked first; where it has
        no two that lie apart, a click goes into each half.
        """
        workspace, annotator = self._workspace(), self._annotator
        halves = daughter_masks(workspace.masklets, mother, frame, workspace.geometry.n_planes)
        if self.seeding is not Seeding.NETWORK:
            self._divide(workspace, (mother, frame), halves, None)
            return
        self._changes(workspace, (mother, frame), halves, None)  # what makes no sense is told now
        places = [deepest_pixel(half) for half in halves]
        annotator.open()
        annotator.network.submit(
            lambda owner: owner.daughter_choices(frame, places),
            then=partial(self._divide_as_chosen, workspace, (mother, frame), halves),
        )

    def _divide_as_chosen(
        self,
        workspace: "Workspace",
        place: "ObjectFrame",
        halves: "Halves",
        choices: tuple[int, int] | None,
    ) -> None:
        """Divide with what the network answered, unless the user has gone on meanwhile."""

        def divide() -> None:
            if workspace is not self._annotator.workspace:
                return
            try:
                self._divide(workspace, place, halves, choices)
            except ValueError as error:
                self._annotator.failed.emit(error)

        if choices is None:
            self._annotator.noticed.emit(
                "The network has no two masks there that lie apart: a click went into each half."
            )
        self._annotator.propagation.when_idle(divide)

    def _divide(
        self,
        workspace: "Workspace",
        place: "ObjectFrame",
        halves: "Halves",
        choices: tuple[int, int] | None,
    ) -> None:
        (mother, frame), begin = place, self._begin(place[1])
        daughters, changes = self._changes(workspace, place, halves, choices)
        if self.remember_mother:  # before she is forgotten from this frame on
            self._annotator.network.submit(
                lambda owner: owner.inherit_memories(mother, begin, daughters)
            )
        self._do(Action.DIVIDE, changes, mother, frame, propagated=daughters)
        self._annotator.work.select_object(daughters[0])

    def _changes(
        self,
        workspace: "Workspace",
        place: "ObjectFrame",
        halves: "Halves",
        choices: tuple[int, int] | None,
    ) -> "tuple[tuple[int, int], Changes]":
        """Work out a division: the daughters' ids, and what it changes."""
        first = workspace.objects.next_id()
        prompts = seed_prompts(self.seeding, halves, choices)
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        daughters = {first: prompts[0], first + 1: prompts[1]}
        begin = self._begin(place[1])
        changes = track_edits.divide(values, *place, daughters, shape, begin)
        return (first, first + 1), changes

    def cut(self, object_id: int, frame: int) -> int:
        """Cut a track: its masks from a frame on become another object, whose id is returned."""
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
        self._do(Action.SPLIT, changes, object_id, frame, propagated=(object_id, new_id))
        return new_id

    def swap(self, first: int, second: int, frame: int) -> None:
        """Exchange two objects from a frame on."""
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        frame = self._begin(frame)
        changes = track_edits.swap(values, first, second, frame, shape)
        self._do(Action.SWAP, changes, first, frame)

    def merge(self, first: int, second: int) -> None:
        """Merge two objects."""
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
        """Link an object as daughter of another, from its first mask on by default."""
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
        self._annotator.work.perform(Action.OPEN, changes, f"{n} object{'s' * (n != 1)}")

    def accept(self, suggestion: Suggestion) -> None:
        """Apply a suggestion."""
        first, *others = suggestion.object_ids
        if suggestion.kind is Kind.DIVISION:
            self._accept_division(first, others, suggestion.frame)
        elif suggestion.kind is Kind.DOUBLE:
            self.merge(first, others[0])
        elif suggestion.kind in (Kind.DEATH, Kind.EXIT, Kind.LOST):
            self.finish(first, suggestion.frame - 1)
        else:
            workspace = self._workspace()
            values, shape = workspace.history.values, workspace.geometry.frame_shape
            changes = track_edits.begin(values, first, suggestion.frame, shape)
            self._do(Action.LINK, changes, first, suggestion.frame)

    def _accept_division(self, mother: int, others: list[int], frame: int) -> None:
        """Link existing objects as daughters; the rest of the mother becomes the other daughter."""
        if not others:
            self.divide(mother, frame)
            return
        workspace = self._workspace()
        values, shape = workspace.history.values, workspace.geometry.frame_shape
        if len(others) > 1:
            daughters = (others[0], others[1])
            changes = track_edits.divide_between(values, mother, frame, daughters, shape)
        else:
            daughters = (workspace.objects.next_id(), others[0])
            changes = track_edits.divide_into(values, mother, frame, daughters, shape)
        self._do(Action.DIVIDE, changes, mother, frame)

    def _begin(self, frame: int) -> int:
        """Give the first frame of the time point that a frame belongs to."""
        return frame - frame % self._workspace().geometry.n_planes

    def _workspace(self) -> "Workspace":
        return self._annotator.work.workspace

    def _do(
        self,
        action: Action,
        changes: "Changes",
        object_id: int,
        frame: int | None = None,
        propagated: tuple[int, ...] = (),
    ) -> None:
        about = self._workspace().objects.name(object_id)
        if frame is not None:
            about += f", frame {frame}"
        self._annotator.work.perform(action, changes, about, propagated)
