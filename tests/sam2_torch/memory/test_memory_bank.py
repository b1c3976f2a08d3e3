import pytest
import torch

from sam2_torch.memory.frame_memory import FrameAnswer, FrameMemory, masks_agree
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.memory_choice import RecentFrames, RecentPlanes
from sam2_torch.memory.selection import Entry
from sam2_torch.memory.tracked_frames import TrackedFrames

CHOICE = RecentFrames(100, None)


def memory(prompted=False, rows=slice(2, 4)):
    logits = torch.full((8, 8), -20.0)
    logits[rows, 3:6] = 5.0
    answer = FrameAnswer(logits, 0.9, 3.0, torch.zeros(4))
    return FrameMemory(answer, None, prompted, torch.zeros(4), torch.zeros(2))


def bank_with(prompted=(), tracked=()):
    frames = TrackedFrames({f: memory() for f in tracked})
    return MemoryBank(prompted={f: memory(True) for f in prompted}, tracked=frames)


def test_an_excluded_frame_is_no_memory():
    bank = bank_with([4, 6], [3])
    assert CHOICE.select(bank, 5, "forward").spatial == ((4, 0), (6, 0), (3, 2))
    assert CHOICE.select(bank, 5, "forward", excluded=4).spatial == ((6, 0), (3, 2))


def test_pending_prompts_are_memories_only_after_commit():
    bank = bank_with([0])
    bank.tracked[5] = memory()
    bank.pending[5] = memory(True)
    assert bank.prompted_frames() == [0, 5] and bank.latest(5) is not bank[5]
    assert CHOICE.select(bank, 6, "forward").spatial == ((0, 0), (5, 1))
    bank.commit()
    assert CHOICE.select(bank, 6, "forward").spatial == ((0, 0), (5, 0))
    assert 5 not in bank.tracked and 5 in bank and 7 not in bank
    with pytest.raises(KeyError):
        bank[7]


def test_memories_before_a_division_are_the_mothers():
    mother, daughter = bank_with([0], range(1, 30)), MemoryBank()
    daughter.inherit(mother, 20, CHOICE.reach)
    assert sorted(daughter) == list(range(5, 20))
    daughter.pending[20] = memory(True)
    daughter.commit()
    assert CHOICE.select(daughter, 21, "forward").spatial[:2] == ((20, 0), (15, 6))
    daughter[19].spatial = None
    assert mother[19].spatial is not None


def test_frames_that_are_no_longer_recent_leave_the_device():
    bank = bank_with([0])
    for frame in range(1, 40):
        bank.tracked[frame] = memory()
        CHOICE.release(bank, frame)
    assert sum(m.spatial is not None for m in bank.tracked.values()) == 7
    assert sum(m.device_pointer is not None for m in bank.tracked.values()) == 16
    expected = memory().result().logits
    torch.testing.assert_close(bank.tracked[1].result().unpacked_logits(), expected)


def test_of_stacks_this_time_point_and_the_one_before_stay():
    bank, choice = bank_with([2], [0, 1, 3, 4, 5, 6, 7, 8, 9]), RecentPlanes(15, None, 5)
    bank.tracked[12] = memory()
    bank.entries[2] = Entry(1, 2)
    choice.release(bank, 12)
    assert sorted(bank.tracked.unpacked) == [5, 6, 7, 8, 9, 12]
    assert choice.select(bank, 13, "forward").spatial == ((12, 0), (8, 0))


def test_removed_prompts_leave_the_mask_as_if_it_had_been_tracked():
    bank = bank_with([0, 3])
    bank.remove_prompts(3)
    assert bank.prompted_frames() == [0]
    assert not bank.tracked[3].prompted and bank.tracked[3].spatial is None


def test_changes_to_a_copy_do_not_reach_the_bank():
    bank = bank_with([0], [1])
    bank.pending[4] = memory(True)
    copy = bank.copy()
    assert sorted(copy.prompted) == [0, 4] and bank.pending and not copy.pending
    copy.tracked[1].spatial = None
    del copy.tracked[1]
    assert bank.tracked[1].spatial is not None


@pytest.mark.parametrize(
    ("rows", "agree"), [(slice(2, 4), True), (slice(2, 5), False), (slice(0, 0), False)]
)
def test_masks_agree(rows, agree):
    assert masks_agree(memory(), memory(rows=rows)) is agree
    assert masks_agree(memory(rows=slice(0, 0)), memory(rows=slice(0, 0)))
    assert not masks_agree(None, memory())


def test_a_bank_that_is_not_corrected_keeps_only_what_a_propagation_attends_to():
    choice = RecentFrames(200, None, correctable=False)
    bank = bank_with([20, 60])
    for frame in range(21, 120):
        if frame != 60:
            bank.tracked[frame], bank.directions[frame] = memory(), "forward"
            choice.release(bank, frame)
    near = {*range(21, 36), *range(45, 60), *range(61, 76), *range(104, 120)}
    assert set(bank.tracked) == set(bank.directions) == near
    # backward from the first prompted frame: it attends to the same as if all were there
    full = bank_with([20, 60], [f for f in range(21, 120) if f != 60])
    assert choice.select(bank, 19, "backward") == choice.select(full, 19, "backward")
    assert choice.select(bank, 120, "forward") == choice.select(full, 120, "forward")
