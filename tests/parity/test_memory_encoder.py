"""The memory encoder against Meta's, from its parts to the no-object embedding."""

import pytest
import torch
from reference import SMALL, SMALL_2_0, pair, random_tensor, relative_error
from torch import Tensor

from sam2_torch import SAM2Config

pytest.importorskip("sam2")

FEATURES = random_tensor(1, SMALL.d_model, 16, 16)
LOGITS = 4 * random_tensor(2, 64, 64, seed=1)


def test_mask_down_sampler() -> None:
    reference, ours = pair(SMALL)
    masks = 10 * random_tensor(2, 1, 256, 256)
    expected = reference.memory_encoder.mask_downsampler(masks)
    assert relative_error(ours.memory_encoder.mask_downsampler(masks), expected) < 1e-5


def test_fuser() -> None:
    reference, ours = pair(SMALL)
    x = random_tensor(2, SMALL.d_model, 16, 12)
    assert relative_error(ours.memory_encoder.fuser(x), reference.memory_encoder.fuser(x)) < 1e-5


def test_memory_encoder() -> None:
    reference, ours = pair(SMALL)
    masks = 10 * random_tensor(2, 1, 256, 256)
    features = FEATURES.expand(2, -1, -1, -1)
    expected = reference.memory_encoder(features, masks, skip_mask_sigmoid=True)["vision_features"]
    assert relative_error(ours.memory_encoder(FEATURES, masks), expected) < 1e-5


def encode_with_reference(config: SAM2Config, scores: Tensor, binarize: bool) -> Tensor:
    reference, _ = pair(config)
    features = FEATURES.expand(2, -1, -1, -1).flatten(2).permute(2, 0, 1)
    masks = torch.nn.functional.interpolate(LOGITS[:, None], size=(256, 256), mode="bilinear")
    memory, _ = reference._encode_new_memory([features], [(16, 16)], masks, scores, binarize)
    return memory


@pytest.mark.parametrize("config", [SMALL, SMALL_2_0], ids=["2.1", "2.0"])
@pytest.mark.parametrize("binarize", [True, False])
@pytest.mark.parametrize("scores", [(3.0, 0.5), (-3.0, -0.5), (-3.0, 3.0), (0.0, 1.0)])
def test_memories_of_objects_that_are_there_or_not(
    config: SAM2Config, binarize: bool, scores: tuple[float, float]
) -> None:
    _, ours = pair(config)
    object_scores = torch.tensor(scores)
    expected = encode_with_reference(config, object_scores[:, None], binarize)
    found = ours.encode_memory(FEATURES, LOGITS, object_scores, binarize)
    assert relative_error(found, expected) < 1e-5


def test_only_2_1_marks_absent_objects() -> None:
    for config, differs in ((SMALL, True), (SMALL_2_0, False)):
        _, ours = pair(config)
        there = ours.encode_memory(FEATURES, LOGITS, torch.tensor([1.0, 1.0]), binarize=False)
        absent = ours.encode_memory(FEATURES, LOGITS, torch.tensor([1.0, -1.0]), binarize=False)
        assert torch.equal(there[0], absent[0])
        assert torch.equal(there[1], absent[1]) != differs
