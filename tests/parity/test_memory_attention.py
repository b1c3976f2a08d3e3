"""RoPE attention and memory attention against Meta's, with pointers that have no place."""

import pytest
import torch
from reference import SMALL, pair, random_tensor, relative_error

from sam2_torch.nn.position_encoding import rotary_table

pytest.importorskip("sam2")

PLACES = SMALL.embedding_size**2
FEATURES = random_tensor(2, PLACES, SMALL.d_model)
TABLE = rotary_table(SMALL.d_model, SMALL.embedding_size, torch.device("cpu"))


def test_self_attention() -> None:
    reference, ours = pair(SMALL)
    theirs, one = reference.memory_attention.layers[0], ours.memory_attention.layers[0]
    expected = theirs.self_attn(FEATURES, FEATURES, FEATURES)
    found = one.self_attn(FEATURES, FEATURES, FEATURES, TABLE)
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize(("maps", "pointers"), [(1, 0), (3, 8), (0, 4)])
def test_cross_attention(maps: int, pointers: int) -> None:
    reference, ours = pair(SMALL)
    theirs, one = reference.memory_attention.layers[1], ours.memory_attention.layers[1]
    keys = random_tensor(2, maps * PLACES + pointers, SMALL.memory_dim, seed=1)
    values = random_tensor(2, maps * PLACES + pointers, SMALL.memory_dim, seed=2)
    expected = theirs.cross_attn_image(FEATURES, keys, values, num_k_exclude_rope=pointers)
    found = one.cross_attn_image(FEATURES, keys, values, TABLE, pointers)
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize(("maps", "pointers"), [(1, 0), (7, 32)])
def test_memory_attention(maps: int, pointers: int) -> None:
    reference, ours = pair(SMALL)
    length = maps * PLACES + pointers
    position = random_tensor(1, PLACES, SMALL.d_model, seed=3)
    memory = random_tensor(2, length, SMALL.memory_dim, seed=4)
    memory_position = random_tensor(2, length, SMALL.memory_dim, seed=5)
    expected = reference.memory_attention(
        curr=FEATURES.transpose(0, 1),
        curr_pos=position.expand_as(FEATURES).transpose(0, 1),
        memory=memory.transpose(0, 1),
        memory_pos=memory_position.transpose(0, 1),
        num_obj_ptr_tokens=pointers,
    ).transpose(0, 1)
    found = ours.memory_attention(FEATURES, position, memory, memory_position, pointers)
    assert relative_error(found, expected) < 1e-5


def test_features_of_one_frame_serve_several_objects() -> None:
    reference, ours = pair(SMALL)
    length = 2 * PLACES + 6
    features, position = FEATURES[:1], random_tensor(1, PLACES, SMALL.d_model, seed=3)
    memory = random_tensor(3, length, SMALL.memory_dim, seed=4)
    memory_position = random_tensor(1, length, SMALL.memory_dim, seed=5)
    expected = reference.memory_attention(
        curr=features.transpose(0, 1).expand(-1, 3, -1),
        curr_pos=position.transpose(0, 1).expand(-1, 3, -1),
        memory=memory.transpose(0, 1),
        memory_pos=memory_position.transpose(0, 1).expand(-1, 3, -1),
        num_obj_ptr_tokens=6,
    ).transpose(0, 1)
    found = ours.memory_attention(features, position, memory, memory_position, 6)
    assert relative_error(found, expected) < 1e-5
