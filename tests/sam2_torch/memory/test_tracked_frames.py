import tracemalloc

import pytest
import torch

from sam2_torch.inputs.frames import Crop
from sam2_torch.memory.frame_memory import FrameMemory, PackedLogits
from sam2_torch.memory.tracked_frames import TrackedFrames


def disc(row=20, size=(48, 64)):
    y, x = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    return (4 * (5 - ((y - row) ** 2 + (x - 30) ** 2).sqrt())).clamp(-20, 12)


def memory(row=20, dtype=torch.float32, crop=None):
    pointer = torch.randn(16, generator=torch.Generator().manual_seed(row)).to(dtype)
    spatial = torch.ones(2, 3, 3)
    return FrameMemory(disc(row), 0.1 * row, row - 21.5, pointer, pointer, spatial, crop=crop)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_settled_frame_comes_back_but_for_the_device(dtype):
    crop, frames = Crop((5, 7), (100, 200)), TrackedFrames()
    frames[3], frames[4] = memory(11, dtype, crop), memory(30, dtype)
    frames.settle(lambda frame: True)
    assert frames.at_hand == {}
    for frame, row, seen in ((3, 11, crop), (4, 30, None)):
        expected, found = memory(row, dtype, seen), frames[frame]
        assert isinstance(found.logits, PackedLogits) and found.crop == seen
        packed = PackedLogits.pack(expected.logits).unpack()
        assert torch.equal(found.unpacked_logits(), packed) and found.box == expected.box
        assert found.iou == pytest.approx(expected.iou, rel=1e-6)
        assert found.object_score == expected.object_score
        assert found.pointer.dtype == dtype
        torch.testing.assert_close(found.pointer, expected.pointer, rtol=1e-3, atol=1e-4)
        assert found.spatial is None and found.device_pointer is None and not found.prompted
    assert set(frames.at_hand) == {3, 4}


def test_it_is_a_mapping_whatever_is_settled():
    frames = TrackedFrames()
    for frame in (5, 1, 3, 2):
        frames[frame] = memory(10 + frame)
    frames.settle(lambda frame: frame < 4)
    assert list(frames) == [1, 2, 3, 5] and len(frames) == 4 and 3 in frames and 4 not in frames
    frames[3] = memory(40)
    assert frames[3].object_score == 40 - 21.5
    assert frames.pop(1).object_score == 11 - 21.5 and frames.pop(5).object_score == 15 - 21.5
    assert frames.get(1) is None and list(frames) == [2, 3]
    with pytest.raises(KeyError):
        frames[1]
    with pytest.raises(KeyError):
        del frames[1]
    frames.clear()
    assert frames == {} and 3 not in frames


def test_forks_go_their_own_ways():
    frames = TrackedFrames()
    frames[1], frames[2] = memory(11), memory(12)
    frames.settle(lambda frame: frame == 1)
    fork = frames.fork()
    fork[2].spatial = None
    del fork[1]
    assert frames[2].spatial is not None and 1 in frames and fork[2] is not frames[2]


def test_an_object_that_is_nowhere_takes_next_to_nothing():
    frames, empty = TrackedFrames(), torch.full((48, 64), -1024.0)
    frames[1] = FrameMemory(empty, 0.5, -7.0, torch.zeros(16))
    frames.settle(bool)
    assert torch.equal(frames[1].unpacked_logits(), empty) and frames[1].box is None


def test_a_settled_frame_takes_a_few_hundred_bytes():
    frames = TrackedFrames()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for frame in range(300):
            frames[frame] = memory(20)
            frames.settle(bool)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    window = 2 * PackedLogits.pack(disc()).window.size
    assert (after - before) / 300 < window + 2 * 16 + 250


def test_what_is_on_its_way_is_waited_for_once_and_only_if_it_is_asked_for():
    waited = []

    def arrive():
        waited.append(1)
        return disc(), 0.75, 3.0, torch.ones(4)

    late = FrameMemory.arriving(arrive, torch.zeros(4))
    late.spatial, late.crop = torch.ones(1), None
    assert late.device_pointer is not None and not late.prompted and not waited
    assert late.iou == 0.75 and late.box == memory().box and late.pointer.sum() == 4
    assert waited == [1]
    with pytest.raises(AttributeError):
        late.nonsense  # noqa: B018
