"""Hiera and the feature pyramid against Meta's."""

import pytest
import torch
from reference import SMALL, pair, random_tensor, relative_error

from sam2_torch.nn.image_encoder import join_windows, split_windows

pytest.importorskip("sam2")

IMAGE = random_tensor(2, 3, SMALL.image_size, SMALL.image_size)


def test_hiera_with_windows_that_need_padding() -> None:
    reference, ours = pair(SMALL)
    expected = reference.image_encoder.trunk(IMAGE)
    found = ours.image_encoder.trunk(IMAGE)
    assert [m.shape[-1] for m in found] == [64, 32, 16, 8]  # windows of 8, 4, 14 and 7
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) < 1e-5


@pytest.mark.parametrize("block", range(8))
def test_each_block_of_hiera(block: int) -> None:
    reference, ours = pair(SMALL)
    theirs = reference.image_encoder.trunk.blocks[block]
    one = ours.image_encoder.trunk.blocks[block]
    x = random_tensor(2, 24, 40, theirs.dim)  # not square, and a multiple of no window of 14
    assert relative_error(one(x), theirs(x)) < 1e-5


@pytest.mark.parametrize(("side", "height", "width"), [(7, 8, 9), (14, 16, 14), (4, 8, 12)])
def test_windows_are_cut_as_by_the_reference(side: int, height: int, width: int) -> None:
    from sam2.modeling.backbones.utils import window_partition, window_unpartition

    x = random_tensor(2, height, width, 3)
    expected, padded = window_partition(x, side)
    assert torch.equal(split_windows(x, side), expected)
    joined = window_unpartition(expected, side, padded, (height, width))
    assert torch.equal(join_windows(expected, 2, height, width), joined)


@pytest.mark.parametrize("side", [64, 32, 128])
def test_position_embedding_is_stretched_and_tiled(side: int) -> None:
    reference, ours = pair(SMALL)
    expected = reference.image_encoder.trunk._get_pos_embed((side, side))
    assert relative_error(ours.image_encoder.trunk.position_embedding(side, side), expected) < 1e-5


def test_feature_pyramid() -> None:
    reference, ours = pair(SMALL)
    widths = ours.image_encoder.trunk.widths
    maps = [random_tensor(1, w, 64 >> i, 64 >> i, seed=i) for i, w in enumerate(widths)]
    expected, _ = reference.image_encoder.neck(maps)
    for one, other in zip(ours.image_encoder.neck(maps), expected, strict=True):
        assert relative_error(one, other) < 1e-5


def test_encoded_image_with_the_decoders_skips() -> None:
    reference, ours = pair(SMALL)
    expected = reference.forward_image(IMAGE)["backbone_fpn"]
    embedding = ours.encode_image(IMAGE)
    for one, other in zip((*embedding.skips, embedding.features), expected, strict=True):
        assert relative_error(one, other) < 1e-5
