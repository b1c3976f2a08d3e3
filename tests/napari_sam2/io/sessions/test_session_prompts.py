"""Sessions as prompts of a movie."""

from datetime import UTC, datetime

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, History, Key, Kind
from napari_sam2.io.read import read_prompts
from napari_sam2.io.sessions.session_files import Fingerprint, Header, write_session
from napari_sam2.movies.movie import Movie
from sam2_torch.masks import SparseMask

MOVIE = Movie(np.zeros((6, 30, 50), np.uint16), "TYX")


@pytest.fixture
def save(tmp_path):
    """Save a session with these marks: `path = save({(object, frame): marks})`."""

    def save(marks):
        history = History(99, (999, 999))
        for place, drawn in marks.items():
            history.record(Action.PROMPT, {Key(Kind.PROMPTS, *place): drawn})
        header = Header(Fingerprint.of(MOVIE, "m"), "cells_nano", datetime.now(UTC), "tests")
        write_session(tmp_path / "session.jsonl", header, history.entries)
        return tmp_path / "session.jsonl"

    return save


def test_what_counts_at_the_end_by_frame(save):
    said = read_prompts(
        save(
            {
                (2, 5): DrawnPrompts(((1, 2, 1),)),
                (3, 0): DrawnPrompts(((4, 5, 0),), ((0, 0, 9, 9),)),
            }
        ),
        MOVIE,
    )
    assert [(one.object_id, one.frame) for one in said] == [(3, 0), (2, 5)]
    assert [type(prompt).__name__ for prompt in said[0].prompts] == ["BoxPrompt", "PointPrompt"]


def test_what_does_not_fit_is_told(save):
    short = Movie(np.zeros((3, 30, 50), np.uint16), "TYX")
    with pytest.raises(ValueError, match=r"frames 0..2 of the movie, found one in frame 5"):
        read_prompts(save({(2, 5): DrawnPrompts(((1, 2, 1),))}), short)
    small = Movie(np.zeros((6, 20, 20), np.uint16), "TYX")
    painted = DrawnPrompts(painted=SparseMask.empty((30, 50)))
    with pytest.raises(ValueError, match="for the session has painted masks"):
        read_prompts(save({(1, 0): painted}), small)
    with pytest.raises(ValueError, match="expected a session with at least one prompt"):
        read_prompts(save({}), MOVIE)
