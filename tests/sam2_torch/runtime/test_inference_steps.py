import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from device_stand_ins import NothingWaits, StandIn

from sam2_torch import CELLS_NANO, SAM2, BoxPrompt, ImageSession, PointPrompt, VideoSession
from sam2_torch.runtime import cuda_graphs as graphs
from sam2_torch.runtime import inference_steps
from sam2_torch.runtime.inference_steps import InferenceSteps, PromptTensors
from sam2_torch.sam2 import Memories


@pytest.fixture
def recorder(monkeypatch):
    """Let the CPU have graphs."""
    recorder = StandIn()
    monkeypatch.setattr(graphs, "WORTH_CALLS", 3)
    monkeypatch.setattr(inference_steps, "recorder_for", lambda device: recorder)
    return recorder


def follow(model, frames, **options):
    session = VideoSession(model, frames, **options)
    session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    session.add_prompt(2, 0, BoxPrompt(76, 136, 104, 164))
    found = list(session.propagate("forward"))
    session.add_prompt(1, 3, PointPrompt([(40, 68)], [1]))
    return found + list(session.propagate_changes())


def check_equal(found, expected):
    assert len(found) == len(expected) > 20
    for one, other in zip(found, expected, strict=True):
        assert (one.frame, one.object_ids) == (other.frame, other.object_ids)
        for ours, theirs in zip(one.predictions, other.predictions, strict=True):
            assert torch.equal(ours.logits, theirs.logits) and ours.sparse.equals(theirs.sparse)
            assert (ours.iou, ours.object_score) == (theirs.iou, theirs.object_score)


def test_replayed_steps_give_the_same_to_the_last_bit(small_model, movie, recorder):
    frames = np.concatenate([movie[0], movie[0][::-1], movie[0][:6]])
    found = follow(small_model, frames)
    assert recorder.n_records >= 2 and recorder.n_replays > 10  # the encoder is one of them
    n_replays = recorder.n_replays
    check_equal(found, follow(small_model, frames, graphs=False))
    assert recorder.n_replays == n_replays


def test_many_objects_at_a_time_keep_a_device_busy_without_graphs(
    model, movie, recorder, monkeypatch
):
    monkeypatch.setattr(inference_steps, "MOST_REPLAYED", 2 * model.config.embedding_size**2 - 1)
    monkeypatch.setattr(graphs, "WORTH_CALLS", 1)
    session = VideoSession(model, movie[0][:3])
    session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    session.add_prompt(2, 0, PointPrompt([(90, 150)], [1]))
    before = recorder.n_records
    list(session.propagate("forward"))
    assert recorder.n_records == before + 1  # to remember what was prompted


def test_replayed_clicks_give_the_same_to_the_last_bit(small_model, movie, recorder):
    video, image = VideoSession(small_model, movie[0]), ImageSession(small_model, movie[0][0])
    plain = VideoSession(small_model, movie[0], graphs=False)
    on_image, logits = image.predict(PointPrompt([(40, 50)], [1])), []
    for column in range(40, 56, 2):
        click = PointPrompt([(40, column)], [1])
        found = video.add_prompt(1, 0, click, replace=True)
        expected = plain.add_prompt(1, 0, click, replace=True)
        assert torch.equal(found.logits, expected.logits)
        for ours, theirs in zip(video.candidates(1, 0), plain.candidates(1, 0), strict=True):
            assert torch.equal(ours.logits, theirs.logits)
        again = image.predict(PointPrompt([(40, 50)], [1]))
        assert all(torch.equal(a.logits, b.logits) for a, b in zip(again, on_image, strict=True))
        logits.append(found.logits)
    assert recorder.n_replays >= 10
    assert not torch.equal(logits[0], logits[-1])


@pytest.fixture(scope="module")
def network():
    """Not computing, but as on any device that is not the CPU."""
    sizes = replace(CELLS_NANO, image_size=128)
    return InferenceSteps(SAM2(sizes).eval().requires_grad_(False).to("meta"))


def on_meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def memories(n, side):
    spatial = [on_meta(n, 64, side, side)] * 7
    return Memories(spatial, range(7), on_meta(n, 16, 128), on_meta(16), 15)


LOGITS = on_meta(1, 1, 32, 32)
POINTS = on_meta(1, 2, 2), on_meta(1, 2, dtype=torch.int32)
CALLS = {
    "images": lambda own, image: own.model.encode_image(on_meta(2, 3, 128, 128)),
    "follow": lambda own, image: own._track(image, memories(3, 8)),
    "attend": lambda own, image: own.model.attend_to_memory(image.features, memories(3, 8)),
    "click": lambda own, image: own._answer(image, PromptTensors(POINTS, None, True)),
    "refine": lambda own, image: own._answer(image, PromptTensors(POINTS, LOGITS, False)),
    "decode": lambda own, image: own._decode(image, PromptTensors(POINTS, None, True)),
    "decode a mask": lambda own, image: own._decode(image, PromptTensors(None, LOGITS, False)),
    "remember": lambda own, image: own._encode_memory(
        image.features, on_meta(1, 32, 32), on_meta(1), True
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_step_makes_the_host_wait(network, call):
    with torch.inference_mode():
        image = network.model.encode_image(on_meta(1, 3, 128, 128))
        call(network, image)  # tables that are made once are made
        with NothingWaits():
            call(network, image)


def test_waiting_would_be_noticed():
    with pytest.raises(AssertionError, match="waits"), NothingWaits():
        torch.ones(3).max().item()
    with pytest.raises(AssertionError, match="copies"), NothingWaits():
        torch.ones(3).to("meta")


@pytest.mark.gpu
def test_cuda_graphs_give_nearly_the_same_masks(model, movie):
    there = copy.deepcopy(model).cuda()
    frames = np.concatenate([movie[0], movie[0][::-1], movie[0][:6]])
    found, expected = (follow(there, frames, graphs=graphs) for graphs in (True, False))
    for one, other in zip(found, expected, strict=True):
        assert (one.masks != other.masks).mean() < 1e-3
