import pytest
import torch
from torch import nn

from sam2_torch.nn import bands
from sam2_torch.nn.image_encoder import (
    FeaturePyramid,
    Hiera,
    ImageEncoder,
    join_windows,
    pool,
    split_windows,
)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(8, 8, 4), (9, 7, 4), (3, 10, 5), (4, 4, 14)]
)
def test_windows_come_together_again(height, width, side):
    x = torch.randn(2, height, width, 3)
    windows = split_windows(x, side)
    assert windows.shape[1:] == (side, side, 3)
    assert torch.equal(join_windows(windows, 2, height, width), x)


def test_windows_are_cut_in_rows_and_padded_at_the_end():
    x = torch.arange(1, 16).reshape(1, 3, 5, 1)
    first, second, *_ = split_windows(x, 2)[..., 0].tolist()
    assert first == [[1, 2], [6, 7]]
    assert second == [[3, 4], [8, 9]]
    assert split_windows(x, 2)[-1, ..., 0].tolist() == [[15, 0], [0, 0]]


def test_pooling_takes_the_largest_of_four():
    x = torch.arange(16).reshape(1, 4, 4, 1).float()
    assert pool(x)[..., 0].tolist() == [[[5, 7], [13, 15]]]


def test_maps_of_all_strides(config):
    hiera = Hiera(config).eval()
    maps = hiera(torch.randn(2, 3, 64, 64))
    assert [tuple(m.shape) for m in maps] == [
        (2, 16, 16, 16),
        (2, 32, 8, 8),
        (2, 64, 4, 4),
        (2, 128, 2, 2),
    ]


def test_images_of_a_batch_do_not_mix(config):
    encoder = ImageEncoder(config).eval()
    images, skips = torch.randn(2, 3, 64, 64), fine_convolutions(config)
    together = encoder(images, skips)
    one_by_one = [encoder(images[i : i + 1], skips) for i in range(2)]
    for maps in zip(together, *one_by_one, strict=True):
        torch.testing.assert_close(maps[0], torch.cat(maps[1:]))


def fine_convolutions(config):
    return nn.Conv2d(config.d_model, 4, 1), nn.Conv2d(config.d_model, 8, 1)


def test_fine_maps_are_projected_once_as_they_would_be_twice(config):
    encoder, skips = ImageEncoder(config).eval(), fine_convolutions(config)
    images = torch.randn(1, 3, 64, 64)
    maps = encoder.neck(encoder.trunk(images))
    with torch.no_grad():
        for _ in range(2):  # the second time with weights that have changed
            found = encoder(images, skips)
            maps = encoder.neck(encoder.trunk(images))
            for i, conv in enumerate(skips):
                torch.testing.assert_close(found[i], conv(maps[i]))
            assert torch.equal(found.stride16, maps[2])
            skips[0].bias.add_(1)
            encoder.neck.convs[-2].conv.weight.mul_(2)


@pytest.mark.parametrize("band_bytes", [1, 5000])
def test_bands_give_what_the_whole_gives(config, monkeypatch, band_bytes):
    hiera, images = Hiera(config).eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = hiera(images)
        monkeypatch.setattr(bands, "BAND_BYTES", band_bytes)
        for found, whole in zip(hiera(images), expected, strict=True):
            torch.testing.assert_close(found, whole)


def test_coarsest_level_reaches_the_one_above_it_and_no_further():
    pyramid = FeaturePyramid([8, 8, 8, 8], 16)
    maps = [torch.randn(1, 8, 16 >> level, 16 >> level) for level in range(4)]
    before = pyramid(maps)
    maps[3] = maps[3] + 1
    changed = [not torch.equal(a, b) for a, b in zip(before, pyramid(maps), strict=True)]
    assert changed == [False, False, True, True]


@pytest.mark.parametrize("name", ["pos_embed", "pos_embed_window"])
def test_position_embedding_follows_its_parameters(config, name):
    hiera = Hiera(config).eval().requires_grad_(False)
    before = hiera.position_embedding(16, 16).clone()
    hiera.get_parameter(name).add_(1)
    torch.testing.assert_close(hiera.position_embedding(16, 16), before + 1)


def test_window_embedding_repeats(config):
    hiera = Hiera(config).eval()
    hiera.pos_embed_window.normal_()
    found = hiera.position_embedding(16, 24)
    assert found.shape == (1, 16, 24, 16)
    torch.testing.assert_close(found[:, :8, :8], found[:, 8:, 16:])
