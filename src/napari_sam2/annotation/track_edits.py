"""Edits of tracks as pure functions: from the values of the log to changed values.

As `object_edits`; the caller records the changes.
"""

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Changes, Key, Kind, StoredMask, Value
from napari_sam2.annotation.object_edits import Values
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.masks.masklets import Masklets
from napari_sam2.masks.packing import as_given, pack, read_outline, unpack
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.lineage_operations import NOWHERE, Edit, Move
from napari_sam2.tracks.reviews import Place
from napari_sam2.tracks.tracked_movie import Tracked, united
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOVED = (Kind.MASK, Kind.PROMPTS, Kind.LOCK, Kind.REVIEW)


def reviewed_places(values: Values) -> set[Place]:
    """Return the places that the user reviewed, prompted or locked."""
    return {key.place for key in values if key.kind in (Kind.REVIEW, Kind.PROMPTS, Kind.LOCK)}


def lineage_of(values: Values) -> Lineage:
    """Return the lineage; daughters whose mother was deleted have no parent."""
    tracks = [
        replace(value, object_id=key.object_id)  # a duplicated object has the row of the other
        for key, value in values.items()
        if isinstance(value, Track)
    ]
    known = {track.object_id for track in tracks}
    return Lineage(track if track.parent in known else replace(track, parent=0) for track in tracks)


def tracked_from(values: Values, tracked: Tracked) -> Tracked:
    """Return the masks, names, lineage and reviews of a log.

    Parameters
    ----------
    values
        The values of the log.
    tracked
        Anything on the same frames, for axes, calibration and movie.
    """
    masklets = Masklets(tracked.n_frames, tracked.masklets.frame_shape)
    names = {}
    for key, value in values.items():
        if key.kind == Kind.MASK and isinstance(value, StoredMask):
            masklets.put(key.object_id, key.frame, value.packed)
        elif isinstance(value, ObjectRecord):
            names[key.object_id] = value.name
    lineage, reviewed = lineage_of(values), reviewed_places(values)
    return replace(tracked, masklets=masklets, lineage=lineage, names=names, reviewed=reviewed)


def bring_in(values: Values, tracked: Tracked, unused: int) -> Changes:
    """Add objects that were read from a file.

    Parameters
    ----------
    values
        The values of the log.
    tracked
        The objects; those whose id is in use get new ids from `unused` on.
    unused
        No id from this one on is in use.

    Returns
    -------
    Names, tracks and masks; the first mask of each object is a prompt, so that the object can be
    propagated and corrected.
    """
    taken = {key.object_id for key, value in values.items() if key.kind != Kind.OBJECT}
    free = count(max(unused, *tracked.tracks.object_ids, 0) + 1)
    ids = {i: next(free) if i in taken else i for i in tracked.tracks.object_ids}
    changes: dict[Key, Value | None] = {}
    for track in tracked.tracks:
        own = ids[track.object_id]
        changes[Key(Kind.OBJECT, own)] = ObjectRecord(tracked.name(track.object_id))
        bounds = tracked.lineage[track.object_id]
        parent = ids.get(track.parent, 0)
        if parent or tracked.tracks.daughters(track.object_id):
            bounds = track  # a link needs both of its ends
        changes[Key(Kind.TRACK, own)] = Track(own, bounds.begin, bounds.end, parent)
        for frame in tracked.masklets.frames(track.object_id):
            packed = tracked.masklets.packed(track.object_id, frame)
            if packed and read_outline(packed).area and track.spans(frame):
                changes[Key(Kind.MASK, own, frame)] = StoredMask(as_given(packed, True))
                if frame == track.begin:
                    mask = unpack(packed, tracked.masklets.frame_shape)
                    changes[Key(Kind.PROMPTS, own, frame)] = DrawnPrompts(painted=mask)
    return changes


def divide(
    values: Values,
    mother: int,
    frame: int,
    daughters: "Mapping[int, DrawnPrompts]",
    shape: tuple[int, int],
    begin: int | None = None,
) -> Changes:
    """Divide an object.

    Parameters
    ----------
    values
        The values of the log.
    mother, frame
        As `lineage_operations.divide` takes them.
    daughters
        Two new ids, and the prompts of each on the frame; a painted mask is kept as it is.
    shape
        (H, W) of a frame.
    begin
        The first frame of the daughters: of a movie of stacks the first plane of the time
        point that `frame` belongs to. By default the frame itself.

    Raises
    ------
    ValueError
        As `lineage_operations.divide`.
    """
    first, second = daughters
    since = frame if begin is None else begin
    edit = lineage_operations.divide(lineage_of(values), mother, since, (first, second))
    changes = dict(apply(values, edit, shape))
    name = _name(values, mother)
    for (daughter, prompts), letter in zip(daughters.items(), "ab", strict=True):
        changes[Key(Kind.OBJECT, daughter)] = ObjectRecord(f"{name}{letter}")
        changes[Key(Kind.PROMPTS, daughter, frame)] = prompts
        if prompts.painted is not None:
            changes[Key(Kind.MASK, daughter, frame)] = StoredMask(pack(prompts.painted))
    return changes


def divide_into(
    values: Values,
    mother: int,
    frame: int,
    daughters: tuple[int, int],
    shape: tuple[int, int],
) -> Changes:
    """Divide an object into its own rest, a new object, and an existing object.

    Raises
    ------
    ValueError
        As `lineage_operations.divide_into`.
    """
    edit = lineage_operations.divide_into(lineage_of(values), mother, frame, *daughters)
    changes = dict(apply(values, edit, shape, anchor=frame))
    changes[Key(Kind.OBJECT, daughters[0])] = ObjectRecord(f"{_name(values, mother)}a")
    return changes


def divide_between(
    values: Values, mother: int, frame: int, daughters: tuple[int, int], shape: tuple[int, int]
) -> Changes:
    """Divide an object into two existing objects.

    Raises
    ------
    ValueError
        As `lineage_operations.assign_daughters`.
    """
    return apply(
        values,
        lineage_operations.assign_daughters(lineage_of(values), mother, frame, daughters),
        shape,
    )


def begin(values: Values, object_id: int, frame: int, shape: tuple[int, int]) -> Changes:
    """Begin the track of an object with a frame.

    Raises
    ------
    ValueError
        As `lineage_operations.start`.
    """
    return apply(values, lineage_operations.start(lineage_of(values), object_id, frame), shape)


def split(
    values: Values, object_id: int, frame: int, new_id: int, parts: tuple[SparseMask, SparseMask]
) -> Changes:
    """Split an object that is two cells into two objects, from a frame on.

    Parameters
    ----------
    parts
        The masks of the object and of the new one on the frame, which become mask prompts.

    Raises
    ------
    ValueError
        As `lineage_operations.split`.
    """
    edit = lineage_operations.split(lineage_of(values), object_id, frame, new_id)
    changes = dict(apply(values, edit, parts[0].shape))
    changes[Key(Kind.OBJECT, new_id)] = ObjectRecord(f"{_name(values, object_id)} part")
    for owner, mask in zip((object_id, new_id), parts, strict=True):
        changes[Key(Kind.MASK, owner, frame)] = StoredMask(pack(mask))
        changes[Key(Kind.PROMPTS, owner, frame)] = DrawnPrompts(painted=mask)
    return changes


def cut(values: Values, object_id: int, frame: int, new_id: int, shape: tuple[int, int]) -> Changes:
    """Make a new object of a track from a frame on.

    Raises
    ------
    ValueError
        As `lineage_operations.cut`.
    """
    edit = lineage_operations.cut(lineage_of(values), object_id, frame, new_id)
    changes = dict(apply(values, edit, shape, anchor=frame))
    changes[Key(Kind.OBJECT, new_id)] = ObjectRecord(f"{_name(values, object_id)} from {frame}")
    return changes


def swap(values: Values, first: int, second: int, frame: int, shape: tuple[int, int]) -> Changes:
    """Exchange two objects from a frame on.

    Raises
    ------
    ValueError
        As `lineage_operations.swap`.
    """
    return apply(
        values,
        lineage_operations.swap(lineage_of(values), first, second, frame),
        shape,
        anchor=frame,
    )


def merge(values: Values, first: int, second: int, shape: tuple[int, int]) -> Changes:
    """Make one track of two.

    Raises
    ------
    ValueError
        As `lineage_operations.merge`.
    """
    changes = dict(
        apply(values, lineage_operations.merge(lineage_of(values), first, second), shape)
    )
    changes |= {key: None for key in values if key.object_id == second}
    return changes


def finish(values: Values, object_id: int, frame: int, shape: tuple[int, int]) -> Changes:
    """Let an object end with a frame.

    Raises
    ------
    ValueError
        As `lineage_operations.finish`.
    """
    return apply(values, lineage_operations.finish(lineage_of(values), object_id, frame), shape)


def link(values: Values, mother: int, daughter: int, frame: int, shape: tuple[int, int]) -> Changes:
    """Make one object the daughter of another.

    Raises
    ------
    ValueError
        As `lineage_operations.link`.
    """
    return apply(
        values, lineage_operations.link(lineage_of(values), mother, daughter, frame), shape
    )


def unlink(values: Values, object_id: int, shape: tuple[int, int]) -> Changes:
    """Remove the parent of an object."""
    return apply(values, lineage_operations.unlink(lineage_of(values), object_id), shape)


def apply(values: Values, edit: Edit, shape: tuple[int, int], anchor: int | None = None) -> Changes:
    """Convert an edit of the lineage to changed values.

    Parameters
    ----------
    values
        The values of the log.
    edit
        The edit.
    shape
        (H, W) of a frame.
    anchor
        A frame on which masks that move to another object become its prompts, so that it is
        propagated from there.

    Returns
    -------
    Tracks, masks, prompts and locks; all moves happen at once.
    """
    changes: dict[Key, Value | None] = {}
    for move in edit.moves:
        for key in _leaving(values, move):
            changes.setdefault(key, None)
    for move in edit.moves:
        if move.target == NOWHERE:
            continue
        for key in _leaving(values, move):
            to = key._replace(object_id=move.target)
            there = changes[to] if to in changes else values.get(to)
            changes[to] = _joined(there, values[key], shape)
            if key.kind == Kind.MASK and key.frame == anchor:
                _anchor(changes, to, shape)
    return changes | _tracks(values, edit.lineage)


def _leaving(values: Values, move: Move) -> list[Key]:
    return [
        key
        for key in values
        if key.kind in _MOVED
        and key.object_id == move.source
        and move.first <= key.frame < move.stop
    ]


def _joined(there: Value | None, coming: Value, shape: tuple[int, int]) -> Value:
    """Join the values of two objects on one frame."""
    if isinstance(there, StoredMask) and isinstance(coming, StoredMask):
        both = united(unpack(there.packed, shape), unpack(coming.packed, shape))
        return StoredMask(pack(both or SparseMask.empty(shape)), there.confidence)
    if (
        isinstance(there, DrawnPrompts)
        and isinstance(coming, DrawnPrompts)
        and there.painted
        and coming.painted
    ):
        return replace(there, painted=united(there.painted, coming.painted))
    return coming if there is None else there


def _anchor(changes: dict[Key, Value | None], key: Key, shape: tuple[int, int]) -> None:
    stored = changes[key]
    if isinstance(stored, StoredMask):
        mask = unpack(stored.packed, shape)
        if mask:
            changes[key._replace(kind=Kind.PROMPTS)] = DrawnPrompts(painted=mask)


def _tracks(values: Values, lineage: Lineage) -> dict[Key, Value | None]:
    before = {key: value for key, value in values.items() if key.kind == Kind.TRACK}
    after: Mapping[Key, Value] = {Key(Kind.TRACK, track.object_id): track for track in lineage}
    gone = dict.fromkeys(before.keys() - after.keys())
    return gone | {key: value for key, value in after.items() if before.get(key) != value}


def _name(values: Values, object_id: int) -> str:
    record = values.get(Key(Kind.OBJECT, object_id))
    return record.name if isinstance(record, ObjectRecord) else f"Object {object_id}"
