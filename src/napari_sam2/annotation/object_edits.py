"""Edits of whole objects as pure functions: from the values of the log to changed values.

The caller records the changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.history import Changes, Key, Kind, StoredMask, Value
from napari_sam2.annotation.objects import ObjectRecord, default_record
from napari_sam2.masks.packing import as_given, pack, unpack
from sam2_torch.masks import SparseMask

Values = Mapping[Key, Value]


def record_of(values: Values, object_id: int) -> ObjectRecord:
    """Return the record of an object.

    Raises
    ------
    KeyError
        If there is no such object.
    """
    record = values.get(Key(Kind.OBJECT, object_id))
    if not isinstance(record, ObjectRecord):
        ids = sorted(key.object_id for key in values if key.kind == Kind.OBJECT)
        raise KeyError(f"object {object_id} is not there; the objects are {ids}")
    return record


def prompts_of(values: Values, object_id: int, frame: int) -> DrawnPrompts:
    """Return the prompts of an object on a frame."""
    drawn = values.get(Key(Kind.PROMPTS, object_id, frame))
    return drawn if isinstance(drawn, DrawnPrompts) else DrawnPrompts()


def mask_of(values: Values, object_id: int, frame: int) -> StoredMask | None:
    """Return the mask of an object on a frame; None if there is none."""
    mask = values.get(Key(Kind.MASK, object_id, frame))
    return mask if isinstance(mask, StoredMask) else None


def add_masks(
    values: Values,
    masks: Mapping[int, Mapping[int, SparseMask]],
    names: Mapping[int, str],
    n_frames: int,
    frame_shape: tuple[int, int],
) -> Changes:
    """Add masks as mask prompts.

    Parameters
    ----------
    values
        The values of the log.
    masks
        By object id and frame.
    names
        Names of objects; new objects get one in any case.
    n_frames, frame_shape
        Length of the movie, (H, W) in pixels.

    Raises
    ------
    ValueError
        If a mask has another shape than the frames, or a frame is outside of the movie.
    """
    changes: dict[Key, Value | None] = {}
    for object_id, by_frame in masks.items():
        for frame, mask in by_frame.items():
            _check_mask(object_id, frame, mask, n_frames, frame_shape)
            changes[Key(Kind.MASK, object_id, frame)] = StoredMask(pack(mask))
            changes[Key(Kind.PROMPTS, object_id, frame)] = DrawnPrompts(painted=mask)
        key = Key(Kind.OBJECT, object_id)
        if object_id in names or key not in values:
            name = names.get(object_id)
            changes[key] = ObjectRecord(name) if name else default_record(object_id)
    return changes


def delete(values: Values, object_ids: Iterable[int]) -> Changes:
    """Delete objects with their prompts, masks, locks and tracks."""
    gone = set(object_ids)
    return {key: None for key in values if key.object_id in gone}


def duplicate(values: Values, object_id: int, new_id: int) -> Changes:
    """Copy an object with its prompts and masks; the copy is not locked.

    Raises
    ------
    KeyError
        If there is no such object.
    """
    record = record_of(values, object_id)
    copy = replace(record, name=f"{record.name} copy", is_locked=False)
    own = {
        key._replace(object_id=new_id): value
        for key, value in values.items()
        if key.object_id == object_id
    }
    return own | {Key(Kind.OBJECT, new_id): copy}


def merge(
    values: Values, into: int, object_ids: Iterable[int], frame_shape: tuple[int, int]
) -> Changes:
    """Make one object of several.

    On each frame its mask is the union of theirs. Where one of them was prompted or locked, the
    union is a mask prompt. A locked mask of `into` stays.

    Raises
    ------
    KeyError
        If there is no object `into`.
    """
    record_of(values, into)
    others = set(object_ids) - {into}
    changes = dict(delete(values, others))
    frames = {key.frame for key in values if key.object_id in others and key.kind == Kind.MASK}
    for frame in sorted(frames):
        if Key(Kind.LOCK, into, frame) in values:
            continue
        united = _union(values, [into, *sorted(others)], frame, frame_shape)
        changes[Key(Kind.MASK, into, frame)] = StoredMask(pack(united))
        prompted = any(
            Key(kind, i, frame) in values
            for i in (into, *others)
            for kind in (Kind.PROMPTS, Kind.LOCK)
        )
        if prompted:
            changes[Key(Kind.PROMPTS, into, frame)] = DrawnPrompts(painted=united)
    return changes


def lock_frame(
    values: Values, object_id: int, frame: int, locked: bool, frame_shape: tuple[int, int]
) -> Changes:
    """Lock the mask of an object on a frame, or unlock it.

    A locked mask is a mask prompt. The drawn prompts of the frame return when it is unlocked.

    Raises
    ------
    KeyError
        If there is no mask that could be locked.
    """
    lock, drawn, mask = (Key(k, object_id, frame) for k in (Kind.LOCK, Kind.PROMPTS, Kind.MASK))
    if locked == (lock in values):
        return {}
    stored = mask_of(values, object_id, frame)
    if not locked:
        before = values[lock]
        return {lock: None, drawn: before if before else None, **_as_given(mask, stored, False)}
    if stored is None:
        raise KeyError(
            f"object {object_id} has no mask in frame {frame} yet: prompt or propagate it first"
        )
    painted = DrawnPrompts(painted=unpack(stored.packed, frame_shape))
    return {
        lock: prompts_of(values, object_id, frame),
        drawn: painted,
        **_as_given(mask, stored, True),
    }


def describe(values: Values, object_ids: Iterable[int], **fields: object) -> Changes:
    """Change `name`, `category`, `is_locked` or `is_visible` of objects.

    Raises
    ------
    KeyError
        If there is no such object.
    """
    return {
        Key(Kind.OBJECT, i): replace(record_of(values, i), **fields)  # type: ignore[arg-type]
        for i in object_ids
    }


def _check_mask(
    object_id: int, frame: int, mask: SparseMask, n_frames: int, frame_shape: tuple[int, int]
) -> None:
    if object_id < 1:
        raise ValueError(f"object id: expected 1 or more (0 is background), found {object_id}")
    if not 0 <= frame < n_frames:
        raise ValueError(f"frame {frame} is outside the movie (0..{n_frames - 1})")
    if mask.shape != frame_shape:
        raise ValueError(
            f"mask: expected the shape of the frames {frame_shape}, found {mask.shape}"
        )


def _as_given(key: Key, stored: StoredMask | None, given: bool) -> dict[Key, Value | None]:
    """Mark a mask as the user's own, which wins where masks overlap, or as the network's."""
    if stored is None:
        return {}
    return {key: replace(stored, packed=as_given(stored.packed, given))}


def _union(
    values: Values, object_ids: Iterable[int], frame: int, frame_shape: tuple[int, int]
) -> SparseMask:
    stored = [mask_of(values, i, frame) for i in object_ids]
    united = np.zeros(frame_shape, bool)
    for one in stored:
        if one is not None:
            mask = unpack(one.packed, frame_shape)
            united[mask.slices] |= mask.window()
    return SparseMask.from_dense(united)


def masks_before(
    prompts: Mapping[ObjectFrame, DrawnPrompts], places: Iterable[ObjectFrame]
) -> Changes:
    """Return the masks as they were before anything was drawn, for prompts that were removed."""
    was = {place: prompts[place].present for place in places}
    return {
        Key(Kind.MASK, *place): None if mask is None else StoredMask(pack(mask))
        for place, mask in was.items()
    }
