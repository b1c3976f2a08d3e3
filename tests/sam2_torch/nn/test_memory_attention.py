import pytest
import torch

from sam2_torch.nn.memory_attention import MemoryAttention


@pytest.fixture
def network(config):
    return MemoryAttention(config).eval()


@pytest.fixture
def memory(config):
    """Two memories and 3 pointers of 2 objects, and where they are."""
    length = 2 * config.embedding_size**2 + 3
    return torch.randn(2, length, config.memory_dim), torch.randn(1, length, config.memory_dim)


def test_objects_share_a_frame_and_do_not_mix(config, network, memory):
    places = config.embedding_size**2
    features, position = torch.randn(2, 1, places, config.d_model)
    together = network(features, position, *memory, pointer_tokens=3)
    assert together.shape == (2, places, config.d_model)
    for i in range(2):
        alone = network(features, position, memory[0][i : i + 1], memory[1], pointer_tokens=3)
        torch.testing.assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)


def test_order_of_memories_does_not_count(config, network, memory):
    places = config.embedding_size**2
    features, position = torch.randn(2, 1, places, config.d_model)
    order = [*range(places, 2 * places), *range(places), *range(2 * places, 2 * places + 3)]
    expected = network(features, position, *memory, pointer_tokens=3)
    swapped = [part[:, order] for part in memory]
    found = network(features, position, *swapped, pointer_tokens=3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
