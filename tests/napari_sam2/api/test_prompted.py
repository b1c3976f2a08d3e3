from types import SimpleNamespace

import numpy as np
import pytest
from tests.tiny_network import TINY

import sam2_torch
from napari_sam2.api import prompted
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.masks.packing import is_given
from napari_sam2.movies.movie import Movie
from sam2_torch import SAM2
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt

MOVIE = Movie(np.zeros((6, 40, 60), np.uint16))


def click(object_id, frame, y=20, x=20):
    return ObjectPrompts(object_id, frame, (PointPrompt([(y, x)], [1]),))


@pytest.fixture
def sessions(monkeypatch, make_session):
    """Sessions without a network; the list fills as they are made."""
    made = []

    def make(model, frames, **_):
        made.append(make_session(frames))
        return made[-1]

    monkeypatch.setitem(vars(sam2_torch), "VideoSession", make)
    return made


def columns(masklets, object_id):
    """Tell where an object is in each frame that is known of it."""
    return {
        frame: float(np.argwhere(masklets.get(object_id, frame).to_dense()).mean(0)[1])
        for frame in masklets.frames(object_id)
    }


@pytest.mark.parametrize(
    ("direction", "frames", "known"),
    [
        ("both", None, range(6)),
        ("forward", None, range(2, 6)),
        ("backward", None, range(3)),
        ("both", (1, 4), range(1, 4)),
    ],
)
def test_objects_are_followed(sessions, direction, frames, known):
    seen = []
    masklets = prompted.track(
        None,
        MOVIE,
        [click(3, 2)],
        direction=direction,
        frames=frames,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert columns(masklets, 3) == {frame: 20 + abs(frame - 2) for frame in known}
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_prompts_on_one_frame_go_together(sessions):
    both = (BoxPrompt(5, 5, 15, 25), PointPrompt([(30, 30)], [1]))
    prompted.track(None, MOVIE, [ObjectPrompts(1, 0, both)])
    assert sessions[0].log[0] == ("add", 1, 0, 2, True)  # two prompts, at once


def test_a_given_mask_is_kept_as_it_is():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:20] = mask[12, 30] = True
    model = SAM2(TINY).eval()
    masklets = prompted.track(
        model, MOVIE, [ObjectPrompts(1, 2, (MaskPrompt(mask),))], direction="forward"
    )
    np.testing.assert_array_equal(masklets.get(1, 2).to_dense(), mask)
    assert masklets.frames(1) == (2, 3, 4, 5)
    assert is_given(masklets.packed(1, 2)) and not is_given(masklets.packed(1, 3))


def test_frames_without_a_number_are_named(caplog):
    frames = np.random.default_rng(0).normal(100, 20, (6, 40, 60)).astype(np.float32)
    frames[2] = np.nan
    model = SAM2(TINY).eval()
    prompted.track(model, Movie(frames), [click(1, 3)], frames=(1, 5))
    assert caplog.text.count("frame 2 holds only NaN or infinity") == 1
    caplog.clear()
    prompted.segment(model, Movie(frames), [click(1, 2)])
    assert "frame 2 holds only NaN or infinity" in caplog.text


def test_prompts_outside_of_the_range_are_left_out(sessions, caplog):
    masklets = prompted.track(None, MOVIE, [click(1, 0), click(2, 4)], frames=(3, 6))
    assert masklets.object_ids == (2,)
    assert "1 prompts are not in the frames 3:6 and were left out" in caplog.text
    with pytest.raises(ValueError, match="expected at least one in the frames 3:6"):
        prompted.track(None, MOVIE, [click(1, 0)], frames=(3, 6))


@pytest.mark.parametrize("frames", [(3, 3), (-1, 2), (4, 7), (5, 2)])
def test_a_range_that_does_not_fit_is_said(sessions, frames):
    with pytest.raises(ValueError, match=r"frames -?\d:\d: expected .* within 0:6"):
        prompted.track(None, MOVIE, [click(1, 0)], frames=frames)


def test_frames_are_segmented_on_their_own(monkeypatch):
    frames = []

    class Session:
        def __init__(self, model, image, contrast=None, **_):
            frames.append(image.shape)

        def predict(self, *prompts):
            mask = np.zeros((40, 60), bool)
            y, x = prompts[0].points_yx[0].astype(int)
            mask[y, x] = True
            best, worse = mask, np.ones((40, 60))
            return [
                SimpleNamespace(sparse=SparseMask.from_dense(m), coarse=None) for m in (best, worse)
            ]

    monkeypatch.setitem(vars(sam2_torch), "ImageSession", Session)
    said = [click(1, 0), click(2, 0, 5, 6), click(1, 4, 7, 8)]
    progress = []
    masklets = prompted.segment(None, MOVIE, said, progress=lambda *done: progress.append(done))
    assert frames == [(40, 60)] * 2
    assert np.argwhere(masklets.labels(0)).tolist() == [[5, 6], [20, 20]]
    assert masklets.frames(1) == (0, 4)
    assert masklets.frames(2) == (0,)
    assert progress == [(1, 6), (5, 6)]


@pytest.mark.parametrize(("other_frame", "is_small"), [(0, True), (3, False)])
def test_embeddings_that_are_needed_once_are_not_kept(
    monkeypatch, make_session, other_frame, is_small
):
    options = {}

    def make(model, frames, **given):
        options.update(given)
        return make_session(frames)

    monkeypatch.setitem(vars(sam2_torch), "VideoSession", make)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    clicks = [(1, 0), (2, other_frame)]
    prompts = [ObjectPrompts(i, t, (PointPrompt([(5, 5)], [1]),)) for i, t in clicks]
    prompted.track(None, Movie(np.zeros((5, 20, 20), np.uint8)), prompts)
    assert ("cache_bytes" in options) == is_small
