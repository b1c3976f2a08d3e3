"""The mask decoder against Meta's, on both sides of its stability gate."""

import pytest
import torch
from reference import SMALL, changed, pair, random_tensor, relative_error
from torch import Tensor

from sam2_torch.nn.mask_decoder import DecodedMasks, _most_stable, stability

pytest.importorskip("sam2")

WIDTH, SIDE, PROMPTS = SMALL.d_model, SMALL.embedding_size, 3
PIXELS = random_tensor(PROMPTS, WIDTH, SIDE, SIDE)
TOKENS = random_tensor(PROMPTS, 4, WIDTH, seed=1)
SKIPS = (
    random_tensor(PROMPTS, WIDTH // 8, 4 * SIDE, 4 * SIDE, seed=2),
    random_tensor(PROMPTS, WIDTH // 4, 2 * SIDE, 2 * SIDE, seed=3),
)
LAST_LAYERS = [
    f"sam_mask_decoder.output_hypernetworks_mlps.0.layers.2.{part}" for part in ("weight", "bias")
]


def decode_both(multimask: bool) -> tuple[DecodedMasks, tuple[Tensor, ...]]:
    reference, ours = pair(SMALL)
    grid = ours.sam_prompt_encoder.grid_encoding()
    expected = reference.sam_mask_decoder(
        image_embeddings=PIXELS,
        image_pe=grid,
        sparse_prompt_embeddings=TOKENS,
        dense_prompt_embeddings=torch.zeros_like(PIXELS),
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=list(SKIPS),
    )
    return ours.sam_mask_decoder(PIXELS, grid, TOKENS, SKIPS, multimask), expected


def test_two_way_transformer() -> None:
    reference, ours = pair(SMALL)
    grid = random_tensor(1, WIDTH, SIDE, SIDE, seed=4)
    expected = reference.sam_mask_decoder.transformer(
        PIXELS, grid.expand(PROMPTS, -1, -1, -1), TOKENS
    )
    found = ours.sam_mask_decoder.transformer(PIXELS.flatten(2).mT, grid.flatten(2).mT, TOKENS)
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) < 1e-5


def test_three_candidates() -> None:
    found, expected = decode_both(multimask=True)
    assert found.logits.shape[1] == 3
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) < 1e-5


@pytest.mark.parametrize(("scale", "stable"), [(1e4, [True] * 3), (1e-3, [False] * 3)])
def test_both_sides_of_the_stability_gate(scale: float, stable: list[bool]) -> None:
    networks = pair(SMALL)
    with (
        changed(networks, LAST_LAYERS[0], lambda values: values * scale),
        changed(networks, LAST_LAYERS[1], lambda values: values * scale),
    ):
        found, expected = decode_both(multimask=False)
        three, _ = decode_both(multimask=True)
    assert found.logits.shape[1] == 1
    best = three.logits[torch.arange(PROMPTS), three.ious.argmax(dim=1)]
    fell_back = [torch.equal(a, b) for a, b in zip(found.logits[:, 0], best, strict=True)]
    assert fell_back == [not one for one in stable]
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) < 1e-5


def test_each_object_passes_the_gate_on_its_own() -> None:
    reference, _ = pair(SMALL)
    single = 100 * random_tensor(PROMPTS, 1, 64, 64).sign()
    single[1] = random_tensor(1, 64, 64) / 100
    logits = torch.cat((single, random_tensor(PROMPTS, 3, 64, 64, seed=1)), dim=1)
    ious = random_tensor(PROMPTS, 4, seed=2).sigmoid()
    expected = reference.sam_mask_decoder._dynamic_multimask_via_stability(logits, ious)
    chosen = [int((logits[i] == expected[0][i]).all(-1).all(-1).nonzero()) for i in range(PROMPTS)]
    assert chosen[0] == chosen[2] == 0 != chosen[1]
    found = _most_stable(logits, ious)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("offset", [-100.0, -0.05, 0.0, 0.03, 100.0])
def test_stability(offset: float) -> None:
    reference, _ = pair(SMALL)
    logits = random_tensor(2, 4, 64, 64) + offset
    expected = reference.sam_mask_decoder._get_stability_scores(logits)
    assert torch.equal(stability(logits), expected)
