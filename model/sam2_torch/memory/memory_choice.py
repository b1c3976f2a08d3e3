"""Which memories of an object count on a frame, and which may leave the device."""

from typing import Protocol

from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.selection import (
    RECENT_MEMORIES,
    RECENT_POINTERS,
    Direction,
    Selection,
    select_memories,
    select_plane_memories,
)


class MemoryChoice(Protocol):
    """Chooses memories along the axes of a movie."""

    @property
    def reach(self) -> int:
        """How many frames back an object attends to at most, but for prompted ones."""

    def select(
        self, bank: MemoryBank, frame: int, direction: Direction, excluded: int | None = None
    ) -> Selection:
        """Select what an object attends to on a frame; `excluded` does not count."""

    def release(self, bank: MemoryBank, frame: int) -> None:
        """Drop from the device what is no longer recent at a frame, and pack what is older."""


class RecentFrames:
    """Memories along one axis, time or depth.

    Parameters
    ----------
    n_frames
        Length of the movie.
    max_prompted
        How many prompted frames to attend to, the nearest; None for all.
    """

    reach = RECENT_POINTERS

    def __init__(self, n_frames: int, max_prompted: int | None) -> None:
        self._n_frames, self._max_prompted = n_frames, max_prompted

    def select(
        self, bank: MemoryBank, frame: int, direction: Direction, excluded: int | None = None
    ) -> Selection:
        """Select as `select_memories` does."""
        prompted, known = _without(bank, excluded)
        return select_memories(
            frame, direction, self._n_frames, prompted, known, self._max_prompted
        )

    def release(self, bank: MemoryBank, frame: int) -> None:
        """Keep 6 spatial memories and 15 pointers on each side."""
        for other, memory in {**bank.inherited, **bank.tracked.unpacked}.items():
            if abs(other - frame) > RECENT_MEMORIES:
                memory.leave_device()
            if abs(other - frame) > RECENT_POINTERS:
                memory.device_pointer = None
        bank.tracked.pack(lambda other: abs(other - frame) > RECENT_POINTERS)


class RecentPlanes:
    """Memories in depth and time.

    Parameters
    ----------
    n_frames, max_prompted
        As for `RecentFrames`; frames are the planes of all time points.
    n_planes
        Planes of each time point.
    """

    def __init__(self, n_frames: int, n_planes: int, max_prompted: int | None) -> None:
        self._n_frames, self._n_planes = n_frames, n_planes
        self._max_prompted = max_prompted
        self.reach = RECENT_POINTERS * n_planes

    def select(
        self, bank: MemoryBank, frame: int, direction: Direction, excluded: int | None = None
    ) -> Selection:
        """Select as `select_plane_memories` does."""
        prompted, known = _without(bank, excluded)
        return select_plane_memories(
            frame,
            direction,
            self._n_frames,
            prompted,
            known,
            self._n_planes,
            bank.entries.get(frame // self._n_planes),
            self._max_prompted,
        )

    def release(self, bank: MemoryBank, frame: int) -> None:
        """Keep this time point and the one that the object came from."""
        time = frame // self._n_planes
        entry = bank.entries.get(time)
        kept = (time, time if entry is None else entry.source)
        bank.tracked.pack(lambda other: other // self._n_planes not in kept)


def _without(bank: MemoryBank, excluded: int | None) -> tuple[list[int], MemoryBank | set[int]]:
    """Return the prompted frames of a bank and all its frames, without one of them."""
    prompted = [frame for frame in bank.prompted if frame != excluded]
    return prompted, bank if excluded is None else {*bank} - {excluded}
