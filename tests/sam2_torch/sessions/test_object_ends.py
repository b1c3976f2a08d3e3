"""In depth an object is in one piece: it ends, and another one is not taken for it."""

import numpy as np
import pytest

from sam2_torch import Depth, MaskPrompt, PointPrompt, VideoSession
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.sessions.object_ends import LOW_CONFIDENCE, ObjectEnds

SHAPE = (96, 140)


@pytest.fixture(scope="module")
def stack():
    """(Z, Y, X): a ball in the planes 5 to 9, another one right above it in 13 to 17; labels."""
    z, y, x = np.mgrid[:20, : SHAPE[0], : SHAPE[1]]
    labels = np.zeros(z.shape, np.uint8)
    for label, centre in ((1, 7), (2, 15)):
        labels[(6 * (z - centre)) ** 2 + (y - 40) ** 2 + (x - 60) ** 2 < 15**2] = label
    noise = np.random.default_rng(0).normal(0, 100, labels.shape)
    return (500 + 3000 * (labels > 0) + noise).astype(np.uint16), labels


def planes_of(session, **options):
    """Find the planes in which object 1 is found."""
    results = list(session.propagate("both", **options))
    assert len(results) == session.frame_count("both")  # empty masks beyond its ends, too
    return sorted({r.frame for r in results if r.predictions[0].sparse})


def test_another_cell_above_is_not_taken_for_it(model, stack):
    image, _ = stack
    video, planes = (
        VideoSession(model, list(image)),
        VideoSession(model, list(image), depth=Depth()),
    )
    found = {}
    for name, session in (("video", video), ("stack", planes)):
        session.add_prompt(1, 7, PointPrompt([[40, 60]], [1]))
        found[name] = planes_of(session)
    assert {5, 6, 7, 8, 9} <= set(found["stack"]) <= set(range(3, 13))
    assert found["video"] != found["stack"] and max(found["video"]) > 12


def test_a_prompt_beyond_says_that_it_goes_on(model, stack):
    image, labels = stack
    session = VideoSession(model, list(image), depth=Depth())
    session.add_prompt(1, 7, PointPrompt([[40, 60]], [1]))
    before = planes_of(session)
    session.add_prompt(1, 15, MaskPrompt(labels[15] == 2))
    after = planes_of(session)
    assert set(before) < set(after) and {14, 15, 16} <= set(after)
    session.remove_prompts(1, 15)
    assert planes_of(session) == before  # nothing is left of it


def test_what_a_mask_goes_over_to_is_not_taken_for_the_object(model):
    z, y, x = np.mgrid[:16, : SHAPE[0], : SHAPE[1]]
    ball = (6 * (z - 6)) ** 2 + (y - 40) ** 2 + (x - 60) ** 2 < 15**2  # planes 4 to 8
    tissue = (z >= 9) & (np.hypot(y - 50, x - 75) < 40)
    noise = np.random.default_rng(0).normal(0, 100, ball.shape)
    image = (500 + 3000 * ball + 1100 * tissue + 2 * tissue * noise + noise).clip(0).astype("u2")
    video, stack = (VideoSession(model, list(image), depth=depth) for depth in (None, Depth()))
    for session in (video, stack):
        session.add_prompt(1, 6, PointPrompt([[40, 60]], [1]))
    assert max(planes_of(video)) > 10
    results = list(stack.propagate("both"))
    found = {r.frame: r.predictions[0].iou for r in results if r.predictions[0].sparse}
    assert {5, 6, 7} <= set(found) <= set(range(3, 11))
    tracked = [sure for frame, sure in found.items() if frame != 6]
    assert min(tracked) >= LOW_CONFIDENCE * max(tracked)
    with pytest.raises(KeyError):  # no memory is left of what was taken for it
        next(stack.look_around(1, max(found) + 1))


def prediction(iou, area=1):
    mask = np.zeros((4, 4), bool)
    mask[0, :area] = True
    return MaskPrediction(SparseMask.from_dense(mask), None, iou, 5.0)


ABSENT = prediction(0.0, area=0)


@pytest.mark.parametrize(
    ("prompted", "direction", "planes", "ended"),
    [
        # absent from one plane: it has ended before the next
        ([0], "forward", [(0, 0.9, 1), (1, 0.8, 1), (2, 0.7, 0)], {3}),
        # low confidence beside the highest of the planes passed: it ends there
        ([0], "forward", [(0, 0.9, 1), (1, 0.9, 1), (2, 0.5, 1)], {2, 3}),
        # the predicted IoU of a prompted plane is on another scale
        ([0], "forward", [(0, 1.0, 1), (1, 0.5, 1), (2, 0.4, 1)], set()),
        # a prompt farther on: it continues to there, and ends behind it
        ([0, 4], "forward", [(0, 0.9, 1), (1, 0.9, 1), (2, 0.1, 1), (3, 0.9, 0)], set()),
        ([9, 4], "backward", [(9, 0.9, 1), (8, 0.9, 0), (4, 0.9, 1), (3, 0.9, 0)], {2}),
        ([9], "backward", [(9, 0.9, 1), (8, 0.9, 1), (7, 0.2, 1)], {7, 6}),
    ],
)
def test_rule(prompted, direction, planes, ended):
    rule, found = ObjectEnds({1: prompted}, direction, ABSENT), set()
    for plane, iou, area in planes:
        assert not rule.has_ended(1, plane)
        if rule.ended_at(FrameResult(plane, (1,), (prediction(iou, area),))):
            found.add(plane)
    following = planes[-1][0] + (1 if direction == "forward" else -1)
    assert found | ({following} if rule.has_ended(1, following) else set()) == ended


def test_objects_that_ended_get_empty_masks():
    rule = ObjectEnds({1: [0], 2: [0]}, "forward", ABSENT)
    result = rule.with_absent(FrameResult(3, (2,), (prediction(0.9),)), (1, 2), {1})
    assert result.object_ids == (1, 2) and [bool(p.sparse) for p in result.predictions] == [0, 1]
