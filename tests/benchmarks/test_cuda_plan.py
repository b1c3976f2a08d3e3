"""The whole plan for a GPU, without one: sides that only let a clock go on, at published speeds."""

import json
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace

import compare
import numpy as np
import pytest
import scenarios
import timing
from compare import ON_CUDA
from references import OURS, ROOMS, protocol
from references.protocol import DenseMasks
from timing import Memory


@dataclass
class Clock:
    """Time that goes by only where something is said to take it."""

    seconds: float = 0.0

    def perf_counter(self) -> float:
        return self.seconds

    def spend(self, milliseconds: float) -> None:
        self.seconds += milliseconds / 1000


@dataclass
class Costs:
    """Milliseconds that a side takes."""

    encode: float
    click: float
    frame: float
    object: float


COSTS = {  # of tiny at 1024 px on an H200, with masks to the host; ours as they should be
    OURS: Costs(3.0, 2.5, 6.0, 1.3),
    "sam2": Costs(9.0, 6.8, 7.0, 13.8),
    "legacy": Costs(9.0, 6.8, 16.0, 3.3),
    "transformers": Costs(6.5, 3.9, 8.0, 10.5),
}


class Side:
    """A side and what it opens; nothing is computed."""

    def __init__(self, costs: Costs, clock: Clock) -> None:
        self._costs, self._clock = costs, clock

    def precision(self):
        return nullcontext()

    def encode(self, images):
        self._clock.spend(self._costs.encode * len(images))

    def open(self, movie):
        side = Side(self._costs, self._clock)
        side._movie = movie
        return side

    def prompt(self):
        self._clock.spend(self._costs.click * self._movie.n_objects)

    def propagate(self):
        for frame in range(len(self._movie)):
            self._clock.spend(self._costs.frame + self._costs.object * self._movie.n_objects)
            yield DenseMasks(frame, np.ones((self._movie.n_objects, 4, 4), bool))

    def click(self, point_yx):
        self._clock.spend(self._costs.click)

    def correct(self, index, frame):
        self.click(None)
        yield from self.propagate()


class Gauge:
    """Memory that grows with nothing."""

    def __init__(self, device):
        pass

    def read(self):
        return Memory(300_000_000, 400_000_000)


@pytest.fixture
def clock(monkeypatch):
    """Let all sides and clocks be stand-ins; networks are small, as the first image is real."""
    clock = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    monkeypatch.setattr(scenarios, "MemoryGauge", Gauge)
    small = {name: replace(config, image_size=64) for name, config in protocol.MODELS.items()}
    for module in (protocol, compare):
        monkeypatch.setattr(module, "MODELS", small)
    monkeypatch.setattr(compare, "builder", lambda name: lambda _: Side(COSTS[name], clock))

    def compiled(arena, frames, limit_s):
        clock.spend(1000 * min(limit_s, max(arena.deadline.left(), 0.0)))
        arena.figures.miss(f"{arena.model}.n1", "vos", ["ms_per_frame", "object_fps"], "too slow")

    monkeypatch.setattr(compare, "measure_compiled", compiled)
    return clock


def run(tmp_path, *options):
    file = tmp_path / "figures.json"
    compare.main(["--device", "cpu", "--plan", "cuda", "--json", str(file), *options])
    return json.loads(file.read_text())


SCOPES = [(plan.model, track) for plan in ON_CUDA for track in plan.tracks]


@pytest.mark.filterwarnings("ignore")
def test_it_ends_within_eight_minutes_with_every_figure(clock, tmp_path, capsys):
    found = run(tmp_path)
    assert clock.seconds < 480
    for scope, track in SCOPES:
        for side in compare.SIDES:
            prefix = f"{scope}.n{track.n_objects}." + ("" if side == OURS else f"{side}_")
            expected = COSTS[side].frame + COSTS[side].object * track.n_objects
            assert found[f"{prefix}ms_per_frame"] == pytest.approx(expected, rel=1e-3)
            assert found[f"{prefix}device_peak_mb"] == 300
        assert found[f"{scope}.n{track.n_objects}.ratio"] > 1
    for model in ("tiny", "cells_nano"):
        for figure in ("click_ms", "encode.b1_ms", "encode.b4_ms", "encode.b16_ms"):
            assert found[f"{model}.{figure}"] > 0
            scope, _, name = figure.rpartition(".")
            assert found[".".join(filter(None, (model, scope, f"sam2_{name}")))] > 0
    assert found["tiny.correction_ms"] > 0 and found["tiny.correction_ratio"] > 1
    assert found["tiny.n1.device_mb_per_100_frames"] == 0
    missing = [key for key, value in found.items() if value is None]
    assert all(".vos_" in key for key in missing)
    table = capsys.readouterr().out
    for scope, track in SCOPES:
        assert f"| {scope}.n{track.n_objects} ms_per_frame |" in table
    assert set(ROOMS) <= set(table.split("\n\n")[1].splitlines()[0].replace("|", " ").split())


@pytest.mark.filterwarnings("ignore")
def test_on_a_slow_card_it_ends_in_time_and_says_what_was_left_out(clock, tmp_path, monkeypatch):
    slow = {
        name: Costs(5 * costs.encode, 5 * costs.click, 5 * costs.frame, 5 * costs.object)
        for name, costs in COSTS.items()
    }
    monkeypatch.setitem(globals(), "COSTS", slow)
    found = run(tmp_path)
    assert clock.seconds < 480
    assert found["tiny.n1.ms_per_frame"] > 0 and found["tiny.n16.ms_per_frame"] > 0
    assert found["tiny.n256.sam2_ms_per_frame"] is None
