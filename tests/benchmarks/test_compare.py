"""The comparison's pieces on the smallest network: figures come out; none is judged."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import compare
import compiled
import numpy as np
import pytest
import torch
from compare import Plan, Track
from figures import Figures
from references import OURS, ROOMS
from references.protocol import DenseMasks, Masklets, Movie, Setting
from scenarios import Arena, measure_growth, measure_tracking
from timing import Deadline, Measured, MemoryGauge, take_turns

CPU = torch.device("cpu")
ONE_PASS = Plan(
    "cells_nano",
    (Track(1, range(1, 2), 0),),
    clicks=1,
    batches=(1,),
    encodings=0,
    correction=(1, 2, 0),
)
SPEEDS = ("n1.ms_per_frame", "n1.object_fps", "click_ms", "encode.b1_ms", "correction_ms")


def key(figure: str, side: str = OURS) -> str:
    """Name a side's figure of cells_nano."""
    scope, _, name = figure.rpartition(".")
    prefix = "" if side == OURS else f"{side}_"
    return ".".join(part for part in ("cells_nano", scope, prefix + name) if part)


@pytest.fixture
def threads():
    """Put the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("threads")
def test_all_sides_are_measured_and_agree(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sam2")
    pytest.importorskip("transformers")
    monkeypatch.setitem(compare.PLANS, "quick", (ONE_PASS,))
    sides = ["ours", "sam2", "legacy", "transformers"]
    file = tmp_path / "figures.json"
    options = ["--quick", "--device", "cpu", "--dtype", "float32", "--threads", "1"]
    compare.main([*options, "--limit", "600", "--json", str(file), "--sides", *sides])
    figures = json.loads(file.read_text())
    for side in sides:
        for figure in SPEEDS:
            if not (side == "legacy" and figure.startswith("encode")):  # the encoder of sam2
                assert figures[key(figure, side)] > 0
    for side in sides[1:]:
        assert figures[key("n1.agreement_iou", side)] > 0.999
    fastest = max(figures[key("n1.object_fps", side)] for side in sides[1:])
    ours = figures["cells_nano.n1.object_fps"]
    assert figures["cells_nano.n1.ratio"] == pytest.approx(ours / fastest, rel=1e-3)
    assert figures["run.threads"] == 1
    assert "| cells_nano.n1 object_fps |" in capsys.readouterr().out


@pytest.mark.parametrize(("side", "package"), [("transformers", "transformers"), ("sam2", "sam2")])
def test_missing_reference_is_reported(side, package, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    figures = Figures()
    setting = Setting("cells_nano", CPU, torch.float32)
    assert compare.build(setting, [side], figures) == {}
    (reason,) = figures.reasons.values()
    assert "cannot be built here" in reason and package in reason
    table = figures.table([OURS, side])
    assert f"cells_nano: all of {side}: {reason}" in table


def test_unknown_failure_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setitem(ROOMS, OURS, ("this_project", "no_such_builder"))
    with pytest.raises(AttributeError):
        compare.build(Setting("cells_nano", CPU, torch.float32), [OURS], Figures())


def test_one_case_alone_leaves_out_everything_else():
    (plan,) = (plan for plan in compare.ON_CPU if plan.model == "tiny")
    alone = compare.only_tracking(plan, [4])
    assert [track.n_objects for track in alone.tracks] == [4]
    assert alone.tracks[0] in plan.tracks
    assert not (alone.clicks or alone.batches or alone.vos_limit_s)


def test_figures_are_kept_as_soon_as_a_side_is_done(tmp_path):
    file, sides = tmp_path / "f.json", {OURS: FakeSide(), "sam2": FakeSide()}
    sides["sam2"].prompt = lambda: pytest.fail("stopped", pytrace=False)
    setting = Setting("cells_nano", CPU, torch.float32)
    arena = Arena(setting, sides, Figures(file), Deadline(None))
    with pytest.raises(pytest.fail.Exception):
        measure_tracking(arena, 1, range(1, 3), repeats=0)
    assert json.loads(file.read_text())["cells_nano.n1.ms_per_frame"] > 0


class FakeSide:
    """Tracks nothing, at once; remembers the movies and where its propagations were closed."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.closed_at: list[int] = []

    def precision(self) -> AbstractContextManager[None]:
        return nullcontext()

    def open(self, movie: Movie) -> "FakeSide":
        self.lengths.append(len(movie))
        return self

    def prompt(self) -> None:
        pass

    def propagate(self) -> Masklets:
        frame = 0
        try:
            for frame in range(self.lengths[-1]):
                yield DenseMasks(frame, np.ones((1, 4, 4), bool))
        finally:
            self.closed_at.append(frame)


@pytest.fixture
def fakes():
    """Ours and a reference that cost nothing."""
    sides = {OURS: FakeSide(), "sam2": FakeSide()}
    return Arena(Setting("cells_nano", CPU, torch.float32), sides, Figures(), Deadline(None))


class TestScenarios:
    @pytest.mark.parametrize(("frames", "length"), [(range(1, 5), 5), (range(8, 12), 28)])
    def test_tracking_stops_after_the_frames_that_count(self, fakes, frames, length):
        measure_tracking(fakes, 1, frames, repeats=2)
        for side in fakes.sides.values():
            assert side.lengths == [length] * 3
            assert side.closed_at == [frames.stop - 1] * 3
        flat = fakes.figures.flat()
        assert flat["cells_nano.n1.timed_frames"] == 4
        assert flat["cells_nano.n1.ms_per_frame_min"] <= flat["cells_nano.n1.ms_per_frame"]
        assert flat["cells_nano.n1.sam2_agreement_iou"] == 1
        assert "cells_nano.n1.ratio" in flat

    def test_growth_compares_two_lengths(self, fakes):
        measure_growth(fakes, 1, (3, 5))
        assert fakes.sides[OURS].lengths == [3, 5]
        flat = fakes.figures.flat()
        assert flat["cells_nano.n1.device_mb_per_100_frames"] is None  # the CPU has no device
        if sys.platform == "linux":
            peaks = [flat[f"cells_nano.n1.t{length}.sam2_host_peak_mb"] for length in (3, 5)]
            growth = 100 * (peaks[1] - peaks[0]) / 2
            assert flat["cells_nano.n1.sam2_host_mb_per_100_frames"] == pytest.approx(growth, 0.01)

    def test_time_limit_is_told(self, fakes):
        late = replace(fakes, deadline=Deadline(0))
        measure_tracking(late, 1, range(1, 3), repeats=0)
        assert late.figures.flat()["cells_nano.n1.object_fps"] is None
        assert "--limit" in late.figures.table([OURS])


class TestTakeTurns:
    def test_sides_alternate_and_the_first_turn_does_not_count(self):
        said = []

        def action(name: str, seconds: Iterator[float]):
            def turn() -> Measured:
                said.append(name)
                return Measured(next(seconds))

            return turn

        actions = {"a": action("a", iter([9.0, 1.0, 2.0])), "b": action("b", iter([9.0, 3.0, 4.0]))}
        turns = take_turns(actions, 2, Deadline(None))
        assert "".join(said) == "ababab"
        assert [one.seconds for one in turns.measured["a"]] == [1.0, 2.0]
        assert [one.seconds for one in turns.measured["b"]] == [3.0, 4.0]

    def test_failure_costs_one_side_only(self):
        def fail() -> Measured:
            raise torch.OutOfMemoryError("no room\nfor details")

        turns = take_turns({"a": fail, "b": lambda: Measured(1.0)}, 1, Deadline(None))
        assert turns.failed == {"a": "OutOfMemoryError: no room"}
        assert list(turns.measured) == ["b"]

    def test_what_would_end_too_late_is_left_out(self):
        actions = {"slow": lambda: Measured(1.0), "quick": lambda: Measured(1.0)}
        turns = take_turns(actions, 0, Deadline(60), {"slow": 1000.0, "quick": 0.1})
        assert list(turns.measured) == ["quick"]
        assert "--limit" in turns.failed["slow"]


class TestFigures:
    def test_keys_and_ratio(self, tmp_path):
        figures = Figures()
        for side, speed in (("ours", 10.0), ("sam2", 2.0), ("legacy", 4.0)):
            figures.put("tiny.n4", side, "object_fps", speed)
        figures.miss("tiny.n4", "transformers", ["object_fps"], "it broke")
        figures.compare("tiny.n4", "object_fps", "ratio", higher_is_better=True)
        figures.write(tmp_path / "f.json")
        assert json.loads((tmp_path / "f.json").read_text()) == {
            "tiny.n4.object_fps": 10.0,
            "tiny.n4.sam2_object_fps": 2.0,
            "tiny.n4.legacy_object_fps": 4.0,
            "tiny.n4.transformers_object_fps": None,
            "tiny.n4.ratio": 2.5,
        }

    def test_table_tells_reasons(self):
        figures = Figures()
        figures.miss("tiny.n4", "vos", ["ms_per_frame", "object_fps"], "it broke")
        table = figures.table(["ours", "vos"])
        assert "| tiny.n4 object_fps | - | - |" in table
        assert "- tiny.n4.vos_ms_per_frame and 1 more: it broke" in table


@pytest.mark.parametrize("n_objects", [1, 4, 256])
def test_movie_shows_small_discs_in_their_boxes(n_objects):
    movie = Movie(20, 512, n_objects)
    frame = movie[0]
    assert frame.shape == (512, 512) and len(movie) == 20
    assert (movie[16] == frame).all() and (movie[4] != frame).any()
    for index in (0, n_objects - 1):
        y0, x0, y1, x1 = movie.box_yx(index)
        assert (y1 - y0) * (x1 - x0) < 0.0101 * frame.size
        inside = frame[round(y0) : round(y1) + 1, round(x0) : round(x1) + 1]
        assert inside.mean() > frame.mean() + 30
    with pytest.raises(IndexError):
        movie[20]


def test_memory_gauge_sees_what_was_given_back():
    gauge = MemoryGauge(CPU)
    torch.ones(8_000_000).sum()
    memory = gauge.read()
    assert memory.device is None
    if sys.platform == "linux":
        assert 30e6 < memory.host < 100e6
        held = torch.ones(8_000_000)
        assert 20e6 < gauge.kept() < 60e6
        del held
        assert gauge.kept() < 20e6


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import time; time.sleep(60)", "did not finish within 1 s"),
        ("raise SystemExit('no compiler')", "exit code 1: no compiler"),
        ("", None),
    ],
)
def test_compiled_predictor_has_a_time_limit(code, why):
    found = compiled._run([sys.executable, "-c", code], 1.0 if why and "within" in why else 60.0)
    assert found == why if why is None else why in found
