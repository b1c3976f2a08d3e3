"""Values of the log as JSON, and back; values that are read are checked."""

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Changes, Key, Kind, StoredMask, Value
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.io.label_images import LARGEST_ID
from napari_sam2.masks.masklets import Confidence
from napari_sam2.masks.packing import as_given, is_given, pack, unpack, unpack_logits
from napari_sam2.tracks.lineage import Track
from napari_sam2.tracks.reviews import WHOLE_TRACK, Review
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits

MAX_BYTES = 1 << 27
"""Bytes of a mask; a file of a few MB could otherwise ask for any amount of memory."""


_OF_OBJECTS = (Kind.OBJECT, Kind.TRACK, Kind.SETTINGS)
"""Kinds of values that belong to no frame."""


def write_changes(changes: Changes, frame_shape: tuple[int, int]) -> list[dict[str, Any]]:
    """Write the values of an entry.

    Parameters
    ----------
    changes
        Values by key; None for a value that is gone.
    frame_shape
        (H, W) in pixels.
    """
    return [_written(key, value, frame_shape) for key, value in sorted(changes.items())]


def read_changes(
    written: list[Mapping[str, Any]], n_frames: int, frame_shape: tuple[int, int]
) -> Changes:
    """Read the values of an entry.

    Parameters
    ----------
    written
        What `write_changes` wrote.
    n_frames, frame_shape
        Length of the movie, (H, W) in pixels.

    Raises
    ------
    ValueError, TypeError, LookupError, zlib.error
        If a value is none that can have been written.
    """
    return dict(_read(change, n_frames, frame_shape) for change in written)


def _written(key: Key, value: Value | None, shape: tuple[int, int]) -> dict[str, Any]:
    written: dict[str, Any] = {"of": str(key.kind), "object": key.object_id}
    if key.kind not in _OF_OBJECTS:
        written["frame"] = key.frame
    if isinstance(value, ObjectRecord | Settings | Review):
        written["to"] = asdict(value)
    elif isinstance(value, Track):
        written["to"] = {"begin": value.begin, "end": value.end, "parent": value.parent}
    elif isinstance(value, DrawnPrompts):
        written["to"] = _prompts_written(value)
    elif isinstance(value, StoredMask):
        written["to"] = _mask_written(unpack(value.packed, shape)) | _logits_written(value.packed)
        if value.confidence is not None:
            iou, score = value.confidence
            written["to"] |= {"iou": round(float(iou), 4), "score": round(float(score), 3)}
    else:
        written["to"] = None
    return written


def _prompts_written(drawn: DrawnPrompts) -> dict[str, Any]:
    written: dict[str, Any] = {
        name: getattr(drawn, name)
        for name in ("clicks", "boxes", "outlines", "scribbles")
        if getattr(drawn, name)
    }
    for name in ("painted", "present"):
        mask = getattr(drawn, name)
        if mask is not None:
            written[name] = _mask_written(mask)
    if drawn.choice is not None:
        written["choice"] = drawn.choice
    return written


def _mask_written(mask: SparseMask) -> dict[str, Any]:
    bits = base64.b64encode(zlib.compress(mask.bits.tobytes())).decode()
    return {"box": [*mask.origin_yx, *mask.extent_yx], "bits": bits}


def _read(
    change: Mapping[str, Any], n_frames: int, shape: tuple[int, int]
) -> tuple[Key, Value | None]:
    key = _key_read(change, n_frames)
    to = change["to"]
    if to is None:
        return key, None
    if key.kind == Kind.OBJECT:
        return key, _record_read(to)
    if key.kind == Kind.SETTINGS:
        return key, Settings.read(to)
    if key.kind == Kind.TRACK:
        begin, end = _index(to["begin"]), _index(to["end"])
        return key, Track(key.object_id, begin, end, int(to["parent"]))
    if key.kind == Kind.REVIEW:
        return key, Review(tuple(str(reason) for reason in to["reasons"]))
    if key.kind == Kind.MASK:
        scores = Confidence(*_numbers([to["iou"], to["score"]], 2)) if "iou" in to else None
        return key, StoredMask(_packed(to, shape), scores)
    return key, _prompts_read(to, shape)


def _key_read(change: Mapping[str, Any], n_frames: int) -> Key:
    key = Key(Kind(change["of"]), int(change["object"]), int(change.get("frame", -1)))
    smallest = 0 if key.kind == Kind.SETTINGS else 1
    if not smallest <= key.object_id <= LARGEST_ID:
        raise ValueError(f"expected an object id of {smallest} or more, found {key.object_id}")
    first = WHOLE_TRACK if key.kind == Kind.REVIEW else 0
    if key.kind not in _OF_OBJECTS and not first <= key.frame < n_frames:
        raise ValueError(f"expected a frame in 0..{n_frames - 1}, found {key.frame}")
    return key


def _record_read(to: Mapping[str, Any]) -> ObjectRecord:
    """Read what this version knows of an object."""
    known = {each.name: to[each.name] for each in fields(ObjectRecord) if each.name in to}
    record = ObjectRecord(**known)
    if not (isinstance(record.name, str) and isinstance(record.category, str)):
        raise ValueError(f"expected a name and a category, found {_short(to)}")
    return record


def _prompts_read(written: Mapping[str, Any], shape: tuple[int, int]) -> DrawnPrompts:
    painted, present = (
        _mask_read(written[name], shape) if name in written else None
        for name in ("painted", "present")
    )
    choice = written.get("choice")
    return DrawnPrompts(
        tuple((y, x, int(label)) for y, x, label in _rows(written.get("clicks", ()), 3)),
        tuple((y0, x0, y1, x1) for y0, x0, y1, x1 in _rows(written.get("boxes", ()), 4)),
        tuple(_path(path) for path in written.get("outlines", ())),
        tuple((int(label), _path(path)) for label, path in written.get("scribbles", ())),
        painted,
        None if choice is None else int(choice),
        present,
    )


def _path(written: Any) -> tuple[tuple[float, float], ...]:
    return tuple((y, x) for y, x in _rows(written, 2))


def _rows(written: Any, n: int) -> list[tuple[float, ...]]:
    return [_numbers(row, n) for row in written]


def _numbers(row: Any, n: int) -> tuple[float, ...]:
    """Read so many finite numbers; they keep their types."""
    is_row = isinstance(row, list) and len(row) == n
    if not is_row or not all(isinstance(v, int | float) and math.isfinite(v) for v in row):
        raise ValueError(f"expected {n} numbers, found {_short(row)}")
    return tuple(row)


def _index(number: Any) -> int | None:
    if number is not None and not isinstance(number, int):
        raise ValueError(f"expected a whole number or nothing, found {_short(number)}")
    return number


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _logits_written(packed: bytes) -> dict[str, Any]:
    """Write what decides where masks overlap."""
    written: dict[str, Any] = {"given": True} if is_given(packed) else {}
    logits = unpack_logits(packed)
    if logits is None:
        return written
    grid = base64.b64encode(zlib.compress(logits.values.tobytes())).decode()
    # the fewest digits that give the same number again
    places = [float(str(np.float32(n))) for n in (*logits.first_yx, *logits.step_yx)]
    return written | {"logits": grid, "grid": [*logits.values.shape, *places]}


def _packed(to: Mapping[str, Any], shape: tuple[int, int]) -> bytes:
    """Read a mask with its logits; older versions kept none, but the scores of their masks."""
    mask, given = _mask_read(to, shape), bool(to.get("given"))
    if "logits" not in to:
        return pack(mask, MaskLogits.unknown() if "iou" in to and not given else None)
    h, w, *places = to["grid"]
    values = np.frombuffer(_decompressed(to["logits"], h * w), np.int8)
    y, x, step_y, step_x = _numbers(places, 4)
    grid = MaskLogits(values.reshape(h, w), (y, x), (step_y, step_x))
    return as_given(pack(mask, grid), given)


def _mask_read(written: Mapping[str, Any], shape: tuple[int, int]) -> SparseMask:
    y, x, h, w = written["box"]
    if not (0 <= y <= y + h <= shape[0] and 0 <= x <= x + w <= shape[1]):
        raise ValueError(f"expected a mask within {shape}, found the box {_short(written['box'])}")
    bits = np.frombuffer(_decompressed(written["bits"], (h * w + 7) // 8), np.uint8)
    return SparseMask(shape, (y, x), (h, w), bits)


def _decompressed(text: str, n_bytes: int) -> bytes:
    """Decompress so many bytes; fewer, or more, are an error, found without making them all."""
    if not 0 <= n_bytes <= MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES} bytes of a mask, found {n_bytes}")
    stream = zlib.decompressobj()
    content = stream.decompress(base64.b64decode(text, validate=True), n_bytes + 1)
    if len(content) != n_bytes or not stream.eof:
        raise ValueError(f"expected {n_bytes} bytes of a mask, found another number")
    return content
