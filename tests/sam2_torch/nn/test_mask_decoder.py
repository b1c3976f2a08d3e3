import pytest
import torch

from sam2_torch.nn.mask_decoder import MaskDecoder, _most_stable, stability


@pytest.fixture
def frame(config):
    """Pixels of three prompts, the places, and the skips."""
    width, side = config.d_model, config.embedding_size
    skips = (
        torch.randn(1, width // 8, 4 * side, 4 * side),
        torch.randn(1, width // 4, 2 * side, 2 * side),
    )
    return torch.randn(3, width, side, side), torch.randn(1, width, side, side), skips


@pytest.mark.parametrize(("multimask", "count"), [(True, 3), (False, 1)])
def test_prompts_of_a_batch_do_not_mix(config, frame, multimask, count):
    decoder = MaskDecoder(config).eval()
    pixels, places, skips = frame
    prompts = torch.randn(3, 2, config.d_model)
    together = decoder(pixels, places, prompts, skips, multimask)
    assert together.logits.shape == (3, count, 16, 16)
    assert together.ious.shape == (3, count)
    assert together.tokens.shape == (3, count, config.d_model)
    assert together.object_scores.shape == (3, 1)
    for i in range(3):
        alone = decoder(pixels[i : i + 1], places, prompts[i : i + 1], skips, multimask)
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], other[i], rtol=1e-4, atol=1e-5)


def test_order_of_prompts_does_not_count(config, frame):
    decoder = MaskDecoder(config).eval()
    pixels, places, skips = frame
    prompts = torch.randn(3, 4, config.d_model)
    first = decoder(pixels, places, prompts, skips, multimask=True)
    second = decoder(pixels, places, prompts.flip(1), skips, multimask=True)
    torch.testing.assert_close(first.logits, second.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([9.0, 9.0, -9.0], 1.0), ([9.0, 0.01, -9.0], 0.5), ([0.01, -0.01, -9.0], 0.0)],
)
def test_stability_is_what_stays_when_the_threshold_moves(logits, expected):
    assert stability(torch.tensor(logits).reshape(1, 3)) == expected


def test_mask_of_nothing_is_stable():
    assert stability(torch.full((4, 4), -9.0)) == 1


def test_unstable_mask_gives_way_to_the_best_candidate():
    logits = torch.stack([torch.full((4, 4), float(i)) for i in range(4)]).repeat(2, 1, 1, 1)
    logits[0, 0] = 5  # stable; the other is 0 all over
    ious = torch.tensor([[0.1, 0.2, 0.9, 0.3], [0.99, 0.2, 0.4, 0.3]])
    chosen, their_ious = _most_stable(logits, ious)
    assert chosen[:, 0, 0, 0].tolist() == [5, 2]
    assert their_ious.flatten().tolist() == pytest.approx([0.1, 0.4])
