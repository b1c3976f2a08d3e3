"""Sessions as files: JSON, one line for each entry of the log, only ever appended to.

The first line says what the file is and which image it belongs to. Each further one is an entry
of `annotation.history`: what was done, and the values that it left behind. A line is written
whole or not at all, as far as it counts: after a crash, a torn last line is left out. Any tool
that reads text reads it; a small mask takes some 300 bytes.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.annotation.drawn_prompts import Marks
from napari_sam2.annotation.history import (
    Action,
    Changes,
    Entry,
    History,
    Key,
    Kind,
    StoredMask,
    Value,
)
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.io.files import replacing
from napari_sam2.masks.masklets import Confidence
from napari_sam2.masks.packing import as_given, is_given, pack, unpack, unpack_logits
from napari_sam2.tracks.lineage import Track
from sam2_torch.inputs.frames import has_large_parts, sample_pixels, shape_of_frames
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits

FORMAT, VERSION = "napari-sam2 session", 2
SUFFIX = ".jsonl"
SAMPLED_FRAMES = 3


@dataclass(frozen=True)
class Fingerprint:
    """What an image is recognised by.

    Parameters
    ----------
    name
        Of the layer or file; images of other names may be the same.
    n_frames, frame_shape
        Length of the movie, (H, W) in pixels.
    dtype
        Of its pixels.
    samples
        Hash of the pixels of the first, the middle and the last frame, or of patches of them.
    place
        Where the movie lies in an image of more axes, such as "2 of axis 1".
    axes, scale
        Their names, and the size of a step along each.
    """

    name: str
    n_frames: int
    frame_shape: tuple[int, int]
    dtype: str
    samples: tuple[str, ...]
    place: str = ""
    axes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()

    @classmethod
    def of(cls, frames: Sequence[Any], name: str, **where: Any) -> "Fingerprint":
        """Look at a movie: reads up to three of its frames, of large ones some patches.

        Parameters
        ----------
        frames
            Arrays (H, W) or (H, W, 3); with a method `window` if they are to be read in parts.
        name
            What the image is called.
        where
            `place`, `axes` and `scale`.
        """
        at = np.linspace(0, len(frames) - 1, min(SAMPLED_FRAMES, len(frames))).astype(int).tolist()
        read = partial(sample_pixels, frames) if has_large_parts(frames) else frames.__getitem__
        sampled = [np.ascontiguousarray(read(i)) for i in at]
        hashes = tuple(hashlib.sha256(pixels.tobytes()).hexdigest()[:16] for pixels in sampled)
        return cls(
            name, len(frames), shape_of_frames(frames), str(sampled[0].dtype), hashes, **where
        )

    def difference(self, other: "Fingerprint") -> str:
        """Say in what another image differs, so that marks of this one do not fit it well.

        Returns
        -------
        Empty if the pixels that were looked at are the same.
        """
        if self.frames_differ(other):
            return f"{self._size()}, this image {other._size()}"
        if self.place != other.place:
            return f"lies at {self.place or 'no other axis'}, this image at {other.place}"
        if self.samples != other.samples or self.dtype != other.dtype:
            return "has the same size, but other pixels"
        return ""

    def frames_differ(self, other: "Fingerprint") -> bool:
        """Tell whether the other image has another number of frames, or larger or smaller ones."""
        return self.n_frames != other.n_frames or self.frame_shape != other.frame_shape

    def _size(self) -> str:
        height, width = self.frame_shape
        return f"has {self.n_frames} frames of {height} x {width} pixels"


@dataclass(frozen=True)
class Header:
    """The first line of a session file.

    Parameters
    ----------
    image
        The image that the session belongs to.
    model
        Name or path of the network when the file was begun; a change is an entry.
    created
        When the session was begun, in UTC.
    software
        What wrote it.
    """

    image: Fingerprint
    model: str
    created: datetime
    software: str


def header_line(header: Header) -> str:
    """Write the first line."""
    line = {
        "format": FORMAT,
        "version": VERSION,
        "software": header.software,
        "created": header.created.isoformat(timespec="seconds"),
        "model": header.model,
        "image": asdict(header.image),
    }
    return json.dumps(line) + "\n"


def entry_line(entry: Entry, frame_shape: tuple[int, int]) -> str:
    """Write one entry as a line."""
    line: dict[str, Any] = {
        "step": entry.step,
        "time": entry.time.isoformat(timespec="milliseconds"),
    }
    if entry.undone is not None:
        line["action"] = "undo" if entry.undone else "redo"
    else:
        line["action"] = entry.action
        line["changes"] = [
            _written(key, value, frame_shape) for key, value in sorted(entry.changes.items())
        ]
    if entry.about:
        line["about"] = entry.about
    return json.dumps(line) + "\n"


def write_session(path: Path, header: Header, entries: Iterable[Entry]) -> None:
    """Write a whole session; what was at `path` is replaced when the new one is complete.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(header_line(header))
        for entry in entries:
            file.write(entry_line(entry, header.image.frame_shape))


def read_header(path: Path) -> Header:
    """Read what a session file belongs to.

    Raises
    ------
    ValueError
        If it is no session file, or one of a newer version.
    """
    with path.open(encoding="utf-8") as file:
        try:
            line = json.loads(file.readline())
        except (json.JSONDecodeError, UnicodeDecodeError):
            line = None
    if not isinstance(line, dict) or line.get("format") != FORMAT:
        raise ValueError(f"{path.name}: expected a session file, found something else")
    if line["version"] > VERSION:
        raise ValueError(
            f"{path.name}: expected version {VERSION} or older, found {line['version']}; "
            "it was written by a newer napari-sam2, which can read it"
        )
    image: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in line["image"].items()
    }
    created = datetime.fromisoformat(line["created"])
    return Header(Fingerprint(**image), line["model"], created, line["software"])


def read_session(path: Path) -> tuple[Header, History]:
    """Read a session file.

    Returns
    -------
    What it belongs to, and its log with all values as they were left. A last line that was
    not written to its end is left out.

    Raises
    ------
    ValueError
        If it is no session file, or a line in it is damaged; the message names the line.
    """
    header, history = read_header(path), History()
    for number, line in _whole_lines(path):
        try:
            history.replay(_entry(json.loads(line), header.image.frame_shape))
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise ValueError(f"{path.name}, line {number}: damaged ({error})") from error
    return header, history


def _whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if number > 1 and line.endswith("\n"):
                yield number, line


def _entry(line: Mapping[str, Any], shape: tuple[int, int]) -> Entry:
    undone = {"undo": True, "redo": False}.get(line["action"])
    changes: Changes = dict(_read(change, shape) for change in line.get("changes", ()))
    time = datetime.fromisoformat(line["time"])
    action = Action(line["action"]) if undone is None else None
    return Entry(int(line["step"]), action, line.get("about", ""), changes, undone, time)


def _written(key: Key, value: Value | None, shape: tuple[int, int]) -> dict[str, Any]:
    written: dict[str, Any] = {"of": str(key.kind), "object": key.object_id}
    if key.kind not in (Kind.OBJECT, Kind.TRACK, Kind.SETTINGS):
        written["frame"] = key.frame
    if isinstance(value, ObjectRecord | Settings):
        written["to"] = asdict(value)
    elif isinstance(value, Track):
        written["to"] = {"begin": value.begin, "end": value.end, "parent": value.parent}
    elif isinstance(value, Marks):
        written["to"] = _marks_written(value)
    elif isinstance(value, StoredMask):
        written["to"] = _mask_written(unpack(value.packed, shape)) | _logits_written(value.packed)
        if value.confidence is not None:
            iou, score = value.confidence
            written["to"] |= {"iou": round(float(iou), 4), "score": round(float(score), 3)}
    else:
        written["to"] = None
    return written


def _marks_written(marks: Marks) -> dict[str, Any]:
    written: dict[str, Any] = {
        name: getattr(marks, name)
        for name in ("clicks", "boxes", "outlines", "scribbles")
        if getattr(marks, name)
    }
    if marks.painted is not None:
        written["painted"] = _mask_written(marks.painted)
    if marks.choice is not None:
        written["choice"] = marks.choice
    return written


def _mask_written(mask: SparseMask) -> dict[str, Any]:
    bits = base64.b64encode(zlib.compress(mask.bits.tobytes())).decode()
    return {"box": [*mask.origin_yx, *mask.extent_yx], "bits": bits}


def _read(change: Mapping[str, Any], shape: tuple[int, int]) -> tuple[Key, Value | None]:
    key = Key(Kind(change["of"]), int(change["object"]), int(change.get("frame", -1)))
    to = change["to"]
    if to is None:
        return key, None
    if key.kind == Kind.OBJECT:
        return key, ObjectRecord(**to)
    if key.kind == Kind.SETTINGS:
        return key, Settings.read(to)
    if key.kind == Kind.TRACK:
        return key, Track(key.object_id, **to)
    if key.kind == Kind.MASK:
        scores = Confidence(to["iou"], to["score"]) if "iou" in to else None
        return key, StoredMask(_packed(to, shape), scores)
    return key, _marks_read(to, shape)


def _marks_read(written: Mapping[str, Any], shape: tuple[int, int]) -> Marks:
    drawn = {name: _as_tuples(written.get(name, ())) for name in ("clicks", "boxes", "outlines")}
    scribbles = tuple(
        (int(label), _as_tuples(path)) for label, path in written.get("scribbles", ())
    )
    painted = _mask_read(written["painted"], shape) if "painted" in written else None
    return Marks(**drawn, scribbles=scribbles, painted=painted, choice=written.get("choice"))


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
    values = np.frombuffer(zlib.decompress(base64.b64decode(to["logits"])), np.int8)
    grid = MaskLogits(values.reshape(h, w), (places[0], places[1]), (places[2], places[3]))
    return as_given(pack(mask, grid), given)


def _mask_read(written: Mapping[str, Any], shape: tuple[int, int]) -> SparseMask:
    y, x, h, w = written["box"]
    if not (0 <= y <= y + h <= shape[0] and 0 <= x <= x + w <= shape[1]):
        raise ValueError(f"expected a mask within {shape}, found the box {written['box']}")
    bits = np.frombuffer(zlib.decompress(base64.b64decode(written["bits"])), np.uint8)
    if len(bits) != (h * w + 7) // 8:
        raise ValueError(f"expected {h * w} pixels of a mask, found {8 * len(bits)}")
    return SparseMask(shape, (y, x), (h, w), bits)


def _as_tuples(nested: Any) -> Any:
    return tuple(map(_as_tuples, nested)) if isinstance(nested, list | tuple) else nested
