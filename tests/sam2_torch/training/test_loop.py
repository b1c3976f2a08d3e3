"""The loop: it learns, it can be cut anywhere."""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_network import TINY

from sam2_torch import SAM2
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.loop import STOP_FILE, Budget, Run
from sam2_torch.training.run_state import LOG_FILE, STATE_FILE, RunState, read_log

from .conftest import disc_movie

SHORT = TrainingConfig(
    steps=8,
    frames=(1, 3),
    clips=1,
    images=2,
    objects=2,
    warmup=2,
    learning_rate=1e-3,
    save_every=100,
    log_every=2,
    picture_every=0,
    synthetic=0.3,
)


def begin(folder, config=SHORT, workers=0):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    state = RunState.begin(SAM2(TINY), config)
    return Run(folder, config, state, [disc_movie()], workers, draw_movie)


def draw_movie(rng, n_frames):
    return disc_movie(n_frames=n_frames, seed=int(rng.integers(100)))


def weights(run):
    return {**dict(run.state.model.state_dict()), **run.state.average.values}


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


def stop_after(n):
    """Say stop at the n-th question."""
    count = iter(range(1, n + 1))
    return lambda: next(count) == n


def test_a_run_cut_into_pieces_is_the_run_in_one_piece(tmp_path):
    whole = begin(tmp_path / "whole")
    assert whole.go(Budget()) == "finished"
    for steps in (3, 2):
        part = begin(tmp_path / "parts")
        part.resume()
        assert part.go(Budget(should_stop=stop_after(steps))) == "stopped"
    last = begin(tmp_path / "parts")
    assert last.resume()
    assert last.state.step == 5
    assert last.go(Budget()) == "finished"
    assert_same(weights(last), weights(whole))
    assert [row[0] for row in read_log(tmp_path / "parts")] == ["2", "4", "6", "8"]


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(tmp_path):
    config = replace(SHORT, save_every=2)
    whole = begin(tmp_path / "whole", config)
    whole.go(Budget())
    killed = begin(tmp_path / "killed", config)

    def die(report):
        if report.step == 6:
            (tmp_path / "killed" / STATE_FILE).rename(tmp_path / "of_step_4")
            raise MemoryError

    with pytest.raises(MemoryError):
        killed.go(Budget(), die)
    os.replace(tmp_path / "of_step_4", tmp_path / "killed" / STATE_FILE)  # all that was left
    again = begin(tmp_path / "killed", config)
    again.resume()
    assert again.state.step == 4
    again.go(Budget())
    assert_same(weights(again), weights(whole))
    assert [row[0] for row in read_log(tmp_path / "killed")] == ["2", "4", "6", "8"]


def test_worker_processes_make_the_same_clips(tmp_path):
    config = replace(SHORT, steps=3)
    alone, helped = begin(tmp_path / "a", config), begin(tmp_path / "b", config, workers=2)
    alone.go(Budget())
    helped.go(Budget())
    assert_same(weights(alone), weights(helped))


def test_the_loss_falls(tmp_path):
    config = replace(SHORT, steps=60, frames=(1,), synthetic=0.0, log_every=10, max_clicks=1)
    run = begin(tmp_path / "run", config)
    seen = []
    run.go(Budget(), seen.append)
    assert [report.step for report in seen] == [10, 20, 30, 40, 50, 60]
    assert seen[-1].loss < 0.7 * seen[0].loss
    assert seen[-1].progress == 1
    with (tmp_path / "run" / LOG_FILE).open() as file:
        (first, *_, last) = csv.DictReader(file)
    assert float(last["dice"]) < float(first["dice"])


def test_half_precision_learns_nearly_the_same(tmp_path):
    config = replace(SHORT, steps=4, frames=(3,), log_every=4)
    seen = []
    for half in (False, True):
        begin(tmp_path / str(half), replace(config, half=half)).go(Budget(), seen.append)
    exact, rounded = (report.loss for report in seen)
    assert rounded == pytest.approx(exact, rel=0.05)
    assert rounded != exact


def test_compiled_parts_keep_their_names(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part, **_: compiled.append(part))
    run = begin(tmp_path / "run", replace(SHORT, steps=1, compiled=True))
    run.go(Budget())
    assert compiled == [run.state.model.image_encoder]


def test_steps_without_memory_are_left_out_unless_they_are_many(tmp_path, monkeypatch, caplog):
    run = begin(tmp_path / "run", replace(SHORT, steps=8))
    step, calls = run._step, []

    def short_of_memory(batch):
        calls.append(run.state.step)
        if run.state.step in (1, 2):
            raise torch.OutOfMemoryError
        return step(batch)

    monkeypatch.setattr(run, "_step", short_of_memory)
    assert run.go(Budget()) == "finished"
    assert calls == list(range(8))
    assert "Step 2 left out: no memory for it" in caplog.text
    worse = begin(tmp_path / "worse", replace(SHORT, steps=8))

    def never(batch):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(worse, "_step", never)
    with pytest.raises(torch.OutOfMemoryError):
        worse.go(Budget())


def test_a_file_called_stop_and_the_end_of_time_end_a_run(tmp_path):
    run = begin(tmp_path / "run")
    (tmp_path / "run" / STOP_FILE).touch()
    assert run.go(Budget()) == "stopped"
    assert run.state.step == 1
    (tmp_path / "run" / STOP_FILE).unlink()
    assert run.go(Budget(minutes=0.0)) == "out of time"
    assert run.state.step == 2
    timed = begin(tmp_path / "timed", replace(SHORT, minutes=1e-6))
    assert timed.go(Budget()) == "finished"
    assert timed.state.step == 1


def test_pictures_are_drawn(tmp_path):
    from PIL import Image

    begin(tmp_path / "run", replace(SHORT, steps=2, frames=(3,), picture_every=2)).go(Budget())
    (picture,) = (tmp_path / "run" / "pictures").iterdir()
    pixels = np.asarray(Image.open(picture))
    assert pixels.shape == (244, 3 * 244, 3)
    assert (pixels == (255, 150, 40)).all(axis=-1).any() or (pixels == (80, 220, 100)).all(-1).any()


def test_another_network_cannot_go_on_with_a_run(tmp_path):
    begin(tmp_path / "run", replace(SHORT, steps=1)).go(Budget())
    other = begin(tmp_path / "run", replace(SHORT, trained="decoder"))
    with pytest.raises(ValueError, match="expected the state of a run that trains the same"):
        other.resume()
