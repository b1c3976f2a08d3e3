"""That names and outputs are those of `transformers` is shown in `tests/parity`."""

import pytest
import torch

from sam2_torch import SAM2
from sam2_torch.checkpoints.transformers_names import is_transformers, to_meta, to_transformers
from sam2_torch.models.model_entry import NAMED_CONFIGS


@pytest.mark.parametrize("name", ["sam2.1_hiera_base_plus", "sam2_hiera_tiny", "cells_nano"])
def test_there_and_back_is_where_it_was(name):
    with torch.device("meta"):
        state = SAM2(NAMED_CONFIGS[name]).state_dict()
    state = {key: torch.full((), i).expand(t.shape) for i, (key, t) in enumerate(state.items())}
    theirs = to_transformers(state)
    assert is_transformers(theirs) and not is_transformers(state)
    back = to_meta(theirs)
    assert back.keys() == state.keys()
    assert all(back[key].flatten()[0] == tensor.flatten()[0] for key, tensor in state.items())
    assert all(back[key].shape == tensor.shape for key, tensor in state.items())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("no_mem_embed", "no_memory_embedding"),
        ("image_encoder.trunk.blocks.3.norm2.weight",
         "vision_encoder.backbone.blocks.3.layer_norm2.weight"),
        ("image_encoder.neck.convs.0.conv.bias", "vision_encoder.neck.convs.0.bias"),
        ("sam_mask_decoder.output_hypernetworks_mlps.2.layers.1.bias",
         "mask_decoder.output_hypernetworks_mlps.2.layers.0.bias"),
        ("sam_mask_decoder.output_upscaling.3.weight", "mask_decoder.upscale_conv2.weight"),
        ("memory_attention.layers.1.cross_attn_image.out_proj.weight",
         "memory_attention.layers.1.cross_attn_image.o_proj.weight"),
        ("memory_encoder.mask_downsampler.encoder.10.weight",
         "memory_encoder.mask_downsampler.layers.3.layer_norm.weight"),
        ("memory_encoder.fuser.layers.0.gamma", "memory_encoder.memory_fuser.layers.0.scale"),
    ],
)  # fmt: skip
def test_examples(ours, theirs):
    assert list(to_meta({theirs: torch.ones(1)})) == [ours]


def test_unknown_names_stay_for_a_later_check_to_tell():
    assert list(to_meta({"vision_encoder.adapter": torch.ones(1)})) == ["vision_encoder.adapter"]
