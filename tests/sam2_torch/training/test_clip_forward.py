"""What training computes is what a session computes, and it has gradients."""

import numpy as np
import pytest
import torch

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt, VideoSession, load_sam2
from sam2_torch.runtime import inference_steps
from sam2_torch.training.clip_forward import ClipRun
from sam2_torch.training.data.batches import Batch, Clip
from sam2_torch.training.simulated_prompts import Prompter, PromptPlan

SIZE, STRIDE = 512, 2


@pytest.fixture(scope="module")
def network():
    """The embedded network: with random weights all masks are noise, and all are alike."""
    return load_sam2("cells_nano", "cpu", torch.float32)


@pytest.fixture(scope="module")
def clip():
    """Two discs in the network's own size, moving, on noise; no black, so no contrast to choose."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((4, SIZE, SIZE), np.int32)
    for t in range(4):
        labels[t][(y - 150) ** 2 + (x - 160 - 12 * t) ** 2 < 50**2] = 1
        labels[t][(y - 350) ** 2 + (x - 300) ** 2 < 40**2] = 2
    images = 60 + 120 * (labels > 0) + rng.normal(0, 12, labels.shape)
    images = images.clip(0, 255).astype(np.uint8)
    return Clip(images[:, None], labels, (SIZE, SIZE), np.array([1, 2], np.int32))


class Scribe(Prompter):
    """Notes the prompts that it draws, as a user would give them to a session."""

    def __init__(self):
        super().__init__(torch.Generator().manual_seed(3), STRIDE)
        self.said = []

    def first(self, kind, truth):
        points = super().first(kind, truth)
        if kind == "box":
            self.said.append(points)
        return points

    def click(self, logits, truth):
        points = super().click(logits, truth)
        self.said.append(points)
        return points

    def prompt(self, i, number):
        points, labels = (part[i].numpy() for part in self.said[number])
        if labels[0] in (2, 3):
            (x0, y0), (x1, y1) = points
            return BoxPrompt(y0, x0, y1, x1)
        return PointPrompt(points[:, ::-1], labels)


def last_answers(answers):
    """The last answer of each frame, by frame."""
    return {answer.frame: answer.chosen for answer in answers}


def run(network, clip, plan):
    prompter = Scribe()
    with torch.no_grad():
        answers = ClipRun(network, Batch.of([clip], STRIDE), plan, prompter).run()
    return last_answers(answers), prompter


def session(network, clip, monkeypatch):
    monkeypatch.setattr(inference_steps, "MEMORY_DTYPE", torch.float32)
    # without refinement of prompted masks, which training does not see
    return VideoSession(network, clip.images[:, 0], contrast=(0, 255), plain=True)


def check(found, prediction, i):
    logits = prediction.logits
    torch.testing.assert_close(found.logits[i], logits, rtol=1e-4, atol=2e-3)
    assert float(found.ious[i]) == pytest.approx(prediction.iou, abs=1e-4)
    assert float(found.object_scores[i]) == pytest.approx(prediction.object_score, abs=1e-3)


@pytest.mark.parametrize("kind", ["point", "box", "mask"])
def test_prompt_and_propagation_are_those_of_a_session(network, clip, kind, monkeypatch):
    clip = Clip(clip.images[:3], clip.labels[:3], clip.content, clip.object_ids)
    found, prompter = run(network, clip, PromptPlan(kind, (0,)))
    video = session(network, clip, monkeypatch)
    for i in range(2):
        mask = MaskPrompt(clip.labels[0] == i + 1)
        video.add_prompt(i + 1, 0, mask if kind == "mask" else prompter.prompt(i, 0))
    for result in video.propagate("forward"):
        for i, prediction in enumerate(result.predictions):
            if result.frame in found:  # a given mask is no answer
                check(found[result.frame], prediction, i)
    assert sorted(found) == ([1, 2] if kind == "mask" else [0, 1, 2])


def test_two_prompted_frames_and_a_correction_are_those_of_a_session(network, clip, monkeypatch):
    found, prompter = run(network, clip, PromptPlan("point", (0, 3), (0, 1), 2))
    # the prompter was asked for frames 0 (and its two corrections), 3 and then 1 (twice)
    video = session(network, clip, monkeypatch)
    for i in range(2):
        for number in (0, 1, 2):
            video.add_prompt(i + 1, 0, prompter.prompt(i, number))
        video.add_prompt(i + 1, 3, prompter.prompt(i, 3))
    list(video.propagate("forward", frames=(0, 2)))
    for i in range(2):
        for number in (4, 5):
            corrected = video.add_prompt(i + 1, 1, prompter.prompt(i, number))
        check(found[1], corrected, i)
    for result in video.propagate("forward", frames=(2, 4)):
        for i, prediction in enumerate(result.predictions):
            check(found[result.frame], prediction, i)


def test_all_weights_that_take_part_get_gradients(tiny, movie):
    rng = np.random.default_rng(0)
    labels = np.zeros((3, 64, 64), np.int32)
    labels[:, 10:30, 20:44] = 5
    images = rng.integers(0, 255, (3, 1, 64, 64)).astype(np.uint8)
    clip = Clip(images, labels, (64, 64), np.array([5], np.int32))
    prompter = Prompter(torch.Generator().manual_seed(0), STRIDE)
    run = ClipRun(tiny, Batch.of([clip], STRIDE), PromptPlan("point", (0,), (1,), 2), prompter)
    total = sum(a.decoded.logits.mean() + a.decoded.ious.mean() for a in run.run())
    total.backward()
    touched = {name.split(".")[0] for name, p in tiny.named_parameters() if p.grad is not None}
    assert touched >= {
        "image_encoder",
        "memory_attention",
        "memory_encoder",
        "sam_prompt_encoder",
        "sam_mask_decoder",
        "obj_ptr_proj",
        "maskmem_tpos_enc",
    }


def test_objects_of_several_clips_do_not_mix(tiny):
    rng = np.random.default_rng(1)
    clips = []
    for i in range(2):
        labels = np.zeros((2, 64, 64), np.int32)
        labels[:, 10 + 20 * i : 30 + 20 * i, 8:40] = 1
        images = rng.integers(0, 255, (2, 1, 64, 64)).astype(np.uint8)
        clips.append(Clip(images, labels, (64, 64), np.array([1], np.int32)))
    plan = PromptPlan("mask", (0,))
    prompter = Prompter(torch.Generator(), STRIDE)
    with torch.no_grad():
        together = ClipRun(tiny, Batch.of(clips, STRIDE), plan, prompter).run()
        for i, clip in enumerate(clips):
            alone = ClipRun(tiny, Batch.of([clip], STRIDE), plan, prompter).run()
            for both, one in zip(together, alone, strict=True):
                torch.testing.assert_close(
                    both.decoded.logits[i], one.decoded.logits[0], atol=1e-4, rtol=1e-4
                )
