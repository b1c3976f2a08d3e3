"""Which memories of an object count on a frame, and which may leave the device."""

from dataclasses import dataclass, field

from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.selection import (
    RECENT_MEMORIES,
    RECENT_POINTERS,
    Direction,
    Selection,
    select_memories,
    select_plane_memories,
)


@dataclass(frozen=True)
class RecentFrames:
    """The choice of memories along one axis, time or depth.

    Parameters
    ----------
    n_frames
        Length of the movie.
    max_prompted
        How many prompted frames to attend to, the nearest; None for all.
    correctable
        Whether all frames are kept for corrections; else only those that a propagation from the
        prompted frames attends to. Of stacks all are kept.
    last_only
        Whether an object attends to nothing but the frame that it came from, as with SAM 1.
    """

    n_frames: int
    max_prompted: int | None
    correctable: bool = field(default=True, kw_only=True)
    last_only: bool = field(default=False, kw_only=True)

    @property
    def reach(self) -> int:
        """How many frames back an object attends to at most, but for prompted ones."""
        return RECENT_POINTERS

    def select(
        self, bank: MemoryBank, frame: int, direction: Direction, excluded: int | None = None
    ) -> Selection:
        """Select what an object attends to on a frame; `excluded` does not count."""
        prompted, known = _without(bank, excluded)
        return self._limited(
            frame,
            select_memories(frame, direction, self.n_frames, prompted, known, self.max_prompted),
        )

    def _limited(self, frame: int, selection: Selection) -> Selection:
        if not self.last_only:
            return selection
        return Selection(((selection.last(frame), 0),), ())

    def release(self, bank: MemoryBank, frame: int) -> None:
        """Drop from the device what is no longer recent at a frame, and pack what is older."""
        if not self.correctable:
            bank.drop_tracked(lambda other: abs(other - frame) > self.reach, self.reach)
        for other, memory in {**bank.inherited, **bank.tracked.unpacked}.items():
            if abs(other - frame) > RECENT_MEMORIES:
                memory.leave_device()
            if abs(other - frame) > RECENT_POINTERS:
                memory.device_pointer = None
        bank.tracked.pack(lambda other: abs(other - frame) > RECENT_POINTERS)


@dataclass(frozen=True)
class RecentPlanes(RecentFrames):
    """The choice of memories in depth and time; frames are the planes of all time points.

    Parameters
    ----------
    n_planes
        Planes of each time point.
    """

    n_planes: int

    @property
    def reach(self) -> int:
        """How many frames back an object attends to at most, but for prompted ones."""
        return RECENT_POINTERS * self.n_planes

    def select(
        self, bank: MemoryBank, frame: int, direction: Direction, excluded: int | None = None
    ) -> Selection:
        """Select what an object attends to on a plane; the direction is that in depth."""
        prompted, known = _without(bank, excluded)
        entry = bank.entries.get(frame // self.n_planes)
        selection = select_plane_memories(
            frame,
            direction,
            self.n_frames,
            prompted,
            known,
            self.n_planes,
            entry,
            self.max_prompted,
        )
        return self._limited(frame, selection)

    def release(self, bank: MemoryBank, frame: int) -> None:
        """Pack all but this time point and the one that the object came from."""
        time = frame // self.n_planes
        entry = bank.entries.get(time)
        kept = (time, time if entry is None else entry.source)
        bank.tracked.pack(lambda other: other // self.n_planes not in kept)


def _without(bank: MemoryBank, excluded: int | None) -> tuple[list[int], MemoryBank | set[int]]:
    """Return the prompted frames of a bank and all its frames, without one of them."""
    prompted = [frame for frame in bank.prompted if frame != excluded]
    return prompted, bank if excluded is None else {*bank} - {excluded}
