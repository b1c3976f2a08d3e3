import torch

from sam2_torch.nn.view import View

VIEW = View(torch.tensor([[0, 1], [2, 3]]), 2)


def test_crops_of_one_frame_and_of_one_for_each_object():
    frame = torch.randn(1, 3, 5, 5)
    found = VIEW.crop(frame)
    assert torch.equal(found[0], frame[0, :, 0:2, 1:3])
    assert torch.equal(found[1], frame[0, :, 2:4, 3:5])
    assert torch.equal(VIEW.crop(frame.expand(2, -1, -1, -1)), found)


def test_crops_at_a_finer_stride():
    skip = torch.randn(1, 3, 20, 20)
    found = VIEW.crop(skip, 4)
    assert torch.equal(found[1], skip[0, :, 8:16, 12:20])


def test_places_number_the_tokens_of_the_whole_map():
    assert VIEW.places(5).tolist() == [[1, 2, 6, 7], [13, 14, 18, 19]]


def test_widened_view_stays_inside_and_tells_where_the_old_one_lies():
    wide, inner = VIEW.widened(1, 5)
    assert (wide.side, wide.origins.tolist()) == (4, [[0, 0], [1, 1]])
    assert inner.tolist() == [[0, 1], [1, 2]]
    frame = torch.randn(1, 3, 5, 5)
    assert torch.equal(View(inner, 2).crop(wide.crop(frame)), VIEW.crop(frame))
    assert VIEW.widened(9, 5)[0].side == 5
