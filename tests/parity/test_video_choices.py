"""Where `VideoSession` chooses otherwise than `SAM2VideoPredictor`: the choices, one by one."""

import pytest
import torch
from both_videos import BothVideos
from reference import SMALLER

from sam2_torch import BoxPrompt, PointPrompt, VideoSession
from sam2_torch.sessions.video_session import MAX_PROMPTED

pytest.importorskip("sam2.sam2_video_predictor")
pytestmark = pytest.mark.usefixtures("exact_memories")

CLICK = PointPrompt([[80, 100]], [1])
OTHER_CLICK = PointPrompt([[150, 30.5]], [1])
BOX = BoxPrompt(40, 60, 120, 160)
FIRST = {1: 0, 2: 4}  # the frames on which two objects are prompted


def test_objects_start_from_their_own_prompts() -> None:
    """As if each had a reference of its own: the reference starts both at the earlier prompt."""
    together = BothVideos(SMALLER)
    alone = {object_id: BothVideos(SMALLER).reference for object_id in FIRST}
    for object_id, frame in FIRST.items():
        together.session.add_prompt(object_id, frame, CLICK)
        together.reference.add_prompt(object_id, frame, CLICK)
        alone[object_id].add_prompt(object_id, frame, CLICK)
    together.reference.propagate()
    expected = {object_id: reference.propagate() for object_id, reference in alone.items()}
    found = list(together.session.propagate("forward"))
    assert [result.object_ids for result in found] == [(1,)] * 4 + [(1, 2)] * 4
    for result in found:
        for object_id, one in zip(result.object_ids, result.predictions, strict=True):
            masks = expected[object_id][result.frame]
            alone[object_id].assert_same(one, object_id, result.frame, masks[object_id])
    theirs, _ = together.reference.answer(2, 6)
    assert (found[6].predictions[1].logits - theirs).abs().max() > 1e-2


def test_corrected_frame_keeps_its_mask() -> None:
    """The reference tracks it anew, unless told to take corrections for prompted frames."""
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, BOX)
    both.propagate()
    both.reference.network.add_all_frames_to_correct_as_cond = False
    try:
        corrected = both.add_prompt(1, 4, CLICK)
        both.reference.propagate()
    finally:
        both.reference.network.add_all_frames_to_correct_as_cond = True
    found = {result.frame: result for result in both.session.propagate("forward")}
    assert torch.equal(found[4].predictions[0].logits, corrected.logits)
    assert both.session.prompted_frames(1) == (0, 4)
    theirs, _ = both.reference.answer(1, 4)
    assert (theirs - corrected.logits).abs().max() > 1e-2


def test_nearest_eight_prompted_frames_by_default() -> None:
    """The reference looks at all of them, unless told how many."""
    assert MAX_PROMPTED == 8
    limited, unlimited = (BothVideos(SMALLER, 12, limit) for limit in (MAX_PROMPTED, None))
    by_default = VideoSession(limited.session.model, limited.movie, contrast=(0, 255), plain=True)
    for session in (limited.session, unlimited.session, by_default):
        for frame in range(0, 12):
            if frame not in (1, 6, 11):
                session.add_prompt(1, frame, BOX)
    results = [
        {result.frame: result.predictions[0].logits for result in session.propagate("forward")}
        for session in (limited.session, unlimited.session, by_default)
    ]
    assert all(torch.equal(results[0][frame], results[2][frame]) for frame in range(12))
    assert not torch.equal(results[0][11], results[1][11])


def test_replaced_prompts_are_forgotten() -> None:
    """The reference forgets the clicks alone, and refines the mask that they gave."""
    both = BothVideos(SMALLER)
    both.session.add_prompt(1, 2, CLICK)
    found = both.session.add_prompt(1, 2, OTHER_CLICK, replace=True)
    expected = both.reference.add_prompt(1, 2, OTHER_CLICK)
    both.reference.assert_same(found, 1, 2, expected)
    both.propagate()


def test_prompt_taken_back_leaves_a_memory_like_any_other() -> None:
    """The reference keeps that of a prompted frame, sharp, until it is tracked anew."""
    both = BothVideos(SMALLER)
    for frame in (0, 2):
        both.add_prompt(1, frame, BOX)
    both.propagate()
    both.session.remove_prompts(1, 0)
    both.reference.network.clear_all_prompts_in_frame(both.reference.state, 0, 1)
    found = [result.predictions[0].logits for result in both.session.propagate("forward")]
    expected = [both.reference.answer(1, frame)[0] for frame in both.reference.propagate()]
    differences = [
        float((one - other).abs().max()) for one, other in zip(found, expected, strict=True)
    ]
    assert differences[0] < 1e-3 < max(differences[1:5])
