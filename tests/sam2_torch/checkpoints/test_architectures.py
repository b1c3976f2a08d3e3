import pytest
import torch

from sam2_torch import CELLS_NANO, RELEASED, SAM2
from sam2_torch.checkpoints.architectures import check_shapes, expected_shapes, recognise
from sam2_torch.checkpoints.checkpoint_files import CheckpointError
from sam2_torch.models.model_entry import NAMED_CONFIGS


@pytest.fixture(scope="module")
def state():
    with torch.device("meta"):
        return SAM2(CELLS_NANO).state_dict()


@pytest.mark.parametrize("name", ["sam2.1_hiera_large", "sam2_hiera_tiny", "edgetam", "cells_nano"])
def test_networks_are_recognised_by_their_shapes(name):
    shapes = expected_shapes(NAMED_CONFIGS[name])
    found = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert recognise(found, "file.pt") == NAMED_CONFIGS[name]


def test_other_shape_is_told_by_the_nearest_network(state):
    state = {**state, "no_mem_embed": torch.empty(1, 1, 99)}
    with pytest.raises(
        CheckpointError,
        match=r"^wide\.pt: the nearest network is cells_nano, where no_mem_embed is expected to "
        r"be \(1, 1, 128\), found \(1, 1, 99\); use",
    ):
        recognise(state, "wide.pt")


def test_missing_and_additional_tensors_are_told(state):
    images_only = {name: t for name, t in state.items() if not name.startswith("memory_")}
    with pytest.raises(CheckpointError, match=r"memory_attention\S+ .* found no such tensor \("):
        recognise(images_only, "images.pt")
    with pytest.raises(CheckpointError, match=r"adapter is expected to be no such tensor, found"):
        recognise({**state, "adapter": torch.empty(3)}, "adapted.pt")


def without(state, *beginnings):
    return {name: tensor for name, tensor in state.items() if not name.startswith(beginnings)}


def with_adapter(state):
    return {**state, "image_encoder.trunk.blocks.1.attn.qkv.w_a_linear_q.weight": torch.ones(4, 48)}


def sam_1(state):
    names = ("image_encoder.patch_embed.proj.weight", "image_encoder.pos_embed")
    return {name: torch.ones(1) for name in names}


def with_a_plain_vit(state):
    hiera = ("image_encoder.trunk.pos_embed_window", "image_encoder.trunk.blocks.4.")
    return without(state, *hiera)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (with_adapter, r"low-rank adapters \(image_encoder\.\S+w_a_linear_q\.weight\): merge them"),
        (sam_1, "it is a SAM 1 network"),
        (with_a_plain_vit, "image encoder is no Hiera"),
        (lambda state: without(state, "sam_", "memory_"), "without SAM 2's mask decoder"),
        (lambda state: without(state, "memory_"), "for images alone, without a memory"),
    ],
)
def test_what_is_nearly_ours_is_explained(state, change, sentence):
    with pytest.raises(
        CheckpointError, match=rf"where .* is expected to be .*found .*; .*{sentence}"
    ):
        recognise(change(state), "near.pt")


def test_what_is_no_sam2_at_all_is_told():
    with pytest.raises(CheckpointError, match=r"found no such tensor \(\d+ other tensors differ"):
        recognise({"conv1.weight": torch.empty(64, 3, 7, 7)}, "resnet.pt")


def test_told_architecture_is_checked(state):
    check_shapes(state, CELLS_NANO, "nano.pt")
    with pytest.raises(
        CheckpointError, match=r"^nano\.pt is said to be sam2\.1_hiera_tiny, where \S+ is expected"
    ):
        check_shapes(state, RELEASED["sam2.1_hiera_tiny"], "nano.pt")
