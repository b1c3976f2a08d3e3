import pytest
import torch

from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.search_views import reaches_border, view_origin, view_side
from sam2_torch.nn.view import View


def memory(y0, x0, y1, x1):
    logits = torch.full((128, 128), -10.0)
    logits[y0:y1, x0:x1] = 5.0
    return FrameMemory(logits, 0.9, 3.0, torch.zeros(4))


ABSENT = memory(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("last", "side"),
    [
        (memory(40, 40, 44, 48), 12),  # 2 tokens and 5 around them
        (memory(40, 40, 44, 60), 16),
        (memory(0, 0, 50, 10), 24),
        (memory(0, 0, 100, 100), None),  # nearly everything: the whole frame is as cheap
        (ABSENT, None),  # looked for everywhere
        (None, None),
    ],
)
def test_a_view_is_as_large_as_the_object_and_its_surroundings(last, side):
    assert view_side(last, size=32) == side


def test_a_view_lies_around_the_object_and_within_the_map():
    assert view_origin(memory(60, 40, 68, 44), 8, 32) == (12, 6)
    assert view_origin(memory(0, 120, 4, 128), 8, 32) == (0, 24)
    assert view_origin(ABSENT, 8, 32) is None


def test_a_mask_at_the_end_of_its_view_is_cut_off_unless_the_frame_ends_there():
    inside, at_edge = memory(60, 40, 68, 44), memory(60, 24, 68, 44)
    assert not reaches_border(inside, (12, 6), 8, 32)
    assert reaches_border(at_edge, (12, 6), 8, 32)
    assert not reaches_border(memory(0, 0, 4, 4), (0, 0), 8, 32)
    assert not reaches_border(ABSENT, (12, 6), 8, 32)


def test_views_cut_what_lies_there():
    maps = torch.arange(2 * 3 * 64).reshape(2, 3, 8, 8)
    view = View(torch.tensor([[1, 2], [4, 0]]), 3)
    for n, (y, x) in enumerate(view.origins.tolist()):
        shared, own = view.crop(maps[:1])[n], view.crop(maps)[n]
        assert torch.equal(shared, maps[0, :, y : y + 3, x : x + 3])
        assert torch.equal(own, maps[n, :, y : y + 3, x : x + 3])
        places = maps[0, 0].flatten()[view.places(8)[n]]
        assert torch.equal(places.reshape(3, 3), maps[0, 0, y : y + 3, x : x + 3])
    fine = torch.arange(16 * 16).reshape(1, 1, 16, 16)
    assert torch.equal(view.crop(fine, 2)[0, 0], fine[0, 0, 2:8, 4:10])


def test_a_widened_view_holds_the_old_one():
    wide, inner = View(torch.tensor([[0, 2], [4, 5]]), 3).widened(2, size=8)
    assert wide.side == 7
    assert (wide.origins + inner).tolist() == [[0, 2], [4, 5]]
    assert wide.origins.min() >= 0 and wide.origins.max() + wide.side <= 8


def test_a_view_of_everything_is_the_whole_frame(model, movie):
    """The windowed path computes the same as the plain one where the window is the frame."""
    from sam2_torch.sam2 import Memories

    size, width = model.config.embedding_size, model.config.d_model
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, width, size, size, generator=generator)
    skips = (
        torch.randn(1, width // 8, 4 * size, 4 * size, generator=generator),
        torch.randn(1, width // 4, 2 * size, 2 * size, generator=generator),
    )
    spatial = [torch.randn(2, 64, size, size, generator=generator) for _ in range(3)]
    pointers = torch.randn(2, 4, width, generator=generator)
    whole = View(torch.zeros(2, 2, dtype=torch.long), size)
    plain = Memories(spatial, [0, 2, 1], pointers, [3, 1, 2, 3], 7)
    viewed = plain._replace(views=[whole] * 3)
    with torch.inference_mode():
        answers = []
        for memories, view in ((plain, None), (viewed, whole)):
            seen = model.attend_to_memory(features, memories, view)
            answer = model.segment(seen, skips, view=view)
            memory = model.encode_memory(
                features, answer.logits, answer.object_scores, binarize=False, view=view
            )
            answers.append((seen, answer.logits, answer.pointers, memory))
    for expected, found in zip(*answers, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
