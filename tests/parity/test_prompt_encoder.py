"""The prompt encoder against Meta's: clicks, padding, box corners, masks, nothing."""

import pytest
import torch
from reference import SMALL, pair, random_tensor, relative_error

pytest.importorskip("sam2")

POINTS = torch.tensor([[[10.0, 20.0], [100.5, 30.25]], [[0.0, 255.0], [255.0, 0.0]]])


@pytest.mark.parametrize(
    "labels", [[[1, 0], [0, 1]], [[1, -1], [-1, -1]], [[2, 3], [2, 3]], [[3, 1], [0, 2]]]
)
def test_points_of_each_kind(labels: list[list[int]]) -> None:
    reference, ours = pair(SMALL)
    kinds = torch.tensor(labels, dtype=torch.int32)
    expected, _ = reference.sam_prompt_encoder((POINTS, kinds), None, None)
    assert relative_error(ours._embed_points((POINTS, kinds), 2), expected) < 1e-5


def test_box_is_its_two_corners() -> None:
    reference, ours = pair(SMALL)
    expected, _ = reference.sam_prompt_encoder(None, POINTS.flatten(1), None)
    labels = torch.tensor([[2, 3], [2, 3]])
    assert relative_error(ours.sam_prompt_encoder.embed_points(POINTS, labels), expected) < 1e-5


def test_no_point_at_all() -> None:
    reference, ours = pair(SMALL)
    mask = random_tensor(1, 1, 64, 64)
    expected, _ = reference.sam_prompt_encoder(None, None, mask)
    assert ours._embed_points(None, 1).shape == expected.shape == (1, 0, SMALL.d_model)


def test_mask_and_no_mask() -> None:
    reference, ours = pair(SMALL)
    mask = 10 * random_tensor(2, 1, 64, 64)
    _, expected = reference.sam_prompt_encoder(None, None, mask)
    assert relative_error(ours.sam_prompt_encoder.embed_mask(mask), expected) < 1e-5
    _, expected = reference.sam_prompt_encoder((POINTS, torch.ones(2, 2)), None, None)
    found = ours.sam_prompt_encoder.embed_mask(None).expand_as(expected)
    assert relative_error(found, expected) < 1e-5
