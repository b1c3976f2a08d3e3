"""Sessions as a bad disk leaves them: one wrong bit costs few steps, and never silently."""

import random
from datetime import UTC, datetime

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, History, Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.io.sessions.session_files import Fingerprint, Header, read_session, write_session
from napari_sam2.masks.packing import pack
from sam2_torch.masks import SparseMask

IMAGE = Fingerprint.of(np.zeros((6, 30, 50), np.uint8), "movie.tif")
HEADER = Header(IMAGE, "cells_nano", datetime(2026, 11, 27, tzinfo=UTC), "napari-sam2 1")


@pytest.fixture
def session(tmp_path):
    """Twelve objects: a name, a click and a mask each."""
    history = History(IMAGE.n_frames, IMAGE.frame_shape)
    pixels = np.random.default_rng(0).random((30, 50)) > 0.5
    for i in range(1, 13):
        history.record(Action.NEW, {Key(Kind.OBJECT, i): ObjectRecord(f"cell {i}")})
        history.record(Action.PROMPT, {Key(Kind.PROMPTS, i, i % 6): DrawnPrompts(((i, 2.5, 1),))})
        mask = StoredMask(pack(SparseMask.from_dense(np.roll(pixels, i))))
        history.record(Action.PROPAGATE, {Key(Kind.MASK, i, i % 6): mask})
    path = tmp_path / "session.jsonl"
    write_session(path, HEADER, history.entries)
    return path, history


def test_one_wrong_bit(session):
    path, history = session
    whole, chance = path.read_bytes(), random.Random(1)
    header_n = whole.index(b"\n")
    places = [chance.randrange(len(whole)) for _ in range(120)]
    for at in (*places, *range(0, header_n + 1, 9)):  # the first line is what all depends on
        changed = whole[at] ^ 1 << chance.randrange(7)
        path.write_bytes(whole[:at] + bytes([changed]) + whole[at + 1 :])
        notes = []
        header, found = read_session(path, notes.append)
        assert header == HEADER
        lost = history.values.keys() - found.values.keys()
        assert len(lost) <= 2  # a line break that is damaged costs two lines
        assert found.values.items() <= history.values.items()  # nothing is different
        assert bool(notes) == bool(lost)


def test_lines_that_are_missing(session):
    path, history = session
    lines = path.read_bytes().splitlines(keepends=True)
    for at in range(1, len(lines) - 1):
        path.write_bytes(b"".join([*lines[:at], b"\0" * 40 + b"\n", *lines[at + 1 :]]))
        notes = []
        _, found = read_session(path, notes.append)
        assert len(history.values.keys() - found.values.keys()) == 1
        assert f"1 of 36 steps cannot be read and are left out (line {at + 1}: " in notes[0]


def test_a_file_that_was_cut_anywhere(session):
    path, history = session
    whole = path.read_bytes()
    for at in range(whole.index(b"\n") + 1, len(whole), 97):
        path.write_bytes(whole[:at])
        _, found = read_session(path)
        assert len(found.entries) == whole[:at].count(b"\n") - 1
        assert found.values.items() <= history.values.items()


def test_a_sector_of_zeros(session):
    path, history = session
    whole = path.read_bytes()
    at = whole.index(b"\n", len(whole) // 2) + 10
    n = 2000
    path.write_bytes(whole[:at] + bytes(n) + whole[at + n :])
    _, found = read_session(path)
    n_lines = whole[at : at + n].count(b"\n") + 1
    assert n_lines > 3
    assert len(history.values.keys() - found.values.keys()) == n_lines
