import pytest
import torch
import torch.nn.functional as F

from sam2_torch import CELLS_NANO
from sam2_torch.inputs.transforms import FrameGeometry, logits_to_masks
from sam2_torch.memory.frame_memory import VISIBLE_LOGIT, FrameMemory, PackedLogits
from sam2_torch.memory.memory_bank import MemoryBank, nearest_frames
from sam2_torch.memory.tracked_frames import TrackedFrames
from sam2_torch.runtime.host_copies import Copies


def pack_all(logits):
    return PackedLogits.send_all(logits, Copies(logits.device))()


def memory(prompted=False):
    logits = torch.full((8, 8), -20.0)
    logits[2:4, 3:6] = 5.0
    return FrameMemory(
        logits, 0.9, 3.0, torch.zeros(4), torch.zeros(4), torch.zeros(2), (0, 0), prompted
    )


def bank_with(prompted=(), tracked=()):
    known = TrackedFrames({f: memory() for f in tracked})
    return MemoryBank(prompted={f: memory(True) for f in prompted}, tracked=known)


@pytest.mark.parametrize(
    ("prompted", "tracked", "frame", "direction", "spatial", "pointers"),
    [
        # the frame after the prompt
        ([0], [], 1, "forward", [(0, 0)], [(0, 1)]),
        # the 6 frames just passed, the oldest first; pointers of 15
        (
            [0],
            range(1, 30),
            30,
            "forward",
            [(0, 0), (24, 6), (25, 5), (26, 4), (27, 3), (28, 2), (29, 1)],
            [(0, 30), *((30 - age, age) for age in range(1, 16))],
        ),
        # a prompt that lies ahead is a memory, not a pointer; what lies ahead is not passed
        ([9], [3, 4, 6], 5, "forward", [(9, 0), (3, 2), (4, 1)], [(4, 1), (3, 2)]),
        # backwards, what lies behind comes after
        ([9], [3, 6, 7], 5, "backward", [(9, 0), (7, 2), (6, 1)], [(9, 4), (6, 1), (7, 2)]),
    ],
)
def test_what_an_object_sees(prompted, tracked, frame, direction, spatial, pointers):
    selection = bank_with(prompted, tracked).select(frame, direction, n_frames=100)
    assert list(selection.spatial) == spatial
    assert list(selection.pointers) == pointers


def test_a_prompted_frame_beyond_the_limit_is_an_ordinary_recent_frame():
    selection = bank_with([0, 8, 9], [7]).select(10, "forward", 100, max_prompted=1)
    assert selection.spatial == ((9, 0), (7, 3), (8, 2))
    assert selection.pointers == ((9, 1), (8, 2), (7, 3), (0, 10))


def test_an_ignored_frame_is_not_seen():
    selection = bank_with([4, 6], [3]).select(5, "forward", 100, ignored=4)
    assert selection.spatial == ((6, 0), (3, 2))


@pytest.mark.parametrize(
    ("frame", "candidates", "limit", "chosen"),
    [
        (5, [1, 2, 9], None, [1, 2, 9]),
        (5, [1, 2, 9], 2, [2, 9]),
        (5, [1, 2, 9, 20], 3, [2, 9, 1]),
        (5, [1, 2, 9], 1, [2]),
        (0, [3, 1, 2], 2, [1, 2]),
    ],
)
def test_nearest_frames(frame, candidates, limit, chosen):
    assert nearest_frames(frame, candidates, limit) == chosen


def test_pending_prompts_are_remembered_only_after_commit():
    bank = bank_with([0])
    bank.tracked[5] = memory()
    bank.pending[5] = memory(True)
    assert bank.prompted_frames() == [0, 5]
    assert [f for f, _ in bank.select(6, "forward", 10).spatial] == [0, 5]
    assert bank.select(6, "forward", 10).spatial == ((0, 0), (5, 1))
    bank.commit()
    assert bank.select(6, "forward", 10).spatial == ((0, 0), (5, 0))
    assert 5 not in bank.tracked


def test_frames_that_are_no_longer_recent_leave_the_device():
    bank = bank_with([0])
    for frame in range(1, 40):
        bank.store(frame, memory(), "forward")
    assert sum(m.spatial is not None for m in bank.tracked.values()) == 7
    assert sum(m.device_pointer is not None for m in bank.tracked.values()) == 16
    torch.testing.assert_close(bank.tracked[1].unpacked_logits(), memory().logits)


def test_packed_logits_keep_the_object_and_the_mean_of_the_rest():
    logits = torch.randn(32, 32) - 15
    logits[4:9, 20:30] = torch.randn(5, 10) * 4
    packed = PackedLogits.pack(logits)
    assert packed.window.size < 120
    back = packed.unpack()
    torch.testing.assert_close(back[4:9, 20:30], logits[4:9, 20:30], atol=0.01, rtol=1e-3)
    assert ((back > 0) == (logits > 0)).all()
    absent = torch.full((32, 32), -1024.0)
    torch.testing.assert_close(PackedLogits.pack(absent).unpack(), absent)


def test_removed_prompts_leave_the_mask_as_if_it_had_been_tracked():
    bank = bank_with([0, 3])
    bank.forget_prompts(3)
    assert bank.prompted_frames() == [0]
    assert not bank.tracked[3].prompted and bank.tracked[3].spatial is None


def test_logits_of_many_objects_are_packed_together():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    centres = [(5, 7, 6), (39, 59, 9), (20, 30, 100), (500, 500, 3)]  # corners, all of it, nowhere
    logits = torch.stack(
        [4 * (r - ((y - cy) ** 2 + (x - cx) ** 2).sqrt()).clamp(-15, 15) for cy, cx, r in centres]
    )
    packed = pack_all(logits)
    for one, expected in zip(packed, logits, strict=True):
        found = one.unpack()
        seen = F.max_pool2d((expected > VISIBLE_LOGIT).float()[None], 3, stride=1, padding=1)[0] > 0
        torch.testing.assert_close(found[seen], expected[seen], rtol=1e-3, atol=0)
        assert (found[~seen] < VISIBLE_LOGIT).all()
    assert packed[0].window.size < 16 * 16
    assert packed[2].window.shape == (40, 60)
    assert packed[3].window.size == 0


def test_one_object_on_the_host_is_packed_as_many_on_a_device():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    for cy, cx, r in ((5, 7, 6), (39, 59, 9), (20, 30, 100), (500, 500, 3)):
        logits = 4 * (r - ((y - cy) ** 2 + (x - cx) ** 2).sqrt()).clamp(-15, 15)
        here, (there,) = PackedLogits.pack(logits), pack_all(logits[None])
        assert here.window.shape == there.window.shape and (here.window == there.window).all()
        assert here.origin == there.origin or here.window.size == 0
        assert here.background == pytest.approx(there.background, rel=1e-4)
        known = FrameMemory(logits, 0.9, 3.0, torch.zeros(4)).box
        assert known == FrameMemory(here, 0.9, 3.0, torch.zeros(4)).box


def test_masks_of_packed_logits_are_those_of_the_logits():
    generator = torch.Generator().manual_seed(1)
    logits = F.interpolate(30 * torch.randn(1, 5, 9, 9, generator=generator) - 15, (64, 64))[0]
    geometry = FrameGeometry.fit((200, 330), CELLS_NANO)
    exact = logits_to_masks(logits, geometry)
    found = logits_to_masks(torch.stack([p.unpack() for p in pack_all(logits)]), geometry)
    for one, other in zip(exact, found, strict=True):
        assert (one.to_dense() != other.to_dense()).sum() <= 2  # of 66000: half precision
