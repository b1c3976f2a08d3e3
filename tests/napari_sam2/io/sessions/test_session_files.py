"""Sessions on the disk."""

import base64
import json
import os
import re
import zlib
from datetime import UTC, datetime

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, History, Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.io.sessions.saved_sessions import find_sessions, saved_sessions, sessions_folder
from napari_sam2.io.sessions.session_files import (
    Fingerprint,
    Header,
    header_line,
    read_header,
    read_session,
    write_session,
)
from napari_sam2.masks.masklets import Confidence
from napari_sam2.masks.packing import as_given, is_given, pack, unpack, unpack_logits
from napari_sam2.tracks.reviews import WHOLE_TRACK, Review
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits

BOMB = base64.b64encode(zlib.compress(bytes(10**7))).decode()
MOVIE = np.arange(6 * 30 * 50, dtype=np.uint16).reshape(6, 30, 50)
IMAGE = Fingerprint.of(MOVIE, "movie.tif", axes=("t", "y", "x"), scale=(1.0, 0.5, 0.5))
HEADER = Header(IMAGE, "cells_nano", datetime(2026, 11, 21, 12, 30, tzinfo=UTC), "napari-sam2 1")


def disc(y, x, radius=5):
    rows, columns = np.ogrid[:30, :50]
    return SparseMask.from_dense((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def without_checksums(text):
    """Turn a file into one of an older version."""
    lines = map(json.loads, text.splitlines())
    kept = ({k: v for k, v in line.items() if k not in ("crc", "header")} for line in lines)
    return "".join(json.dumps(line) + "\n" for line in kept)


@pytest.fixture
def history():
    """One of each kind of value, an undo and a redo."""
    history = History(6, (30, 50))
    history.note(Action.NEW, "Object 1", {Key(Kind.OBJECT, 1): ObjectRecord("Object 1")})
    drawn = DrawnPrompts(
        ((1.5, 2, 1), (3, 4, 0)),
        ((0, 1, 20.25, 30),),
        (((0, 0), (0, 9), (9, 9)),),
        ((0, ((1, 1), (2, 2))),),
        choice=1,
    )
    step = history.record(Action.PROMPT, {Key(Kind.PROMPTS, 1, 3): drawn}, "Object 1, frame 3")
    mask = StoredMask(pack(disc(9, 20)), Confidence(0.875, -1.5))
    history.extend(step, {Key(Kind.MASK, 1, 3): mask})
    painted = {
        Key(Kind.PROMPTS, 1, 4): DrawnPrompts(painted=disc(9, 21, 9)),
        Key(Kind.MASK, 1, 4): StoredMask(pack(disc(9, 21, 9))),
        Key(Kind.LOCK, 1, 4): DrawnPrompts(),
        Key(Kind.REVIEW, 1, 4): Review(("area", "place")),
        Key(Kind.REVIEW, 1, WHOLE_TRACK): Review(),
    }
    history.record(Action.PAINT, painted)
    empty = {Key(Kind.MASK, 1, 5): StoredMask(pack(SparseMask.empty((30, 50))))}
    history.record(Action.PROPAGATE, empty, "forward")
    history.undo()
    history.undo()
    history.redo()
    return history


@pytest.fixture
def path(tmp_path, history):
    path = tmp_path / "session.jsonl"
    write_session(path, HEADER, history.entries)
    return path


def test_what_is_written_is_read(path, history):
    header, again = read_session(path)
    assert header == HEADER
    assert again.values.keys() == history.values.keys()
    painted, lock = Key(Kind.PROMPTS, 1, 4), Key(Kind.LOCK, 1, 4)
    for key in history.values.keys() - {painted}:
        assert again.values[key] == history.values[key], key
    np.testing.assert_array_equal(
        again.values[painted].painted.to_dense(), disc(9, 21, 9).to_dense()
    )
    assert again.values[lock] == DrawnPrompts()
    assert (again.undo_text, again.redo_text) == (history.undo_text, history.redo_text)


def test_what_decides_between_overlapping_masks_is_written_and_read(tmp_path):
    values = np.arange(-10, 20, dtype=np.int8).reshape(5, 6)
    logits = MaskLogits(values, (-1.3, 0.1), (1 / 3, 0.25))
    found = pack(disc(9, 21), logits)
    masks = {
        1: StoredMask(found, Confidence(0.9, 4.0)),
        2: StoredMask(as_given(found, True), Confidence(0.9, 4.0)),
        3: StoredMask(pack(disc(9, 21)), Confidence(0.9, 4.0)),  # painted, and then scored
    }
    history = History(6, (30, 50))
    history.record(Action.PROPAGATE, {Key(Kind.MASK, i, 5): mask for i, mask in masks.items()})
    path = tmp_path / "session.jsonl"
    write_session(path, HEADER, history.entries)
    _, again = read_session(path)
    for i, mask in masks.items():
        assert again.values[Key(Kind.MASK, i, 5)] == mask
    np.testing.assert_array_equal(unpack_logits(found).values, values)


def test_masks_of_older_versions_have_no_logits_but_are_not_a_persons(path):
    path.write_text(without_checksums(path.read_text()).replace('"given": true, ', ""))
    _, again = read_session(path)
    masks = [value for value in again.values.values() if isinstance(value, StoredMask)]
    scored = [mask for mask in masks if mask.confidence is not None]
    assert scored
    for mask in masks:
        assert is_given(mask.packed) == (mask.confidence is None)


def test_undo_goes_on_where_it_was(path, history):
    _, again = read_session(path)
    again.redo()
    mask = again.values[Key(Kind.MASK, 1, 5)]
    assert not unpack(mask.packed, (30, 50))


def test_people_can_read_it(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["format"] == "napari-sam2 session"
    assert lines[0]["image"]["frame_shape"] == [30, 50]
    assert [line["action"] for line in lines[1:]] == [
        "new object",
        "prompt",
        "prompt",
        "paint",
        "propagate",
        "undo",
        "undo",
        "redo",
    ]
    assert lines[2]["changes"][0]["to"]["clicks"] == [[1.5, 2, 1], [3, 4, 0]]


def test_a_torn_last_line_is_left_out(path, history):
    whole = path.read_bytes()
    _, before = read_session(path)
    path.write_bytes(whole + b'{"step": 4, "time": "2026-11-21T12:00:00+00:00", "act')
    _, after = read_session(path)
    assert len(after.entries) == len(before.entries)
    path.write_bytes(whole[:-1])
    _, shorter = read_session(path)
    assert len(shorter.entries) == len(before.entries) - 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda line: line.replace('"box": [0', '"box": [28'), "line 5: damaged .*within"),
        (lambda line: line.replace('"step": 2', '"step": 9'), "line 5: damaged .*found 9"),
        (lambda line: "{" + line, "line 5: damaged"),
        (lambda line: "[" * 100_000 + line, "line 5: damaged"),
        (lambda line: line.replace('"bits": "', '"bits": "AAAA'), "line 5: damaged"),
    ],
)
def test_damaged_lines_are_counted_and_the_others_are_read(path, damage, message):
    lines = without_checksums(path.read_text()).splitlines(keepends=True)
    assert damage(lines[4]) != lines[4]
    path.write_text("".join([*lines[:4], damage(lines[4]), *lines[5:]]))
    before, notes = path.read_bytes(), []
    _, history = read_session(path, notes.append)
    assert len(notes) == 1
    assert re.match(f"session.jsonl: 2 of 8 steps .*{message}", notes[0])  # and its redo
    assert {key.frame for key in history.values} == {-1, 3}
    assert path.read_bytes() == before


def test_a_file_without_a_whole_line_is_refused(path):
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first + "".join("{" + line for line in rest))
    with pytest.raises(ValueError, match=r"session.jsonl, line 2: damaged \(Expecting"):
        read_session(path)


def test_a_changed_number_is_found_by_the_checksum(path):
    whole = path.read_text()
    path.write_text(whole.replace("20.25", "21.25"))
    notes = []
    _, history = read_session(path, notes.append)
    assert "1 of 8 steps" in notes[0] and "checksum" in notes[0]
    assert Key(Kind.PROMPTS, 1, 3) not in history.values


def test_sessions_of_older_versions_are_read(path, history):
    path.write_text(without_checksums(path.read_text()))
    notes = []
    _, again = read_session(path, notes.append)
    assert again.values.keys() == history.values.keys() and not notes


@pytest.mark.parametrize("head", [b"", b"\0" * 200, b"{" * 100_000], ids=["gone", "zeros", "deep"])
def test_a_damaged_first_line_is_read_from_its_copy(path, head):
    rest = path.read_bytes().partition(b"\n")[2]
    path.write_bytes(head + b"\n" + rest)
    assert read_header(path) == HEADER
    assert len(read_session(path)[1].entries) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"of": "object", "object": -1, "to": {"name": "a"}},
        {"of": "object", "object": 10**30, "to": {"name": "a"}},
        {"of": "object", "object": 1, "to": {"name": 5}},
        {"of": "marks", "object": 1, "frame": 6, "to": {"clicks": [[5, 5, 1]]}},
        {"of": "marks", "object": 1, "frame": 0, "to": {"clicks": [[5, 5]]}},
        {"of": "marks", "object": 1, "frame": 0, "to": {"clicks": [[float("nan"), 5, 1]]}},
        {"of": "marks", "object": 1, "frame": 0, "to": {"clicks": [["a", "b", "c"]]}},
        {"of": "mask", "object": 1, "frame": 0, "to": {"box": [-5, -5, 8, 8], "bits": ""}},
        {"of": "mask", "object": 1, "frame": 0, "to": {"box": [0, 0, 8, 8], "bits": BOMB}},
        {"of": "track", "object": 1, "to": {"begin": 9, "end": 2, "parent": 0}},
        5,
        None,
    ],
)
def test_values_that_nobody_wrote_are_refused(path, change):
    step = {"step": 1, "time": "2026-01-01T00:00:00+00:00", "action": "prompt", "changes": [change]}
    path.write_text(header_line(HEADER) + json.dumps(step) + "\n")
    with pytest.raises(ValueError, match=r"session.jsonl, line 2: damaged"):
        read_session(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.jsonl"
    for text in ("object,frame,kind\n", "{}\n", ""):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"other.jsonl: expected a session file"):
            read_header(path)
    path.write_text(header_line(HEADER).replace('"version": 2', '"version": 3'))
    with pytest.raises(ValueError, match="expected version 2 or older, found 3"):
        read_header(path)


def test_another_image_is_told_apart():
    assert Fingerprint.of(MOVIE.copy(), "a copy.tif").difference(IMAGE) == ""
    other = MOVIE.copy()
    other[-1, 0, 0] += 1
    assert IMAGE.difference(Fingerprint.of(other, "o")) == "has the same size, but other pixels"
    assert not IMAGE.frames_differ(Fingerprint.of(other, "o"))
    longer = Fingerprint.of([MOVIE[0]] * 9, "longer")
    assert IMAGE.difference(longer) == (
        "has 6 frames of 30 x 50 pixels, this image has 9 frames of 30 x 50 pixels"
    )
    assert longer.frames_differ(IMAGE)
    plane = Fingerprint.of(MOVIE, "movie.tif", place="2 of axis 1")
    assert "2 of axis 1" in IMAGE.difference(plane)


def test_colours_and_single_images_have_fingerprints():
    one = Fingerprint.of([np.zeros((4, 6, 3), np.uint8)], "rgb")
    assert (one.n_frames, one.frame_shape, len(one.samples)) == (1, (4, 6), 1)


def test_sessions_of_an_image_are_found_last_changed_first(tmp_path, monkeypatch, history):
    monkeypatch.setenv("NAPARI_SAM2_SESSIONS", str(tmp_path / "sessions"))
    assert find_sessions(lambda: pytest.fail("no need to look at the image")) == []
    sessions_folder().mkdir()
    names = ("2026-01-01_movie.jsonl", "2026-02-01_movie.jsonl")
    for number, name in enumerate(reversed(names)):  # the clock was set back
        write_session(sessions_folder() / name, HEADER, history.entries)
        os.utime(sessions_folder() / name, (1e9 + number, 1e9 + number))
    (sessions_folder() / "2026-03-01_broken.jsonl").write_text("torn")
    elsewhere = Header(Fingerprint.of(MOVIE + 1, "other"), "m", HEADER.created, "s")
    write_session(sessions_folder() / "2026-04-01_other.jsonl", elsewhere, history.entries)
    assert [path.name for path in find_sessions(lambda: IMAGE)] == [*names]


class LargeFrames(list):
    """Frames of 9 million pixels, of which only parts may be read."""

    frame_shape = (3000, 3100)

    def __getitem__(self, frame):
        raise AssertionError("a whole frame was read")

    def window(self, frame, rows, columns, size=None):
        assert rows.stop - rows.start < 300 and columns.stop - columns.start < 300
        return np.full((rows.stop - rows.start, columns.stop - columns.start), frame, np.uint16)


def test_large_frames_are_recognised_by_parts_of_them():
    image = Fingerprint.of(LargeFrames(range(5)), "large")
    assert (image.n_frames, image.frame_shape, image.dtype) == (5, (3000, 3100), "uint16")
    assert len(set(image.samples)) == 3


def test_saved_sessions_are_listed_with_what_they_belong_to(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_SESSIONS", str(tmp_path / "none"))
    assert saved_sessions() == []
    monkeypatch.setenv("NAPARI_SAM2_SESSIONS", str(tmp_path))
    for number, name in enumerate(("old", "new")):
        path = tmp_path / f"{name}.jsonl"
        write_session(path, HEADER, [])
        os.utime(path, (1e9 + number, 1e9 + number))
    (tmp_path / "torn.jsonl").write_text("no session")
    os.utime(tmp_path / "torn.jsonl", (1, 1))
    new, old, torn = saved_sessions()
    assert [one.path.stem for one in (new, old, torn)] == ["new", "old", "torn"]
    assert (new.image, torn.image) == ("movie.tif", "")
    assert new.n_bytes == new.path.stat().st_size
    assert old.changed == datetime.fromtimestamp(1e9, UTC)
