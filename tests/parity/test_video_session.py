"""`VideoSession` against `SAM2VideoPredictor`, end to end."""

from collections.abc import Sequence

import numpy as np
import pytest
from both_videos import BothVideos
from reference import SCORE_BIAS, SMALLER, SMALLER_2_0, changed, pair

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt, Prompt, SAM2Config
from sam2_torch.nn.mask_decoder import STABILITY_THRESHOLD, stability

pytest.importorskip("sam2.sam2_video_predictor")
pytestmark = pytest.mark.usefixtures("exact_memories")

both_versions = pytest.mark.parametrize("config", [SMALLER, SMALLER_2_0], ids=["2.1", "2.0"])

CLICK = PointPrompt([[80, 100]], [1])
OTHER_CLICK = PointPrompt([[150, 30.5]], [1])
CORRECTION = PointPrompt([[60, 60], [120, 150]], [0, 1])
BOX = BoxPrompt(40, 60, 120, 160)
DISC = MaskPrompt(np.hypot(*(np.indices((180, 240)) - [[[90]], [[70]]])) < 35)
SINGLE_MASK = "sam_mask_decoder.output_hypernetworks_mlps.0.layers.2.{}"
NOTHING = MaskPrompt(np.zeros((180, 240)))


@pytest.mark.parametrize(
    "prompts",
    [(CLICK,), (CORRECTION,), (BOX,), (BOX, CORRECTION), (DISC,), (NOTHING,)],
    ids=["click", "two clicks", "box", "box and points", "mask", "empty mask"],
)
def test_each_kind_of_prompt(prompts: Sequence[Prompt]) -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, *prompts)
    assert len(both.propagate()) == 8


def test_clicks_add_up_and_refine() -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 2, CLICK)
    both.add_prompt(1, 2, CORRECTION)
    both.add_prompt(1, 2, BOX)
    both.add_prompt(1, 2, OTHER_CLICK)
    both.add_prompt(1, 2, DISC)
    both.add_prompt(1, 2, CORRECTION)
    both.propagate()


@both_versions
def test_two_objects_one_of_them_corrected(config: SAM2Config) -> None:
    both = BothVideos(config)
    both.add_prompt(1, 0, CLICK)
    both.add_prompt(7, 0, DISC)
    results = both.propagate()
    assert results[5].object_ids == (1, 7)
    both.add_prompt(7, 4, CORRECTION)
    both.propagate()


@both_versions
def test_objects_prompted_on_different_frames(config: SAM2Config) -> None:
    both = BothVideos(config)
    both.add_prompt(1, 4, BOX)
    both.add_prompt(2, 1, CLICK)
    results = both.propagate(start=1)
    assert results[1].object_ids == (1, 2)


@both_versions
def test_prompts_on_several_frames(config: SAM2Config) -> None:
    both = BothVideos(config)
    both.add_prompt(1, 5, CLICK)
    both.add_prompt(1, 1, DISC)
    both.add_prompt(1, 3, BOX)
    both.propagate()
    both.propagate("backward")


def test_backward() -> None:
    both = BothVideos(SMALLER, 10)
    both.add_prompt(1, 9, CLICK)
    assert list(both.propagate("backward")) == list(range(9, -1, -1))


def test_forward_and_backward_from_the_middle() -> None:
    both = BothVideos(SMALLER, 10)
    both.add_prompt(1, 4, CLICK)
    both.add_prompt(2, 4, DISC)
    both.propagate()
    both.propagate("backward", start=4)


def test_both_directions_at_once() -> None:
    both = BothVideos(SMALLER, 10)
    both.add_prompt(1, 4, CLICK)
    found = list(both.session.propagate("both"))
    forward = both.reference.propagate(4)
    both.reference.assert_all_same(found[:6], forward)
    backward = both.reference.propagate(4, backward=True)
    del backward[4]
    both.reference.assert_all_same(found[6:], backward)


@pytest.mark.parametrize(
    "prompts", [(CLICK,), (CORRECTION,), (BOX,), (DISC,)], ids=["click", "clicks", "box", "mask"]
)
def test_correction_on_a_middle_frame(prompts: Sequence[Prompt]) -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, BOX)
    both.propagate()
    both.add_prompt(1, 4, *prompts)
    both.propagate()


def test_correction_after_propagation_backward() -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 7, BOX)
    both.propagate("backward")
    both.add_prompt(1, 3, CLICK)
    both.add_prompt(1, 3, CORRECTION)
    both.propagate("backward")


def test_correction_of_the_first_frame_and_of_two_others() -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, CLICK)
    both.propagate()
    both.add_prompt(1, 0, CORRECTION)
    both.add_prompt(1, 5, OTHER_CLICK)
    both.add_prompt(1, 2, DISC)
    both.propagate()


def test_object_that_comes_later() -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, CLICK)
    both.propagate()
    both.add_prompt(2, 3, BOX)
    both.propagate()


@pytest.mark.parametrize("start", [0, 3])
def test_removed_object_leaves_the_others_as_they_were(start: int) -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, CLICK)
    both.add_prompt(2, start, DISC)
    both.propagate()
    both.session.remove_object(1)
    both.reference.network.remove_object(both.reference.state, 1)
    both.propagate()


def test_prompts_that_are_taken_back() -> None:
    both = BothVideos(SMALLER)
    both.add_prompt(1, 0, CLICK)
    both.add_prompt(1, 4, DISC)
    both.propagate()
    both.session.remove_prompts(1, 4)
    both.reference.network.clear_all_prompts_in_frame(both.reference.state, 4, 1)
    both.propagate()


@both_versions
@pytest.mark.parametrize("bias", [-30.0, -0.5, 30.0], ids=["absent", "come and go", "there"])
def test_both_sides_of_the_object_score(config: SAM2Config, bias: float) -> None:
    with changed(pair(config), SCORE_BIAS, lambda _: bias):
        both = BothVideos(config)
        both.add_prompt(1, 0, CLICK)
        both.add_prompt(2, 0, BOX)
        results = both.propagate()
    visible = np.stack([result.object_scores > 0 for result in results.values()])
    assert visible.all() == (bias > 0)
    assert visible.any() == (bias > -1)


@both_versions
@pytest.mark.parametrize("scale", [4.0, 1e-3], ids=["stable", "unstable"])
def test_both_sides_of_the_stability_gate(config: SAM2Config, scale: float) -> None:
    networks = pair(config)
    with (
        changed(networks, SINGLE_MASK.format("weight"), lambda values: values * scale),
        changed(networks, SINGLE_MASK.format("bias"), lambda values: values * scale),
    ):
        both = BothVideos(config)
        found = both.add_prompt(1, 0, BOX)
        both.propagate()
        both.add_prompt(1, 4, CORRECTION)
        both.propagate()
    # of the scaled mask nothing would be left if it had not been replaced
    assert found.logits.abs().max() > 1
    assert bool(stability(found.logits) >= STABILITY_THRESHOLD) == (scale > 1)


@pytest.mark.parametrize("limit", [2, 3])
def test_nearest_prompted_frames_only(limit: int) -> None:
    both = BothVideos(SMALLER, 10, max_prompted=limit)
    for frame in (0, 2, 5, 9):
        both.add_prompt(1, frame, BOX)
    both.propagate()
    both.propagate("backward")


def test_frames_that_are_no_longer_recent() -> None:
    """Beyond 7 frames we keep no memory, beyond 16 only packed logits; the reference keeps all."""
    both = BothVideos(SMALLER, 20)
    both.add_prompt(1, 0, BOX)
    both.propagate()
    both.add_prompt(1, 2, CORRECTION)
    both.propagate("backward", start=8)
