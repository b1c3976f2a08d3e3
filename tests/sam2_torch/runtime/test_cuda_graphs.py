import gc
import weakref
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from device_stand_ins import StandIn, Streams

from sam2_torch.runtime import cuda_graphs
from sam2_torch.runtime.cuda_graphs import WORTH_CALLS, Graphs, recorder_for


class Pair(NamedTuple):
    first: torch.Tensor
    second: tuple[torch.Tensor, int]


def double(pair, factor):
    return Pair(pair.first * factor, (pair.second[0] + pair.second[1], pair.second[1]))


def pair(start=0, shape=(2, 3)):
    first = torch.arange(start, start + 6.0).reshape(shape)
    return Pair(first, (first + 1, 3))


def same(found, expected):
    return (
        type(found) is type(expected)
        and torch.equal(found.first, expected.first)
        and torch.equal(found.second[0], expected.second[0])
        and found.second[1] == expected.second[1]
    )


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


def test_what_repeats_is_recorded_once_and_replayed_with_new_numbers():
    recorder = StandIn()
    kept = Graphs(recorder)
    for i in range(WORTH_CALLS + 3):
        assert same(kept.call(double, pair(i), 2), double(pair(i), 2))
    assert recorder.n_records == 1 and recorder.n_replays == 4


def test_what_was_returned_stays_when_graphs_are_replayed():
    kept = Graphs(StandIn())
    found = [kept.call(double, pair(i), factor) for i in range(6) for factor in (2, 3)]
    expected = [double(pair(i), factor) for i in range(6) for factor in (2, 3)]
    assert all(map(same, found, expected))


@pytest.mark.parametrize(
    "other",
    [
        (double, pair(shape=(3, 2)), 2),
        (double, pair(), 3),
        (double, Pair(pair().first, (pair().first + 1, 4)), 2),
        (double, Pair(pair().first.double(), (pair().first, 3)), 2),
        (double, Pair(pair(shape=(3, 2)).first.T, (pair().first, 3)), 2),
        (lambda given, factor: double(given, factor + 1), pair(), 2),
    ],
    ids=["shape", "value", "value within", "dtype", "layout", "function"],
)
def test_calls_that_differ_in_more_than_numbers_have_graphs_of_their_own(other):
    recorder = StandIn()
    kept = Graphs(recorder)
    for _ in range(WORTH_CALLS):
        kept.call(double, pair(), 2)
    function, *arguments = other
    for n_records in (1,) * (WORTH_CALLS - 1) + (2,):
        assert same(kept.call(function, *arguments), function(*arguments))
        assert recorder.n_records == n_records


def test_the_longest_unused_graph_is_let_go(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "MOST_RECORDINGS", 2)
    recorder = StandIn()
    kept = Graphs(recorder)

    def call_often(factor):
        for _ in range(WORTH_CALLS):
            assert same(kept.call(double, pair(), factor), double(pair(), factor))
        return recorder.n_records

    assert [call_often(factor) for factor in (2, 3, 2, 4)] == [1, 2, 2, 3]
    assert call_often(2) == 3  # used after 3 was
    assert call_often(3) == 4  # let go for 4: recorded again


def test_weights_that_changed_are_recorded_anew():
    with torch.inference_mode(False):
        weight = torch.ones(3)
    recorder = StandIn()
    kept = Graphs(recorder, [weight])
    scale = lambda x: x * weight  # noqa: E731
    for _ in range(WORTH_CALLS):
        kept.call(scale, torch.ones(3))
    weight.mul_(5)
    for n_records in (1,) * (WORTH_CALLS - 1) + (2,):
        assert torch.equal(kept.call(scale, torch.ones(3)), torch.full((3,), 5.0))
        assert recorder.n_records == n_records


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_failing_to_record_is_told_once_and_not_tried_again(error, caplog):
    recorder = StandIn(fail_at=2, error=error)
    kept = Graphs(recorder)
    for factor in (2, 3, 4):
        for i in range(WORTH_CALLS + 1):
            assert same(kept.call(double, pair(i), factor), double(pair(i), factor))
    assert recorder.n_records == 2
    (record,) = caplog.records
    assert "without CUDA graphs" in record.message and "and more" not in record.message


def test_what_finds_no_room_gets_that_of_the_graphs(caplog):
    kept = Graphs(StandIn())
    for _ in range(WORTH_CALLS):
        kept.call(double, pair(), 2)
    tries = []

    def large(x):
        tries.append(x)
        if len(tries) == 1:
            raise torch.OutOfMemoryError("full")
        return x + 1

    assert torch.equal(kept.call(large, torch.ones(2)), torch.full((2,), 2.0))
    assert len(tries) == 2 and len(caplog.records) == 1
    tries.clear()
    with pytest.raises(torch.OutOfMemoryError):
        kept.call(large, torch.ones(2))  # nothing is left to let go


class Owner:
    """Has graphs of its own method."""

    def __init__(self, recorder):
        self.graphs = Graphs(recorder)

    def call(self, x):
        return self.graphs.call(self.double, x)

    def double(self, x):
        return 2 * x


def test_graphs_go_with_their_owner_at_once():
    results = []
    recorder = SimpleNamespace(record=lambda function: (lambda: results.append(1), function()))
    owner = Owner(recorder)
    for _ in range(WORTH_CALLS + 1):
        assert owner.call(torch.ones(2)).sum() == 4
    assert results == [1, 1]
    gone = weakref.ref(owner)
    gc.disable()  # their memory is on the device: it is not to wait for the garbage collector
    try:
        del owner
        assert gone() is None
    finally:
        gc.enable()


def test_errors_of_the_function_are_not_taken_for_those_of_recording():
    kept = Graphs(StandIn())

    def interrupted(x):
        raise KeyboardInterrupt

    for _ in range(WORTH_CALLS + 1):
        with pytest.raises(KeyboardInterrupt):
            kept.call(interrupted, torch.ones(2))


def test_nothing_is_recorded_where_gradients_are_kept():
    recorder = StandIn()
    kept = Graphs(recorder)
    with torch.inference_mode(False):
        x = torch.ones(2, requires_grad=True)
        for _ in range(WORTH_CALLS + 1):
            kept.call(torch.sum, x).backward()
    assert recorder.n_records == 0 and torch.equal(x.grad, torch.full((2,), WORTH_CALLS + 1.0))


def test_the_cpu_has_no_graphs():
    assert recorder_for(torch.device("cpu")) is None
    assert same(Graphs(None).call(double, pair(), 2), double(pair(), 2))


def test_a_recording_that_breaks_off_leaves_the_stream_as_it_was(monkeypatch, caplog):
    streams = Streams(monkeypatch, [])
    recorder = recorder_for(torch.device("cuda"))
    _, found = recorder.record(lambda: (streams.current, torch.ones(2)))
    assert found[0] != "default" and found[1].sum() == 2 and streams.current == "default"
    streams.breaks = True
    with pytest.raises(RuntimeError, match="during capture"):
        recorder.record(lambda: torch.ones(2))
    assert streams.current == "default"
    kept = Graphs(recorder)
    for _ in range(WORTH_CALLS + 1):
        assert same(kept.call(double, pair(), 2), double(pair(), 2))
    assert len(caplog.records) == 1


@pytest.mark.gpu
def test_cuda_replays_the_same():
    device = torch.device("cuda")
    kept = Graphs(recorder_for(device))
    multiply = lambda x, y: (x @ y).relu()  # noqa: E731
    for i in range(WORTH_CALLS + 2):
        x, y = (torch.randn(64, 64, device=device) + i for _ in range(2))
        torch.testing.assert_close(kept.call(multiply, x, y), multiply(x, y))
    assert len(kept._recordings) == 1
