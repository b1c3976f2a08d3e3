"""Our networks are Meta's, told by the names, shapes and sizes of their parts."""

import pytest
import torch
from reference import build_released

from sam2_torch import RELEASED, SAM2

pytest.importorskip("sam2")


def build_weightless(name: str) -> SAM2:
    with torch.device("meta"):
        return SAM2(RELEASED[name])


@pytest.mark.parametrize("name", RELEASED)
def test_names_and_shapes_are_the_references(name: str) -> None:
    expected, found = build_released(name).state_dict(), build_weightless(name).state_dict()
    assert {k: tuple(v.shape) for k, v in found.items()} == {
        k: tuple(v.shape) for k, v in expected.items()
    }


@pytest.mark.parametrize("name", RELEASED)
def test_a_state_dict_of_the_reference_loads_strictly(name: str) -> None:
    state = build_released(name).state_dict()
    left = build_weightless(name).load_state_dict(state, strict=True, assign=True)
    assert left.missing_keys == left.unexpected_keys == []


@pytest.mark.parametrize("name", RELEASED)
def test_sizes_that_no_weight_shows_are_the_references(name: str) -> None:
    reference, ours = build_released(name), build_weightless(name)
    blocks = reference.image_encoder.trunk.blocks
    assert [
        (block.window, block.attn.heads, block.pool_queries)
        for block in ours.image_encoder.trunk.blocks
    ] == [(block.window_size, block.attn.num_heads, block.pool is not None) for block in blocks]
    assert ours.image_encoder.trunk.stage_ends == reference.image_encoder.trunk.stage_ends
    assert ours.config.image_size == reference.image_size
    size = ours.memory_attention.embedding_size
    for layer in reference.memory_attention.layers:
        for attention in (layer.self_attn, layer.cross_attn_image):
            assert attention.freqs_cis.shape[0] == size**2
            assert attention.num_heads == 1
