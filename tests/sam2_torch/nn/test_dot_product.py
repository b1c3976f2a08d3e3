import pytest
import torch
import torch.nn.functional as F

from sam2_torch.nn import dot_product
from sam2_torch.nn.attention import RotaryAttention
from sam2_torch.nn.dot_product import attend, attend_in_tiles, is_worth_tiling
from sam2_torch.nn.position_encoding import rotary_table

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 8e-3}  # relative: 2 ** -8 is bfloat16's step


def relative_error(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n_keys", [1, 1024, 2500])
def test_tiles_give_what_attention_gives(monkeypatch, dtype, n_keys):
    monkeypatch.setattr(dot_product, "QUERIES", 128)
    monkeypatch.setattr(dot_product, "HALF_QUERIES", 128)
    query, key = torch.randn(2, 3, 300, 32), torch.randn(2, 3, n_keys, 32)
    value = torch.randn(2, 3, n_keys, 8)
    query, key, value = (x.to(dtype) for x in (query, key, value))
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = attend_in_tiles(query, key, value)
    assert found.dtype == dtype
    assert relative_error(found, expected) < TOLERANCE[dtype]


def test_large_logits_do_not_overflow():
    query, key = 100 * torch.randn(1, 1, 20, 16), 100 * torch.randn(1, 1, 3000, 16)
    value = torch.randn(1, 1, 3000, 16)
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    assert relative_error(attend_in_tiles(query, key, value), expected) < 1e-3


def test_tiles_are_for_many_keys_on_a_cpu_without_gradients():
    many, few = torch.zeros(1, 1, 2048, 4), torch.zeros(1, 1, 64, 4)
    with torch.enable_grad():
        assert not is_worth_tiling(many.bfloat16(), many.bfloat16())
    with torch.no_grad():
        assert is_worth_tiling(many.bfloat16(), many.bfloat16())
        assert not is_worth_tiling(few.bfloat16(), few.bfloat16())
        assert not is_worth_tiling(many, many)
        assert not is_worth_tiling(many.half(), many.half())
        assert is_worth_tiling(many, torch.zeros(1, 1, 20000, 4))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_projected_after_attending_give_the_same(monkeypatch, dtype):
    monkeypatch.setattr(dot_product, "WORTH_KEYS", {dtype: 1})
    attention = RotaryAttention(32, memory_width=8).eval()
    table = rotary_table(32, 4, torch.device("cpu"))
    query, keys = torch.randn(1, 16, 32), torch.randn(3, 35, 8)
    plain = attention(query, keys, keys, table, unplaced=3)
    attention, query, keys = attention.to(dtype), query.to(dtype), keys.to(dtype)
    with torch.no_grad():
        folded = attention(query, keys, keys, table, unplaced=3)
        assert relative_error(folded, plain.double()) < 3 * TOLERANCE[dtype]
        attention.v_proj.weight.mul_(2)
        changed = attention(query, keys, keys, table, unplaced=3)
    assert relative_error(changed, folded.double()) > 0.1  # new weights are taken up


def test_attend_takes_pytorchs_own_way_where_gradients_are_wanted():
    query = torch.randn(1, 1, 8, 4, requires_grad=True)
    key = torch.randn(1, 1, 20000, 4)
    with torch.enable_grad():
        attend(query, key, key).sum().backward()
    assert query.grad is not None


def test_bfloat16_with_gradients_gives_what_attention_gives_and_its_gradients():
    exact = [torch.randn(2, 3, n, 16, dtype=torch.float64) for n in (40, 300, 300)]
    exact = [x.requires_grad_() for x in exact]
    rounded = [x.detach().bfloat16().requires_grad_() for x in exact]
    with torch.enable_grad():
        expected, found = F.scaled_dot_product_attention(*exact), attend(*rounded)
        direction = torch.randn_like(expected)
        expected.backward(direction)
        found.backward(direction.bfloat16())
    assert relative_error(found, expected) < 2 * TOLERANCE[torch.bfloat16]
    for one, other in zip(rounded, exact, strict=True):
        assert relative_error(one.grad, other.grad) < 3 * TOLERANCE[torch.bfloat16]
