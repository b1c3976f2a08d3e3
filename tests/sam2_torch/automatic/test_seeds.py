import numpy as np
import pytest

from sam2_torch.automatic import blob_seeds, grid_seeds, label_seeds


def test_grid() -> None:
    seeds = grid_seeds((10, 40), 2)
    assert seeds.tolist() == [[2.5, 10], [2.5, 30], [7.5, 10], [7.5, 30]]


def test_the_deepest_point_of_each_label() -> None:
    labels = np.zeros((30, 50), np.uint16)
    labels[3:10, 4:11] = 2  # its middle is 6, 7
    labels[20:30, 40:50] = 7  # at the border, which is an end of it, too
    seeds = label_seeds(labels)
    assert seeds[0].tolist() == [6, 7]
    assert 23 <= seeds[1][0] <= 26 and 43 <= seeds[1][1] <= 46
    assert label_seeds(np.zeros((5, 6), int)).shape == (0, 2)


@pytest.mark.parametrize("number", [60_000_000, 3_000_000_000, -5, 2**62])
def test_seeds_of_labels_of_any_size(number: int) -> None:
    labels = np.zeros((64, 64), np.int64)
    labels[10:13, 20:23] = number
    assert label_seeds(labels).tolist() == [[11, 21]]
    if abs(number) < 2**53:
        assert label_seeds(labels.astype(float)).tolist() == [[11, 21]]


@pytest.mark.parametrize("dark", [False, True])
def test_blobs_of_a_size(dark: bool) -> None:
    y, x = np.mgrid[:60, :110]
    image = np.full((60, 110), 1000.0)
    centres = [(20, 30, 6), (40, 80, 6)]
    for cy, cx, r in centres:
        image[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = 300 if dark else 2000
    found = blob_seeds(image.astype(np.uint16), 8, 16, dark=dark)
    assert len(found) == 2
    for cy, cx, _ in centres:
        assert np.abs(found - (cy, cx)).max(1).min() <= 2
    with pytest.raises(ValueError, match="diameter: expected a positive range"):
        blob_seeds(image, 8, 4)
