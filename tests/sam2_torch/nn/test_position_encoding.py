import torch

from sam2_torch.nn.position_encoding import (
    CachedTensor,
    RandomFrequencies,
    rotary_table,
    sine_encoding_1d,
    sine_encoding_2d,
)


def test_rows_come_first_and_columns_second():
    encoding = sine_encoding_2d(8, 5)
    assert encoding.shape == (8, 5, 5)
    assert (encoding[:4] == encoding[:4, :, :1]).all()
    assert (encoding[4:] == encoding[4:, :1]).all()
    assert torch.equal(encoding[:4, :, 0], encoding[4:, 0])


def test_age_0_and_its_opposites():
    found = sine_encoding_1d(torch.tensor([0.0, 0.5, -0.5]), 8)
    assert found[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    torch.testing.assert_close(found[1, :4], -found[2, :4])
    torch.testing.assert_close(found[1, 4:], found[2, 4:])


def test_grid_is_made_of_pixel_centres():
    encode = RandomFrequencies(16)
    for size in (4, 6, 4):
        grid = encode.grid(size)
        centre = torch.tensor([(1 + 0.5) / size, (3 + 0.5) / size])  # x, y
        torch.testing.assert_close(grid[:, 3, 1], encode(centre))


def test_rotations_tell_how_far_apart_two_places_are():
    size, channels = 5, 16
    table = rotary_table(channels, size, torch.device("cpu")).reshape(size, size, -1)
    torch.testing.assert_close(table.abs(), torch.ones(size, size, channels // 2))
    query, key = torch.randn(2, channels // 2, dtype=torch.complex64)

    def product(one, other):
        turned, against = query * table[one], key * table[other]
        return (turned * against.conj()).real.sum()

    torch.testing.assert_close(product((0, 1), (2, 4)), product((2, 0), (4, 3)))
    assert abs(product((0, 1), (2, 4)) - product((0, 1), (4, 2))) > 1e-3


def test_cached_tensor_is_made_again_when_its_source_changes():
    made = []

    def make(scale):
        made.append(scale)
        return source * scale

    cached, source = CachedTensor(), torch.ones(3)
    assert cached.get(source, make, 2).tolist() == [2, 2, 2]
    assert cached.get(source, make, 2).tolist() == [2, 2, 2]
    assert made == [2]
    assert cached.get(source, make, 3).tolist() == [3, 3, 3]
    source.add_(1)
    assert cached.get(source, make, 3).tolist() == [6, 6, 6]


def test_nothing_is_cached_while_gradients_are_wanted():
    cached, source = CachedTensor(), torch.ones(3, requires_grad=True)
    with torch.enable_grad():
        found = cached.get(source, lambda: 2 * source)
        again = cached.get(source, lambda: 2 * source)
    assert found.requires_grad
    assert found is not again
