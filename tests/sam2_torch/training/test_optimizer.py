"""Which weights learn, how fast, and what is saved of them."""

import pytest
import torch

from sam2_torch.training.optimizer import (
    RunningAverage,
    choose_trained,
    learning,
    merged_state,
    parameter_groups,
)


def test_the_decoder_is_all_but_the_encoder(tiny):
    choose_trained(tiny, "decoder")
    assert not any(name.startswith("image_encoder") for name in learning(tiny))
    frozen = set(dict(tiny.named_parameters())) - set(learning(tiny))
    assert all(name.startswith("image_encoder") for name in frozen)


def test_adapters_are_few_change_nothing_at_first_and_are_merged(tiny):
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    image = torch.randn(1, 3, 64, 64)
    expected = tiny.encode_image(image).features
    choose_trained(tiny, "adapters")
    assert sum(p.numel() for p in learning(tiny).values()) < 0.15 * sum(
        t.numel() for t in before.values()
    )
    torch.testing.assert_close(tiny.encode_image(image).features, expected)
    merged = merged_state(tiny)
    assert merged.keys() == before.keys()
    with torch.no_grad():
        for parameter in learning(tiny).values():
            parameter.add_(0.1)
    adapted = tiny.encode_image(image).features
    assert not torch.allclose(adapted, expected)
    from sam2_torch import SAM2

    plain = SAM2(tiny.config)
    plain.load_state_dict(merged_state(tiny))
    torch.testing.assert_close(plain.encode_image(image).features, adapted)


def test_earlier_blocks_learn_more_slowly_and_norms_do_not_decay(tiny):
    choose_trained(tiny, "everything")
    groups = parameter_groups(tiny, layer_decay=0.5, encoder_scale=0.8, weight_decay=0.1)
    scale = {id(p): g["scale"] for g in groups for p in g["params"]}
    decay = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert len(scale) == len(list(tiny.parameters()))
    blocks = tiny.image_encoder.trunk.blocks
    assert [scale[id(b.norm1.weight)] for b in blocks] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert scale[id(tiny.image_encoder.trunk.patch_embed.proj.weight)] == pytest.approx(0.05)
    assert scale[id(tiny.memory_attention.norm.weight)] == 1
    assert decay[id(blocks[0].norm1.weight)] == 0
    assert decay[id(blocks[0].attn.qkv.weight)] == 0.1
    assert decay[id(tiny.maskmem_tpos_enc)] == 0.1


def test_the_average_follows_and_can_take_the_place_of_the_weights(tiny):
    choose_trained(tiny, "decoder")
    average = RunningAverage(tiny, 0.9)
    parameter = tiny.no_mem_embed
    start = parameter.detach().clone()
    with torch.no_grad():
        parameter.add_(1)
    average.update(10_000)
    torch.testing.assert_close(average.values["no_mem_embed"], start + 0.1)
    with average.in_place():
        torch.testing.assert_close(parameter.detach(), start + 0.1)
    torch.testing.assert_close(parameter.detach(), start + 1)
    average.update(1)  # early on it follows quickly: 2 / 11 of the old stays
    torch.testing.assert_close(average.values["no_mem_embed"], start + 1 - 0.9 * 2 / 11)


def test_a_blend_lies_on_the_way_between_two_sets_of_weights(tiny):
    average = RunningAverage(tiny, 0.9)
    begun = average.values
    average.values = {name: tensor + 1 for name, tensor in begun.items()}
    average.blend(begun, 0.25)
    for name, tensor in begun.items():
        torch.testing.assert_close(average.values[name], tensor + 0.25)
