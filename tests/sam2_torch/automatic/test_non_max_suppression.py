import numpy as np
import pytest

from sam2_torch.automatic import non_max_suppression
from sam2_torch.automatic.non_max_suppression import box_ious, intersections, mask_ious, suppress


@pytest.mark.parametrize("sparse_step", [0, 1e12], ids=["sparse", "dense"])
def test_intersections_of_masks(sparse_step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(non_max_suppression, "SPARSE_STEP", sparse_step)
    masks = np.random.default_rng(0).random((6, 11, 13)) > 0.6
    masks[3] = False
    flat = masks.reshape(6, -1)
    found = intersections([row.nonzero()[0] for row in flat])
    np.testing.assert_array_equal(found, (flat[:, None] & flat[None]).sum(-1))
    union = (flat[:, None] | flat[None]).sum(-1)
    expected = np.where(union > 0, found / np.maximum(union, 1), 0)
    np.testing.assert_allclose(mask_ious(found), expected, rtol=1e-6)


def test_nothing_to_compare() -> None:
    assert intersections([]).shape == (0, 0)
    assert intersections([np.zeros(0, np.int64)] * 2).tolist() == [[0, 0], [0, 0]]


def test_box_ious() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 20, 20]])
    found = box_ious(boxes)
    np.testing.assert_allclose(found[0], [1, 50 / 150, 0])
    assert found[2, 2] == 0  # no extent, as in the reference


def test_the_better_one_stays() -> None:
    close = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)
    assert suppress(np.array([0.5, 0.9, 0.7]), close).tolist() == [1]
    assert suppress(np.array([0.9, 0.5, 0.7]), close).tolist() == [0, 2]
    assert suppress(np.array([0.5, 0.5, 0.2]), close).tolist() == [0, 2]
