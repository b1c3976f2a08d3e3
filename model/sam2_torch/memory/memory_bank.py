"""The memories of one object, by frame.

Notes
-----
Paper, section 4 "Memory bank".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.selection import Direction, Entry
from sam2_torch.memory.tracked_frames import TrackedFrames


@dataclass
class MemoryBank:
    """One object's memories.

    Parameters
    ----------
    pending
        Prompted frames that no propagation has taken up yet: no other frame attends to them.
    prompted, tracked
        Frames that the user prompted, and those that propagation filled.
    directions
        In which direction a frame was last tracked.
    inherited
        Memories of the mother before a division: they count where the object has none itself.
    entries
        How the object came to a time point of a movie of stacks.
    """

    pending: dict[int, FrameMemory] = field(default_factory=dict)
    prompted: dict[int, FrameMemory] = field(default_factory=dict)
    tracked: TrackedFrames = field(default_factory=TrackedFrames)
    directions: dict[int, Direction] = field(default_factory=dict)
    inherited: dict[int, FrameMemory] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)

    def __contains__(self, frame: object) -> bool:
        """Return whether other frames can attend to this one."""
        return frame in self.tracked or frame in self.prompted or frame in self.inherited

    def __iter__(self) -> Iterator[int]:
        yield from {*self.tracked, *self.prompted, *self.inherited}

    def __getitem__(self, frame: int) -> FrameMemory:
        """Return the memory that other frames attend to.

        Raises
        ------
        KeyError
            If there is none.
        """
        memory = self.get(frame)
        if memory is None:
            raise KeyError(frame)
        return memory

    def get(self, frame: int) -> FrameMemory | None:
        """Return the memory that other frames attend to; None if there is none."""
        return self.prompted.get(frame) or self.unprompted(frame)

    def latest(self, frame: int) -> FrameMemory | None:
        """Return the newest answer for a frame, pending prompts included."""
        return self.pending.get(frame) or self.get(frame)

    def unprompted(self, frame: int) -> FrameMemory | None:
        """Return the memory that propagation made."""
        return self.tracked.get(frame) or self.inherited.get(frame)

    def prompted_frames(self) -> list[int]:
        """List the frames with prompts, in order."""
        return sorted({*self.prompted, *self.pending})

    def commit(self) -> None:
        """Let other frames attend to the pending prompts."""
        for frame, memory in self.pending.items():
            self.prompted[frame] = memory
            self.tracked.pop(frame, None)
        self.pending.clear()

    def drop_tracked(self, is_old: Callable[[int], bool], reach: int) -> None:
        """Drop unpacked frames that are old and farther than `reach` from all prompted ones."""
        prompted = self.prompted_frames()
        for frame in filter(is_old, self.tracked.unpacked):
            if all(abs(frame - other) > reach for other in prompted):
                del self.tracked[frame]
                self.directions.pop(frame, None)

    def copy(self) -> "MemoryBank":
        """Return a bank with the same memories, pending prompts committed.

        Changes to either do not reach the other.
        """
        other = replace(
            self,
            pending=dict(self.pending),
            prompted=dict(self.prompted),
            tracked=self.tracked.copy(),
            directions=dict(self.directions),
            inherited={frame: replace(memory) for frame, memory in self.inherited.items()},
            entries=dict(self.entries),
        )
        other.commit()
        return other

    def inherit(self, mother: "MemoryBank", frame: int, reach: int) -> None:
        """Take over the mother's memories of the `reach` frames before a frame."""
        recent = {f: mother.get(f) for f in range(max(0, frame - reach), frame)}
        # copies: mother and daughter each drop what is on the device when it is no longer recent
        self.inherited = {f: replace(memory) for f, memory in recent.items() if memory}

    def remove_prompts(self, frame: int) -> None:
        """Remove the prompts of a frame; its mask stays as if it had been tracked."""
        self.pending.pop(frame, None)
        self.directions.pop(frame, None)
        memory = self.prompted.pop(frame, None)
        if memory is not None:
            # a prompted frame's memory is encoded differently: see SAM2.encode_memory
            memory.prompted, memory.spatial = False, None
            self.tracked[frame] = memory
