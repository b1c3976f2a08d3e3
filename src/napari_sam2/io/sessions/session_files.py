"""Sessions as files: JSON, one line for each entry of the log, only ever appended to.

The first line says what the file is and which image it belongs to. Each further one is an entry
of `annotation.history`: what was done, and the values that it left behind. A line is written
whole or not at all, as far as it counts: after a crash, a torn last line is left out. Any tool
that reads text reads it; a small mask takes some 300 bytes.
"""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_sam2.annotation.history import Action, Entry, History
from napari_sam2.io.files import replacing
from napari_sam2.io.sessions.session_values import read_changes, write_changes
from sam2_torch.inputs.frames import has_large_parts, sample_pixels, shape_of_frames

_LOG = logging.getLogger(__name__)

FORMAT, VERSION = "napari-sam2 session", 2
SUFFIX = ".jsonl"
SAMPLED_FRAMES = 3

HEADER_COPIES = 2
"""Entries that hold a copy of the header, by which a file with a damaged first line is known."""

_LONGEST_HEADER = 1 << 20  # bytes
_LONGEST_COPY = 1 << 22  # bytes of an entry that is looked at for a copy
_SHORTEST_LINE = 64  # bytes of an entry
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    zlib.error,
)
"""Exceptions that a line with any content can raise."""


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

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Fingerprint":
        """Read what a file knows of an image; what this version does not know is left out.

        Raises
        ------
        ValueError, TypeError
            If it is no image.
        """
        known = [each.name for each in fields(cls) if each.name in written]
        values: dict[str, Any] = {
            name: tuple(written[name]) if isinstance(written[name], list) else written[name]
            for name in known
        }
        image = cls(**values)
        sizes = (image.n_frames, *image.frame_shape)
        if len(sizes) != 3 or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise ValueError(f"expected the size of a movie, found {str(sizes)[:80]}")
        if not (isinstance(image.name, str) and isinstance(image.dtype, str)):
            raise ValueError("expected the name of an image and a dtype")
        return image

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
    return _line(_header_written(header))


def entry_line(entry: Entry, frame_shape: tuple[int, int], header: Header | None = None) -> str:
    """Write one entry as a line.

    Parameters
    ----------
    entry
        Of the log.
    frame_shape
        (H, W) in pixels.
    header
        Written into the line as well, for the case that the first line is damaged one day.
    """
    line: dict[str, Any] = {
        "step": entry.step,
        "time": entry.time.isoformat(timespec="milliseconds"),
    }
    if entry.undone is not None:
        line["action"] = "undo" if entry.undone else "redo"
    else:
        line["action"] = entry.action
        line["changes"] = write_changes(entry.changes, frame_shape)
    if entry.about:
        line["about"] = entry.about
    if header is not None:
        line["header"] = _header_written(header)
    return _line(line)


def write_session(path: Path, header: Header, entries: Iterable[Entry]) -> None:
    """Write a whole session; what was at `path` is replaced when the new one is complete.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(header_line(header))
        for number, entry in enumerate(entries):
            copied = header if number < HEADER_COPIES else None
            file.write(entry_line(entry, header.image.frame_shape, copied))
        file.flush()
        os.fsync(file.fileno())


def append_lines(path: Path, n_bytes: int, lines: str) -> None:
    """Write lines at the end of a session file, and wait until they are on the disk.

    Parameters
    ----------
    path
        The file.
    n_bytes
        Its size when it was whole; what a failed attempt left behind it is replaced.
    lines
        Of `entry_line`.
    """
    with path.open("r+b") as file:
        file.seek(n_bytes)
        file.truncate()
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def read_header(path: Path) -> Header:
    """Read which image a session file belongs to, from the first line or a copy of it.

    Raises
    ------
    ValueError
        If it is no session file, or one of a newer version.
    """
    with path.open("rb") as file:
        try:
            return _header_read(path.name, file.readline(_LONGEST_HEADER))
        except ValueError:
            copy = _header_copy(path.name, file)
            if copy is None:
                raise
            return copy


def read_session(
    path: Path, left_out: Callable[[str], None] = _LOG.warning
) -> tuple[Header, History]:
    """Read a session file, or what is whole of it.

    Parameters
    ----------
    path
        The file; it is never changed.
    left_out
        Called with a sentence if lines are damaged.

    Returns
    -------
    What it belongs to, and its log with all values as they were left. A last line that was
    not written to its end is left out; so are damaged ones.

    Raises
    ------
    ValueError
        If it is no session file, or no line in it is whole.
    """
    header = read_header(path)
    history = History(header.image.n_frames, header.image.frame_shape)
    damaged: list[str] = []
    last_step = n_lines = n_lost = 0
    for number, line in _whole_lines(path):
        n_lines += 1
        try:
            entry = _entry(_fields(line), header.image)
            if last_step + 1 < entry.step <= last_step + 1 + n_lost:
                _fill_in(history, range(last_step + 1, entry.step), entry)
            history.replay(entry)
        except _DAMAGE as error:
            damaged.append(f"line {number}: damaged ({str(error) or type(error).__name__})")
            n_lost += 1 + len(line) // _SHORTEST_LINE  # without its line breaks it can be many
        else:
            last_step = max(last_step, entry.step)
    if damaged and not history.entries:
        raise ValueError(f"{path.name}, {damaged[0]}")
    if damaged:
        left_out(
            f"{path.name}: {len(damaged)} of {n_lines} steps cannot be read and are left out "
            f"({damaged[0]}); the others are opened, and the file stays as it is"
        )
    return header, history


def _line(content: Mapping[str, Any]) -> str:
    """Write JSON with a checksum of itself at its end."""
    text = json.dumps(content)
    return f'{text[:-1]}, "crc": {zlib.crc32(text.encode())}}}\n'


def _fields(line: bytes) -> dict[str, Any]:
    """Read a line; older versions wrote no checksum."""
    content: dict[str, Any] = json.loads(line)
    checksum = content.pop("crc", None)
    if checksum is not None:
        text = line.rpartition(b', "crc": ')[0] + b"}"
        if zlib.crc32(text) != checksum:
            raise ValueError("expected another checksum")
    return content


def _header_written(header: Header) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "software": header.software,
        "created": header.created.isoformat(timespec="seconds"),
        "model": header.model,
        "image": asdict(header.image),
    }


def _header_read(name: str, line: bytes) -> Header:
    try:
        content = json.loads(line)
        if content["format"] != FORMAT:
            raise ValueError("another format")
        version = int(content["version"])
    except _DAMAGE as error:
        raise ValueError(f"{name}: expected a session file, found something else") from error
    if version > VERSION:
        raise ValueError(
            f"{name}: expected version {VERSION} or older, found {version}; "
            "it was written by a newer napari-sam2, which can read it"
        )
    try:
        return _header_of(_fields(line))
    except _DAMAGE as error:
        raise ValueError(
            f"{name}: expected a session file, found a damaged first line ({error})"
        ) from error


def _header_of(content: Mapping[str, Any]) -> Header:
    image = Fingerprint.read(content["image"])
    created = datetime.fromisoformat(content["created"])
    return Header(image, str(content["model"]), created, str(content["software"]))


def _header_copy(name: str, file: BinaryIO) -> Header | None:
    """Look for a copy of the header in the entries that can have one."""
    for _ in range(HEADER_COPIES + 1):  # a damaged line break makes one line of two
        try:
            copy = _fields(file.readline(_LONGEST_COPY))["header"]
            return _header_read(name, json.dumps(copy).encode())
        except _DAMAGE:
            continue
    return None


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number > 1 and line.endswith(b"\n"):
                yield number, line


def _entry(line: Mapping[str, Any], image: Fingerprint) -> Entry:
    undone = {"undo": True, "redo": False}.get(line["action"])
    changes = read_changes(line.get("changes", []), image.n_frames, image.frame_shape)
    time = datetime.fromisoformat(line["time"])
    action = Action(line["action"]) if undone is None else None
    return Entry(int(line["step"]), action, str(line.get("about", "")), changes, undone, time)


def _fill_in(history: History, steps: Iterable[int], before: Entry) -> None:
    """Record steps without values, whose lines are damaged: numbers of steps have no gap."""
    for number in steps:
        action = before.action or Action.NEW
        history.replay(Entry(number, action, "damaged in the file", {}, None, before.time))
