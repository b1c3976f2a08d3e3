"""The decoder for many points against the decoder for any prompts."""

from dataclasses import replace

import pytest
import torch

from sam2_torch import CELLS_NANO, SAM2
from sam2_torch.sam2 import ImageEmbedding

TOLERANCE = 1e-5  # relative; sums are in another order


@pytest.fixture(scope="module")
def case() -> tuple[SAM2, ImageEmbedding, torch.Tensor]:
    torch.manual_seed(0)
    model = SAM2(replace(CELLS_NANO, image_size=128)).eval().requires_grad_(False)
    for parameter in model.sam_mask_decoder.parameters():
        parameter.copy_(0.1 * torch.randn_like(parameter))  # biases count, too
    embedding = model.encode_image(torch.randn(1, 3, 128, 128))
    return model, embedding, 128 * torch.rand(5, 2)


def test_scores_and_tokens(case: tuple[SAM2, ImageEmbedding, torch.Tensor]) -> None:
    model, embedding, points = case
    labels = torch.ones(5, 1, dtype=torch.int32)
    features = model.without_memory(embedding.features)
    expected = model.decode_masks(features, embedding.skips, (points[:, None], labels), None, True)
    decoded = model.point_decoder(embedding).decode(model.embed_clicks(points))
    torch.testing.assert_close(decoded.ious, expected.ious, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(decoded.object_scores, expected.object_scores[:, 0])
    torch.testing.assert_close(decoded.tokens, expected.tokens, rtol=1e-4, atol=1e-4)


def test_logits_of_chosen_candidates(case: tuple[SAM2, ImageEmbedding, torch.Tensor]) -> None:
    model, embedding, points = case
    labels = torch.ones(5, 1, dtype=torch.int32)
    features = model.without_memory(embedding.features)
    expected = model.decode_masks(features, embedding.skips, (points[:, None], labels), None, True)
    decoder = model.point_decoder(embedding)
    rows, which = torch.tensor([0, 0, 2, 4]), torch.tensor([2, 0, 1, 1])
    found = decoder.masks(decoder.decode(model.embed_clicks(points)), rows, which)
    wanted = expected.logits[rows, which]
    assert (wanted > 0).any() and (wanted < 0).any()
    assert (found - wanted).abs().max() <= TOLERANCE * wanted.abs().max() + 1e-5


def test_nothing_chosen(case: tuple[SAM2, ImageEmbedding, torch.Tensor]) -> None:
    model, embedding, points = case
    decoder = model.point_decoder(embedding)
    none = torch.zeros(0, dtype=torch.int64)
    assert decoder.masks(decoder.decode(model.embed_clicks(points)), none, none).shape == (
        0,
        32,
        32,
    )
