"""What "Find similar objects" compares with, and what of the found masks is an object already."""

from collections.abc import Iterable, Mapping, Sequence

from napari_sam2.layers.workspace import Workspace
from sam2_torch.automatic.overlaps import covered_by
from sam2_torch.masks import SparseMask


def examples_of(workspace: Workspace, everything: bool) -> dict[int, list[SparseMask]]:
    """Choose a mask of the current object, or of each object, by frame.

    Each in the frame that is shown, or else in the first one in which the object is. All objects
    are taken, too, while the current one is still empty.
    """
    current = workspace.current_object
    if everything or not _has_mask(workspace, current):
        chosen: Sequence[int] = workspace.masklets.object_ids
    else:
        chosen = [current]
    examples: dict[int, list[SparseMask]] = {}
    for object_id in chosen:
        place = _place(workspace, object_id)
        if place is not None:
            examples.setdefault(place[0], []).append(place[1])
    return examples


def are_objects(
    masks: Mapping[int, SparseMask], objects: Iterable[SparseMask]
) -> dict[int, SparseMask]:
    """Take those masks of a frame that one of its objects covers for the most part."""
    known = {number: each for number, each in enumerate(objects) if each}
    return {i: masks[i] for i in covered_by(masks, known)}


def _has_mask(workspace: Workspace, object_id: int) -> bool:
    return _place(workspace, object_id) is not None


def _place(workspace: Workspace, object_id: int) -> tuple[int, SparseMask] | None:
    """Return a mask of an object: on the shown frame, or the first one."""
    masklets, shown = workspace.masklets, workspace.shown_frame
    for frame in sorted(masklets.frames(object_id), key=lambda f: f != shown):
        mask = masklets.get(object_id, frame)
        if mask:
            return frame, mask
    return None
