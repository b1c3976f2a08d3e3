import pytest
import torch

from sam2_torch.nn.attention import Attention, RotaryAttention, project_turned
from sam2_torch.nn.position_encoding import rotary_table

SIZE, WIDTH, MEMORY_WIDTH = 4, 16, 8
PLACES = SIZE * SIZE


@pytest.fixture
def table():
    return rotary_table(WIDTH, SIZE, torch.device("cpu"))


def test_keys_in_any_order_give_the_same_answer():
    attention = Attention(WIDTH, heads=4, downsample=2).eval()
    query, memory = torch.randn(2, 3, WIDTH), torch.randn(2, 7, WIDTH)
    order = torch.randperm(7)
    found = attention(query, memory[:, order], memory[:, order])
    torch.testing.assert_close(found, attention(query, memory, memory))


def test_places_count_and_pointers_have_none(table):
    attention = RotaryAttention(WIDTH, MEMORY_WIDTH).eval()
    query = torch.randn(1, PLACES, WIDTH)
    keys = torch.randn(1, 2 * PLACES + 3, MEMORY_WIDTH)
    answer = attention(query, keys, keys, table, unplaced=3)

    pointers_moved = torch.cat((keys[:, :-3], keys[:, -3:].flip(1)), dim=1)
    same = attention(query, pointers_moved, pointers_moved, table, unplaced=3)
    torch.testing.assert_close(same, answer)

    places_moved = torch.cat((keys[:, :-3].flip(1), keys[:, -3:]), dim=1)
    other = attention(query, places_moved, places_moved, table, unplaced=3)
    assert (other - answer).abs().max() > 1e-3


def test_maps_of_a_sequence_are_turned_alike(table):
    attention = RotaryAttention(WIDTH, MEMORY_WIDTH).eval()
    query = torch.randn(1, PLACES, WIDTH)
    first, second = torch.randn(2, 1, PLACES, MEMORY_WIDTH)
    one, other = torch.cat((first, second), dim=1), torch.cat((second, first), dim=1)
    torch.testing.assert_close(
        attention(query, one, one, table), attention(query, other, other, table)
    )


def test_one_frame_is_asked_by_several_objects(table):
    attention = RotaryAttention(WIDTH, MEMORY_WIDTH).eval()
    query, keys = torch.randn(1, PLACES, WIDTH), torch.randn(3, PLACES, MEMORY_WIDTH)
    together = attention(query, keys, keys, table)
    alone = [attention(query, one[None], one[None], table) for one in keys]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_turning_in_half_precision_is_turning_rounded(table, dtype):
    projection = torch.nn.Linear(WIDTH, WIDTH)
    x = torch.randn(2, 2 * PLACES, WIDTH)
    expected = project_turned(projection, x, table, 2 * PLACES)
    found = project_turned(projection.to(dtype), x.to(dtype), table, 2 * PLACES)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.05)
