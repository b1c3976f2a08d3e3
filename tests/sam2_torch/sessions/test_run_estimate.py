import numpy as np
import pytest
import torch

from sam2_torch import CELLS_NANO, RELEASED, BoxPrompt, VideoSession
from sam2_torch.memory.memory_budget import (
    computing_bytes,
    kept_bytes,
    memory_bytes,
    objects_at_once,
)
from sam2_torch.models.speed_records import Speed
from sam2_torch.sessions.run_estimate import estimate_propagation

SPEED = Speed("cpu", "2 cores", "float32", 10.0, 1.0, 2.0, 9.0, 6.0)
BOX = BoxPrompt(10, 10, 30, 40)


@pytest.fixture
def session(model):
    return VideoSession(model, np.random.default_rng(0).random((9, 40, 60)))


def test_each_frame_is_encoded_and_each_object_followed(session):
    session.add_prompt(1, 0, BOX)
    seconds = estimate_propagation(session, "forward", frames=(0, 3), speed=SPEED).seconds
    # frame 0 is encoded and prompted; the memory fills from 1 frame (2 s) to 7 (9 s)
    assert seconds == pytest.approx(2 * 10 + (2 + 7 / 7) + (2 + 2 * 7 / 7))
    assert estimate_propagation(session, "forward", frames=(0, 1), speed=SPEED).seconds == 0


def test_a_full_memory_costs_no_more(session):
    session.add_prompt(1, 0, BOX)
    eight, nine = (
        estimate_propagation(session, "forward", frames=(0, n), speed=SPEED).seconds for n in (8, 9)
    )
    assert nine - eight == pytest.approx(10 + 9)


def test_more_objects_share_what_a_frame_costs(session):
    session.add_prompt(1, 0, BOX)
    alone = estimate_propagation(session, speed=SPEED)
    session.add_prompt(2, 0, BOX)
    both = estimate_propagation(session, speed=SPEED)
    only = estimate_propagation(session, speed=SPEED, object_ids=[1])
    assert only == alone
    last = 9 + 6  # seconds: one object with a full memory, and one more
    assert alone.seconds + 6 < both.seconds < alone.seconds + 9 * last
    assert both.device_bytes > alone.device_bytes and both.host_bytes > alone.host_bytes


def test_what_was_encoded_is_not_encoded_again(session):
    session.add_prompt(1, 4, BOX)
    before = estimate_propagation(session, speed=SPEED).seconds
    list(session.propagate("forward"))
    after = estimate_propagation(session, speed=SPEED).seconds
    assert before - after == pytest.approx(4 * 10)


def test_without_a_speed_time_is_not_told(session):
    session.add_prompt(1, 0, BOX)
    assert estimate_propagation(session).seconds is None


def test_nothing_to_follow_is_told(session):
    with pytest.raises(ValueError, match="nothing to propagate"):
        estimate_propagation(session)


def test_each_own_window_is_an_image(model):
    whole, windows = (
        VideoSession(model, np.zeros((9, 400, 600)), resolution=resolution)
        for resolution in (None, 2)
    )
    for session in (whole, windows):
        session.add_prompt(1, 0, BOX)
        session.add_prompt(2, 0, BOX)
    more, less = (estimate_propagation(s, speed=SPEED).seconds for s in (windows, whole))
    assert more - less == pytest.approx((18 - 8) * 10)


def test_memory_goes_with_the_network():
    tiny, nano = RELEASED["sam2.1_hiera_tiny"], CELLS_NANO
    assert memory_bytes(tiny) == 7 * 64 * 64 * 64 * 2
    half, whole = (computing_bytes(tiny, dtype) for dtype in (torch.bfloat16, torch.float32))
    assert whole == 2 * half > computing_bytes(nano, torch.float32) * 4
    assert kept_bytes(nano, 300, 150_000) < 2e9


def test_as_many_objects_go_together_as_fit(monkeypatch):
    config, card = RELEASED["sam2.1_hiera_tiny"], torch.device("cuda")
    each = computing_bytes(config, torch.bfloat16)
    free = {"bytes": 0}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free["bytes"], 10**12))
    for free["bytes"], expected in ((0, 1), (10 * each, 5), (10**12, 64)):
        assert objects_at_once(config, card, torch.bfloat16) == expected
    assert objects_at_once(config, torch.device("cpu"), torch.float32) == 4
