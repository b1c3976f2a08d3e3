"""Which memories and pointers an object may see on a frame; no network, no input or output.

Notes
-----
Paper, section 4 "Memory bank". Reference: `_prepare_memory_conditioned_features`.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeAlias

from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.tracked_frames import TrackedFrames

Direction: TypeAlias = Literal["forward", "backward"]

RECENT_MEMORIES = 6
FULL_MEMORY = 1 + RECENT_MEMORIES  # with a prompted frame
RECENT_POINTERS = 15


@dataclass(frozen=True)
class Selection:
    """The frames that an object sees from a frame; equal selections can be batched.

    Parameters
    ----------
    spatial
        (frame, age) of each memory; age 0 stands for prompted frames.
    pointers
        (frame, age) of each pointer.
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]


@dataclass
class MemoryBank:
    """One object's memories.

    Attributes
    ----------
    pending
        Prompted frames that no propagation has taken up yet; they are not remembered.
    prompted, tracked
        Frames that the user prompted, and those that propagation filled.
    directions
        In which direction a frame was last tracked.
    inherited
        What the object that it divided from was in the frames before: remembered where
        nothing is known of the object itself.
    """

    pending: dict[int, FrameMemory] = field(default_factory=dict)
    prompted: dict[int, FrameMemory] = field(default_factory=dict)
    tracked: TrackedFrames = field(default_factory=TrackedFrames)
    directions: dict[int, Direction] = field(default_factory=dict)
    inherited: dict[int, FrameMemory] = field(default_factory=dict)

    @property
    def reach(self) -> int:
        """How many frames back an object remembers at most, but for prompted ones."""
        return RECENT_POINTERS

    def latest(self, frame: int) -> FrameMemory | None:
        """Find the newest answer for a frame."""
        return self.pending.get(frame) or self.remembered(frame)

    def remembered(self, frame: int) -> FrameMemory | None:
        """Find what later frames remember of a frame."""
        return self.prompted.get(frame) or self.unprompted(frame)

    def known(self, frame: int) -> FrameMemory:
        """Get what is remembered of a frame that was selected."""
        memory = self.remembered(frame)
        assert memory is not None, "only remembered frames are selected"
        return memory

    def prompted_frames(self) -> list[int]:
        """List the frames that carry prompts, in order."""
        return sorted({*self.prompted, *self.pending})

    def commit(self) -> None:
        """Let other frames remember the pending prompts."""
        for frame, memory in self.pending.items():
            self.prompted[frame] = memory
            self.tracked.pop(frame, None)
        self.pending.clear()

    def fork(self) -> Self:
        """Make another one that remembers the same, prompts that are pending too.

        What happens to either of them does not concern the other.
        """
        other = replace(
            self,
            pending=dict(self.pending),
            prompted=dict(self.prompted),
            tracked=self.tracked.fork(),
            directions=dict(self.directions),
            inherited={frame: replace(memory) for frame, memory in self.inherited.items()},
        )
        other.commit()
        return other

    def store(self, frame: int, memory: FrameMemory, direction: Direction) -> None:
        """Keep what propagation found, and let go of what is no longer recent."""
        self.tracked[frame] = memory
        self.directions[frame] = direction
        for other, known in {**self.inherited, **self.tracked.at_hand}.items():
            if abs(other - frame) > RECENT_MEMORIES:
                known.leave_device()
            if abs(other - frame) > RECENT_POINTERS:
                known.device_pointer = None
        self.tracked.settle(lambda other: abs(other - frame) > RECENT_POINTERS)

    def inherit(self, mother: "MemoryBank", frame: int) -> None:
        """Remember what another object was before a frame, as far as later frames can see it."""
        recent = range(max(0, frame - self.reach), frame)
        known = {earlier: mother.remembered(earlier) for earlier in recent}
        # copies: each of the two lets go of what is on the device when it is through with it
        self.inherited = {f: replace(memory) for f, memory in known.items() if memory}

    def forget_prompts(self, frame: int) -> None:
        """Take back what was said of a frame; its mask stays as if it had been tracked."""
        self.pending.pop(frame, None)
        self.directions.pop(frame, None)
        memory = self.prompted.pop(frame, None)
        if memory is not None:
            # a prompted frame's memory is encoded differently: see SAM2.encode_memory
            memory.prompted, memory.spatial = False, None
            self.tracked[frame] = memory

    def select(
        self,
        frame: int,
        direction: Direction,
        n_frames: int,
        max_prompted: int | None = None,
        ignored: int | None = None,
    ) -> Selection:
        """Choose what the object sees from `frame` when it is tracked in `direction`.

        The prompted frames and the 6 frames just passed as memories; pointers of the
        prompted frames that were passed and of the 15 frames just passed.

        Parameters
        ----------
        frame, direction, n_frames
            Where the object is, where it goes, and the length of the movie.
        max_prompted
            How many prompted frames to see, the nearest; None for all.
        ignored
            A frame to leave out.
        """
        step = 1 if direction == "forward" else -1
        prompted = nearest_frames(frame, [f for f in self.prompted if f != ignored], max_prompted)
        passed = [
            (frame - step * age, age)
            for age in range(min(n_frames, RECENT_POINTERS + 1) - 1, 0, -1)
            if self._was_passed(frame - step * age, prompted, ignored)
        ]
        spatial = [(f, 0) for f in prompted]
        spatial += [(f, age) for f, age in passed if age <= RECENT_MEMORIES]
        pointers = [(f, step * (frame - f)) for f in prompted if step * (frame - f) >= 0]
        return Selection(tuple(spatial), (*pointers, *reversed(passed)))

    def unprompted(self, frame: int) -> FrameMemory | None:
        """Find the memory of a frame that propagation made."""
        return self.tracked.get(frame) or self.inherited.get(frame)

    def _was_passed(self, frame: int, chosen: list[int], ignored: int | None) -> bool:
        known = frame in self.tracked or frame in self.prompted or frame in self.inherited
        return known and frame not in chosen and frame != ignored


def nearest_frames(frame: int, candidates: list[int], limit: int | None) -> list[int]:
    """Choose up to `limit` frames around `frame`, one on each side first.

    Notes
    -----
    Reference: `select_closest_cond_frames`.
    """
    if limit is None or len(candidates) <= limit:
        return candidates
    before = max((f for f in candidates if f < frame), default=None)
    after = min((f for f in candidates if f >= frame), default=None)
    chosen = [f for f in (before, after) if f is not None]
    others = sorted((f for f in candidates if f not in chosen), key=lambda f: abs(f - frame))
    return [*chosen, *others][:limit]
