import pytest
import torch

from sam2_torch.nn.prompt_encoder import (
    BOTTOM_RIGHT,
    NEGATIVE,
    PADDING,
    POSITIVE,
    TOP_LEFT,
    PromptEncoder,
)

KINDS = (PADDING, NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT)


@pytest.fixture
def encoder(config):
    return PromptEncoder(config.d_model, config.image_size).eval()


def test_each_kind_of_point_is_told_apart(encoder, config):
    points = torch.full((1, len(KINDS), 2), 20.0)
    found = encoder.embed_points(points, torch.tensor([KINDS]))
    assert found.shape == (1, len(KINDS), config.d_model)
    assert torch.cdist(found[0], found[0]).fill_diagonal_(1).min() > 0.1


def test_padding_has_no_place(encoder):
    labels = torch.tensor([[PADDING, POSITIVE]])
    here = encoder.embed_points(torch.tensor([[[3.0, 4.0], [3.0, 4.0]]]), labels)
    there = encoder.embed_points(torch.tensor([[[30.0, 40.0], [30.0, 40.0]]]), labels)
    assert torch.equal(here[:, 0], there[:, 0])
    assert (here[:, 1] - there[:, 1]).abs().max() > 0.1


def test_points_lie_at_the_centres_of_their_pixels(encoder, config):
    """A click on a token's middle is encoded as the token's place in the grid."""
    labels = torch.tensor([[POSITIVE]])
    xy = torch.tensor([[[16 * 2 + 7.5, 16 * 1 + 7.5]]])
    place = encoder.embed_points(xy, labels) - encoder.point_embeddings[POSITIVE].weight
    torch.testing.assert_close(place[0, 0], encoder.grid_encoding()[0, :, 1, 2])


def test_masks_are_embedded_at_stride_16(encoder, config):
    logits = torch.randn(2, 1, config.logits_size, config.logits_size)
    side = config.embedding_size
    assert encoder.embed_mask(logits).shape == (2, config.d_model, side, side)
    assert encoder.embed_mask(None).shape == (1, config.d_model, 1, 1)
