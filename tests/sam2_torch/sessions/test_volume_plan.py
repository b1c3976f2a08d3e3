"""One click in one plane of one time point."""

import numpy as np
import pytest
from tests.embedded_network import cells_nano

from sam2_torch import Depth, MaskPrompt, PointPrompt, VideoSession

N_TIMES, N_PLANES, SHAPE = 3, 7, (96, 140)


@pytest.fixture(scope="module")
def volumes():
    """(T, Z, Y, X) of a ball that moves through all axes, and one that stays; with its labels."""
    z, y, x = np.mgrid[:N_PLANES, : SHAPE[0], : SHAPE[1]]
    labels = np.zeros((N_TIMES, N_PLANES, *SHAPE), np.uint8)
    for t in range(N_TIMES):
        moving = (6 * (z - 2 - t)) ** 2 + (y - 30) ** 2 + (x - 40 - 9 * t) ** 2 < 14**2
        still = (6 * (z - 3)) ** 2 + (y - 65) ** 2 + (x - 100) ** 2 < 15**2
        labels[t][moving], labels[t][still] = 1, 2
    noise = np.random.default_rng(0).normal(0, 100, labels.shape)
    return (500 + 3000 * (labels > 0) + noise).astype(np.uint16), labels


def session_of(model, volumes):
    return VideoSession(model, list(volumes[0].reshape(-1, *SHAPE)), depth=Depth(N_PLANES))


def masks_of(results, object_id):
    masks = np.zeros((N_TIMES * N_PLANES, *SHAPE), bool)
    for result in results:
        if object_id in result.object_ids:
            masks[result.frame] = result.masks[result.object_ids.index(object_id)]
    return masks.reshape(N_TIMES, N_PLANES, *SHAPE)


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


def test_one_click_finds_the_object_in_depth_and_time(model, volumes):
    session = session_of(model, volumes)
    session.add_prompt(1, 2, PointPrompt([[30, 40]], [1]))  # plane 2 of the first time point
    session.add_prompt(2, N_PLANES + 3, PointPrompt([[65, 100]], [1]))  # of the second one
    results = list(session.propagate("both"))
    # both ways, the second object is in time point 0 on the way back only
    assert len(results) >= (N_TIMES + 1) * N_PLANES
    assert abs(len(results) - session.frame_count("both")) <= 2 * N_TIMES
    for object_id in (1, 2):
        for t in range(N_TIMES):
            found = masks_of(results, object_id)[t]
            assert iou(found, volumes[1][t] == object_id) > 0.75, (object_id, t)


def test_an_object_ends_in_depth(model, volumes, known_frames):
    session = session_of(model, volumes)
    session.add_prompt(1, 2, MaskPrompt(volumes[1][0, 2] == 1))
    results = list(session.propagate("forward", frames=(0, N_PLANES)))
    assert sorted(r.frame for r in results) == list(range(N_PLANES))  # each plane once
    found = {r.frame for r in results if r.predictions[0].sparse}
    assert found >= {1, 2, 3} and found <= {0, 1, 2, 3, 4}
    assert max(known_frames(session, 1)) <= max(found) + 1  # planes beyond cost nothing


@pytest.mark.slow
def test_planes_beyond_a_new_shorter_end_are_emptied(volumes):
    # with its own input: with a smaller one the network joins two discs at the last time
    session, truth = session_of(cells_nano(), volumes), volumes[1]
    session.add_prompt(1, 2, MaskPrompt(truth[0, 2] == 1))
    session.add_prompt(1, 6, MaskPrompt(truth[0, 3] == 2))  # wrong: it goes on to there
    masks = masks_of(session.propagate("forward"), 1)
    assert masks[0, 6].any()
    session.remove_prompts(1, 6)
    for result in session.propagate_changes():
        masks.reshape(-1, *SHAPE)[result.frame] = result.masks[0]
    assert not masks[0, 5:].any()
    assert all(iou(masks[t], truth[t] == 1) > 0.75 for t in range(N_TIMES))


def test_looking_around_stays_in_the_stack_and_remembers_nothing(model, volumes, known_frames):
    def prompted():
        session = session_of(model, volumes)
        session.add_prompt(1, N_PLANES + 2, PointPrompt([[30, 49]], [1]))
        return session

    session, truth = prompted(), volumes[1].reshape(-1, *SHAPE) == 1
    around = list(session.look_around(1, N_PLANES + 2, reach=9))  # in the second time point
    assert [result.frame - N_PLANES for result in around] == [3, 4, 5, 6, 1, 0]
    assert all(result.object_ids == (1,) for result in around)
    for result in around[:2]:
        assert iou(result.masks[0], truth[result.frame]) > 0.75
    assert not around[3].masks[0].any()  # the ball ends before the last plane
    assert known_frames(session, 1) == [N_PLANES + 2]
    found, expected = (
        masks_of(each.propagate("forward", frames=(N_PLANES, 2 * N_PLANES)), 1)
        for each in (session, prompted())
    )
    np.testing.assert_array_equal(found, expected)


def test_looking_around_where_an_object_was_carried(model, volumes, known_frames):
    session, truth = session_of(model, volumes), volumes[1].reshape(-1, *SHAPE) == 1
    session.add_prompt(1, 2, MaskPrompt(truth[2]))
    list(session.propagate("forward"))  # by now, memories of the second time point are let go
    tracked = known_frames(session, 1)
    around = list(session.look_around(1, N_PLANES + 3, reach=1))
    assert [result.frame for result in around] == [N_PLANES + 4, N_PLANES + 2]
    for result in around:
        assert iou(result.masks[0], truth[result.frame]) > 0.75
    assert known_frames(session, 1) == tracked
    with pytest.raises(KeyError, match="object 1 is not known in frame 6"):
        next(session.look_around(1, 6))  # the ball does not reach that plane


def test_a_correction_follows_its_object_alone(model, volumes):
    session = session_of(model, volumes)
    for object_id, plane in ((1, 2), (2, 3)):
        session.add_prompt(object_id, plane, MaskPrompt(volumes[1][0, plane] == object_id))
    list(session.propagate("forward"))
    session.add_prompt(2, 2 * N_PLANES + 3, MaskPrompt(volumes[1][2, 3] == 2))
    results = list(session.propagate_changes())
    assert {i for result in results for i in result.object_ids} == {2}
    assert iou(masks_of(results, 2)[2], volumes[1][2] == 2) > 0.75
    assert not list(session.propagate_changes())


def test_frames_must_fill_time_points(model, volumes):
    with pytest.raises(ValueError, match="a multiple of, found 4"):
        VideoSession(model, list(volumes[0].reshape(-1, *SHAPE)), depth=Depth(4))


def test_how_deep_objects_are_is_foreseen_from_the_step_between_planes(model, volumes):
    frames = list(volumes[0].reshape(-1, *SHAPE))
    narrow = VideoSession(model, frames * 2, depth=Depth(2 * N_PLANES, 60.0))
    narrow.add_prompt(1, 5, MaskPrompt(volumes[1][0, 3] == 2))
    # half of 30 pixels is less than a step; a plane of absence ends it
    foreseen = [list(run.order()) for run in narrow.runs("forward")]
    assert foreseen[:4] == [[5, 6, 7], [4, 3], [19, 20, 21], [18, 17]]
    assert narrow.frame_count("forward") == 2 * N_PLANES * N_TIMES
    unknown = session_of(model, volumes)
    unknown.add_prompt(1, 3, MaskPrompt(volumes[1][0, 3] == 2))
    assert unknown.frame_count("forward") == N_PLANES * N_TIMES
    with pytest.raises(ValueError, match="plane_step_px: expected a positive number"):
        Depth(N_PLANES, 0.0)
