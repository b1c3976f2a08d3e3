import tracemalloc

import pytest
import torch

from sam2_torch.inputs.frames import Crop
from sam2_torch.memory.frame_memory import FrameAnswer, FrameMemory
from sam2_torch.memory.packed_logits import PackedLogits
from sam2_torch.memory.tracked_frames import TrackedFrames
from sam2_torch.runtime.pending import Pending


def disc(row=20, size=(48, 64)):
    y, x = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    return (4 * (5 - ((y - row) ** 2 + (x - 30) ** 2).sqrt())).clamp(-20, 12)


def memory(row=20, dtype=torch.float32, crop=None):
    pointer = torch.randn(16, generator=torch.Generator().manual_seed(row)).to(dtype)
    spatial = torch.ones(2, 3, 3)
    answer = FrameAnswer(disc(row), 0.1 * row, row - 21.5, pointer)
    return FrameMemory(answer, crop, False, pointer, spatial)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_frame_comes_back_but_for_the_device(dtype):
    crop, frames = Crop((5, 7), (100, 200)), TrackedFrames()
    frames[3], frames[4] = memory(11, dtype, crop), memory(30, dtype)
    frames.pack(lambda frame: True)
    assert frames.unpacked == {}
    for frame, row, seen in ((3, 11, crop), (4, 30, None)):
        expected, found = memory(row, dtype, seen).result(), frames[frame]
        answer = found.result()
        assert isinstance(answer.logits, PackedLogits) and found.crop == seen
        packed = PackedLogits.pack(expected.logits).unpack()
        assert torch.equal(answer.unpacked_logits(), packed) and answer.box == expected.box
        assert answer.iou == pytest.approx(expected.iou, rel=1e-6)
        assert answer.object_score == expected.object_score
        assert answer.pointer.dtype == dtype
        torch.testing.assert_close(answer.pointer, expected.pointer, rtol=1e-3, atol=1e-4)
        assert found.spatial is None and found.device_pointer is None and not found.prompted
    assert set(frames.unpacked) == {3, 4}


def test_it_is_a_mapping_whatever_is_packed():
    frames = TrackedFrames()
    for frame in (5, 1, 3, 2):
        frames[frame] = memory(10 + frame)
    frames.pack(lambda frame: frame < 4)
    assert list(frames) == [1, 2, 3, 5] and len(frames) == 4 and 3 in frames and 4 not in frames
    frames[3] = memory(40)
    assert frames[3].result().object_score == 40 - 21.5
    assert (
        frames.pop(1).result().object_score == 11 - 21.5
        and frames.pop(5).result().object_score == 15 - 21.5
    )
    assert frames.get(1) is None and list(frames) == [2, 3]
    with pytest.raises(KeyError):
        frames[1]
    with pytest.raises(KeyError):
        del frames[1]
    frames.clear()
    assert frames == {} and 3 not in frames


def test_changes_to_a_copy_stay_there():
    frames = TrackedFrames()
    frames[1], frames[2] = memory(11), memory(12)
    frames.pack(lambda frame: frame == 1)
    copy = frames.copy()
    copy[2].spatial = None
    del copy[1]
    assert frames[2].spatial is not None and 1 in frames and copy[2] is not frames[2]


def test_an_object_that_is_nowhere_takes_next_to_nothing():
    frames, empty = TrackedFrames(), torch.full((48, 64), -1024.0)
    frames[1] = FrameMemory(FrameAnswer(empty, 0.5, -7.0, torch.zeros(16)))
    frames.pack(bool)
    answer = frames[1].result()
    assert torch.equal(answer.unpacked_logits(), empty) and answer.box is None


def test_a_packed_frame_takes_a_few_hundred_bytes():
    frames = TrackedFrames()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for frame in range(300):
            frames[frame] = memory(20)
            frames.pack(bool)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    window = 2 * PackedLogits.pack(disc()).window.size
    assert (after - before) / 300 < window + 2 * 16 + 250


def test_a_pending_answer_is_waited_for_once_and_only_if_it_is_asked_for():
    waited = []

    def wait():
        waited.append(1)
        return memory(20).result()

    late = FrameMemory(Pending(wait), None, False, torch.zeros(4))
    assert late.device_pointer is not None and not late.prompted and not waited
    assert late.result().box == memory().result().box and late.result().iou == 2.0
    assert waited == [1]
