"""The instance decoder: shapes for any network, and what it depends on."""

import pytest
import torch
from tiny_network import TINY

from sam2_torch import SAM2
from sam2_torch.automatic.instance_decoder import InstanceDecoder


@pytest.mark.parametrize("d_model", [64, 256])
def test_maps_have_half_the_size_of_the_input(d_model: int) -> None:
    decoder = InstanceDecoder(d_model)
    features = torch.randn(2, d_model, 4, 4)
    skips = torch.randn(2, d_model // 8, 16, 16), torch.randn(2, d_model // 4, 8, 8)
    assert decoder(features, skips).shape == (2, 3, 32, 32)
    assert sum(parameter.numel() for parameter in decoder.parameters()) < 1_000_000


def test_it_takes_the_embedding_of_a_network_and_learns_from_all_of_its_strides() -> None:
    torch.manual_seed(0)
    embedding = SAM2(TINY).encode_image(torch.randn(1, 3, 64, 64)).map(lambda t: t.detach())
    features, skips = embedding.features.requires_grad_(), embedding.skips
    for skip in skips:
        skip.requires_grad_()
    with torch.enable_grad():
        logits = InstanceDecoder(TINY.d_model)(features, skips)
        logits.square().sum().backward()
    assert logits.shape == (1, 3, 32, 32)
    for maps in (features, *skips):
        assert maps.grad is not None and maps.grad.abs().sum() > 0
