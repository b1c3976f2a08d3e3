"""Sine, random-frequency and rotary encodings against Meta's."""

import pytest
import torch
from reference import SMALL, pair, random_tensor, relative_error

from sam2_torch.nn.attention import project_turned
from sam2_torch.nn.position_encoding import rotary_table, sine_encoding_1d, sine_encoding_2d

pytest.importorskip("sam2")


@pytest.mark.parametrize(("channels", "size"), [(64, 16), (128, 16), (256, 64), (64, 5)])
def test_sine_encoding_of_a_map(channels: int, size: int) -> None:
    from sam2.modeling.position_encoding import PositionEmbeddingSine

    encode = PositionEmbeddingSine(channels, normalize=True, warmup_cache=False)
    expected = encode(torch.zeros(1, channels, size, size))[0]
    assert relative_error(sine_encoding_2d(channels, size), expected) < 1e-5


def test_positions_of_features_and_memories() -> None:
    reference, ours = pair(SMALL)
    size = SMALL.embedding_size
    features = torch.zeros(1, SMALL.d_model, size, size)
    memory = torch.zeros(1, SMALL.memory_dim, size, size)
    expected = reference.image_encoder.neck.position_encoding(features)
    assert relative_error(ours.features_position, expected.flatten(2).mT) < 1e-5
    expected = reference.memory_encoder.position_encoding(memory)
    assert relative_error(ours.memory_position, expected.flatten(2).mT) < 1e-5


@pytest.mark.parametrize("channels", [64, 128, 256])
def test_sine_encoding_of_ages(channels: int) -> None:
    from sam2.modeling.sam2_utils import get_1d_sine_pe

    ages = torch.tensor([-7.0, -1.0, 0.0, 1.0, 3.0, 15.0]) / 15
    expected = get_1d_sine_pe(ages, channels)
    assert relative_error(sine_encoding_1d(ages, channels), expected) < 1e-5


def test_random_frequencies_of_points_and_of_the_grid() -> None:
    reference, ours = pair(SMALL)
    theirs, one = reference.sam_prompt_encoder.pe_layer, ours.sam_prompt_encoder.pe_layer
    points = 300 * random_tensor(2, 5, 2)  # some of them outside of the image
    expected = theirs.forward_with_coords(points, (256, 256))
    assert relative_error(one(points / 256), expected) < 1e-5
    assert relative_error(one.grid(16), theirs((16, 16))) < 1e-5
    expected = reference.sam_prompt_encoder.get_dense_pe()
    assert relative_error(ours.sam_prompt_encoder.grid_encoding(), expected) < 1e-5


@pytest.mark.parametrize("size", [4, 16, 8])
def test_grid_of_any_size(size: int) -> None:
    reference, ours = pair(SMALL)
    expected = reference.sam_prompt_encoder.pe_layer((size, size))
    assert relative_error(ours.sam_prompt_encoder.pe_layer.grid(size), expected) < 1e-5


@pytest.mark.parametrize(("channels", "size", "maps"), [(128, 16, 1), (256, 8, 3)])
def test_rotary_encoding(channels: int, size: int, maps: int) -> None:
    from sam2.modeling.position_encoding import apply_rotary_enc, compute_axial_cis

    query = random_tensor(2, 1, size * size, channels)
    key = random_tensor(2, 1, maps * size * size, channels, seed=1)
    turns = compute_axial_cis(channels, size, size)
    found = rotary_table(channels, size, torch.device("cpu"))
    assert torch.allclose(found, turns, rtol=0, atol=1e-6)
    _, expected = apply_rotary_enc(query, key, turns, repeat_freqs_k=True)
    turned = project_turned(torch.nn.Identity(), key[:, 0].clone(), found, key.shape[2])
    assert relative_error(turned, expected[:, 0]) < 1e-5
