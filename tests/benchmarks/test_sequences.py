import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sam2_torch
from napari_sam2.api import prompted
from sam2_torch.sessions.run_estimate import Estimate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RADIUS = 7


class Follower:
    """A session without a network that draws the same square around each prompt everywhere."""

    def __init__(self, model, frames, **_):
        self.frames, self.answers = frames, {}

    def set_prompts(self, object_id, frame, prompts, choice=0):
        prompt = prompts[0]
        corner = getattr(prompt, "points_yx", None)
        y, x = (
            corner[0]
            if corner is not None
            else ((prompt.y0 + prompt.y1) / 2, (prompt.x0 + prompt.x1) / 2)
        )
        rows, columns = np.ogrid[: self.frames.frame_shape[0], : self.frames.frame_shape[1]]
        mask = (abs(rows - y) <= RADIUS) & (abs(columns - x) <= RADIUS)
        self.answers[object_id] = SimpleNamespace(
            sparse=sam2_torch.SparseMask.from_dense(mask), coarse=None
        )
        return self.answers[object_id]

    def frame_count(self, *_, **__):
        return len(self.frames)

    def propagate(self, *_, **__):
        for frame in range(len(self.frames)):
            ids = tuple(self.answers)
            yield SimpleNamespace(
                frame=frame, object_ids=ids, predictions=tuple(self.answers.values())
            )


@pytest.fixture
def data(tmp_path):
    """A folder with a movie of two squares, one of which leaves, and an image to leave out."""
    labels = np.zeros((14, 50, 70), np.uint16)
    labels[:, 10:25, 10:25] = 3
    labels[:6, 30:45, 40:55] = 5
    for name in ("squares.npz", "image.npz"):
        np.savez(tmp_path / name, image=labels.astype(np.uint8) * 30, labels=labels)
    (tmp_path / "manifest.csv").write_text(
        "file,kind,modality\nimage.npz,2d,none\nsquares.npz,time,fluorescence squares (2)\n"
        "missing.npz,z,none\n"
    )
    return tmp_path


@pytest.mark.parametrize("quick", [False, True])
def test_movies_are_tracked_and_counted_where_objects_are(data, monkeypatch, capsys, quick):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import sequences

    network = SimpleNamespace(device="cpu", dtype="float32")
    estimate = Estimate(None, 10**9, 10**8)
    monkeypatch.setattr(prompted, "estimate_run", lambda *_: estimate)
    monkeypatch.setitem(vars(sam2_torch), "load_sam2", lambda *_, **__: network)
    monkeypatch.setitem(vars(sam2_torch), "VideoSession", Follower)
    out = data / "figures.json"
    arguments = ["sequences.py", "--data", str(data), "--json", str(out)]
    monkeypatch.setattr(sys, "argv", arguments + ["--quick"] * quick)
    sequences.main()
    figures = json.loads(out.read_text())
    assert figures["sequence.click.miou"] == 1
    assert figures["sequence.click.miou.fluorescence_squares"] == 1
    assert figures["sequence.box.miou.item.squares"] > 0.8
    assert "(1 items)" in capsys.readouterr().out
