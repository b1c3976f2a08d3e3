import pytest
import torch

from sam2_torch.nn import bands
from sam2_torch.nn.bands import in_bands


@pytest.mark.parametrize(("row_bytes", "step", "heights"), [(4, 1, [2] * 4 + [1]), (4, 3, [3] * 3)])
def test_bands_are_multiples_of_the_step(monkeypatch, row_bytes, step, heights):
    monkeypatch.setattr(bands, "BAND_BYTES", 11)
    seen = []

    def double(x):
        seen.append(x.shape[1])
        return 2 * x

    x = torch.randn(2, 9, 3)
    with torch.no_grad():
        assert torch.equal(in_bands(double, x, 1, row_bytes, step), 2 * x)
    assert seen == heights


def test_with_gradients_everything_is_done_at_once(monkeypatch):
    monkeypatch.setattr(bands, "BAND_BYTES", 1)
    seen = []
    with torch.enable_grad():
        in_bands(lambda x: seen.append(len(x)) or x, torch.ones(5), 0, 1)
    assert seen == [5]
