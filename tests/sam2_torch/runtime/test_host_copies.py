import numpy as np
import pytest
import torch
from device_stand_ins import StandIn, Streams

from sam2_torch import PointPrompt, VideoSession
from sam2_torch.runtime import cuda_graphs, inference_steps
from sam2_torch.runtime.host_copies import Copies, CudaCopies, copies_for
from sam2_torch.runtime.inference_steps import InferenceSteps
from sam2_torch.runtime.pending import Pending


class Delayed(Copies):
    """As a CUDA device's: what is fetched is there when it is waited for, and not before."""

    overlap = True

    def __init__(self, device, log):
        super().__init__(device)
        self.log = log

    def record(self):
        return "event"

    def fetch(self, tensor, after):
        assert after == "event"
        pinned = tensor.clone()

        def wait():
            self.log.append("wait")
            return pinned

        return Pending(wait)


@pytest.fixture
def log(monkeypatch):
    """Let the CPU be a device whose copies overlap, and note what is begun and waited for."""
    log, track = [], InferenceSteps.track

    def begin(self, *arguments):
        log.append("begin")
        return track(self, *arguments)

    monkeypatch.setattr(inference_steps, "copies_for", lambda device: Delayed(device, log))
    monkeypatch.setattr(InferenceSteps, "track", begin)
    return log


def open_with_clicks(model, frames, **options):
    session = VideoSession(model, frames, contrast=(300, 4000), **options)
    session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    session.add_prompt(2, 0, PointPrompt([(90, 150)], [1]))
    return session


@pytest.fixture(scope="module")
def expected(model, movie):
    return list(open_with_clicks(model, movie[0]).propagate("forward"))


def check_equal(found, expected):
    assert [(r.frame, r.object_ids) for r in found] == [(r.frame, r.object_ids) for r in expected]
    for one, other in zip(found, expected, strict=True):
        for ours, theirs in zip(one.predictions, other.predictions, strict=True):
            assert torch.equal(ours.logits, theirs.logits) and ours.sparse.equals(theirs.sparse)
            assert (ours.iou, ours.object_score) == (theirs.iou, theirs.object_score)


def test_a_frame_is_handed_out_when_the_next_one_has_been_begun(model, movie, log, expected):
    session = open_with_clicks(model, movie[0])
    log.clear()
    found = []
    for result in session.propagate("forward"):
        found.append(result)
        log.append(result.frame)
    check_equal(found, expected)
    waits = 3  # numbers, pointers and logits of both objects, which went together
    steady = ["begin", *["wait"] * waits]
    assert log[:3] == ["begin", 0, "begin"]  # frame 0 was answered when it was clicked
    assert [entry for entry in log if entry != "wait"] == [
        *("begin", 0, "begin", 1, "begin", 2, "begin", 3, "begin", 4, "begin", 5, "begin", 6),
        7,
    ]
    assert log[2 : 2 + len(steady)] == steady


def test_replayed_steps_and_delayed_copies_give_the_same(small_model, movie, log, monkeypatch):
    frames = np.concatenate([movie[0], movie[0][::-1], movie[0]])
    plain = list(open_with_clicks(small_model, frames, graphs=False).propagate("forward"))
    monkeypatch.setattr(inference_steps, "recorder_for", lambda device: StandIn())
    monkeypatch.setattr(cuda_graphs, "WORTH_CALLS", 3)
    check_equal(list(open_with_clicks(small_model, frames).propagate("forward")), plain)


def test_stopping_loses_nothing(model, movie, log, expected):
    session = open_with_clicks(model, movie[0])
    run = session.propagate("forward")
    found = [next(run) for _ in range(3)]
    run.close()
    assert next(session.look_around(1, 2)).frame == 3
    found += session.propagate("forward", frames=(3, 8))
    check_equal(found, expected)


def test_what_was_computed_before_an_error_is_handed_out(model, movie, log, expected):
    class Torn(list):
        def __getitem__(self, frame):
            if frame == 5:
                raise OSError("frame 5 is damaged")
            return super().__getitem__(frame)

    session, found = open_with_clicks(model, Torn(movie[0])), []
    with pytest.raises(OSError, match="frame 5"):
        for result in session.propagate("forward"):
            found.append(result)
    check_equal(found, expected[:5])


def test_what_changes_meanwhile_is_not_handed_out_as_it_was(model, movie, log):
    session = open_with_clicks(model, movie[0])
    run = session.propagate("forward")
    assert [next(run).object_ids for _ in range(3)] == [(1, 2)] * 3
    session.remove_object(2)  # when frame 3 has been computed with it
    assert (next(run).frame, next(run).object_ids) == (3, (1,))
    session.add_prompt(1, 4, PointPrompt([(40, 74)], [1]))
    assert [result.frame for result in run] == list(range(8))  # from the start, with the prompt


def test_a_correction_waits_for_each_frame_as_each_may_be_its_last(model, movie, log, monkeypatch):
    def correct():
        session = open_with_clicks(model, movie[0])
        list(session.propagate("forward"))
        session.add_prompt(1, 2, PointPrompt([(40, 62)], [1]))
        return list(session.propagate_changes())

    found = correct()
    monkeypatch.setattr(inference_steps, "copies_for", copies_for)
    check_equal(found, correct())


def test_streams_wait_for_each_other_and_the_host_for_what_it_asks_for(monkeypatch):
    """The CPU stands for the device."""
    log = []
    Streams(monkeypatch, log)
    copies, pixels = CudaCopies(torch.device("cpu")), np.arange(6, dtype=np.uint16).reshape(2, 3)
    pending = copies.send(pixels)
    assert log == []
    there = pending.result()
    assert log == ["after", "used by"] and there.dtype == torch.float32
    np.testing.assert_array_equal(there.numpy(), pixels)
    log.clear()
    pending = copies.fetch(2 * there, copies.record())
    assert log == ["after", "used by"]
    np.testing.assert_array_equal(pending.result().numpy(), 2.0 * pixels)
    assert log[2:] == ["waited"]
    assert torch.equal(copies.upload(there), there) and log[3:] == []


@pytest.mark.gpu
def test_cuda_copies_bring_what_was_computed_before_the_event():
    copies = copies_for(torch.device("cuda"))
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    there = copies.send(pixels).result()
    doubled = there * 2
    back = copies.fetch(doubled, copies.record())
    np.testing.assert_array_equal(back.result().numpy(), pixels * 2.0)
    assert copies.upload(torch.ones(3)).device.type == "cuda"
