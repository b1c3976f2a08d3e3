"""Which memories and pointers an object may see on a frame; no network, no input or output.

Notes
-----
Paper, section 4 "Memory bank". Reference: `_prepare_memory_conditioned_features`.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.frames import Crop

Direction: TypeAlias = Literal["forward", "backward"]

RECENT_MEMORIES = 6
FULL_MEMORY = 1 + RECENT_MEMORIES  # with a prompted frame
RECENT_POINTERS = 15
VISIBLE_LOGIT = -8.0  # below it a mask's probability is under 0.04 %


@dataclass(frozen=True, eq=False, slots=True)
class PackedLogits:
    """Mask logits without the far background, in half precision on the host.

    What lies below `VISIBLE_LOGIT` all around the object, but for a margin of 1, is replaced
    by its mean: masks are the same but for the rounding.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    window: NDArray[np.floating]
    background: float

    @classmethod
    def pack(cls, logits: Tensor) -> "PackedLogits":
        """Pack (h, w) logits."""
        return cls.pack_all(logits[None])[0]

    @classmethod
    def pack_all(cls, logits: Tensor) -> "list[PackedLogits]":
        """Pack (N, h, w) logits where they are, and bring what is left of them to the host.

        Two copies, whatever N: boxes and means, then all windows in a row.
        """
        _, height, width = logits.shape
        visible = logits > VISIBLE_LOGIT
        rows, columns = _span(visible.any(2)), _span(visible.any(1))
        inside = rows[:, :, None] & columns[:, None, :]
        n_outside = (~inside).sum(dim=(1, 2))
        outside = torch.where(inside, 0.0, logits.float()).sum(dim=(1, 2)) / n_outside.clamp(min=1)
        ends = [end for span in (rows, columns) for end in _ends(span)]
        numbers = torch.stack([*ends, outside]).T.cpu()
        windows = logits[inside].half().cpu().numpy()
        packed, taken = [], 0
        for y0, y1, x0, x1, background in numbers.tolist():
            h, w = int(y1 - y0), int(x1 - x0)
            window = windows[taken : taken + h * w].reshape(h, w).copy()
            taken += h * w
            packed.append(cls((height, width), (int(y0), int(x0)), window, background))
        return packed

    def unpack(self) -> Tensor:
        """Return (h, w) float32."""
        logits = torch.full(self.shape, self.background)
        (y, x), (h, w) = self.origin, self.window.shape
        logits[y : y + h, x : x + w] = torch.from_numpy(self.window)
        return logits


def _span(seen: Tensor) -> Tensor:
    """Fill (N, L) from the first to the last that is true, and one more on each side."""
    wide = F.max_pool1d(seen[:, None].float(), 3, stride=1, padding=1)[:, 0]
    return (wide.cummax(1).values * wide.flip(1).cummax(1).values.flip(1)) > 0


def _ends(span: Tensor) -> tuple[Tensor, Tensor]:
    """Find where the true part of each row of (N, L) begins and ends; 0, 0 without one."""
    first = span.float().argmax(1)
    return first.float(), (first + span.sum(1)).float()


@dataclass(eq=False, slots=True)
class FrameMemory:
    """What is known of one object in one frame.

    Parameters
    ----------
    logits
        (h, w) float32 on the host, packed once the frame is no longer recent; packed from
        the start if they come from another device.
    iou, object_score
        Predicted IoU, and the logit that the object is visible.
    pointer
        (C,) object pointer on the host, as precise as the network computes it.
    device_pointer, spatial
        The pointer and the (memory_dim, h, w) memory on the device, as long as they are
        wanted there; both can be had again from what is on the host.
    spatial_origin
        First row and column of tokens that `spatial` shows.
    crop
        What was seen of the frame; None for the whole.
    prompted
        Whether the user said something about this frame.
    others
        What else an ambiguous prompt can mean, best first; taken away when it is kept.
    """

    logits: Tensor | PackedLogits
    iou: float
    object_score: float
    pointer: Tensor
    device_pointer: Tensor | None = None
    spatial: Tensor | None = None
    spatial_origin: tuple[int, int] = (0, 0)
    prompted: bool = False
    crop: Crop | None = None
    others: tuple["FrameMemory", ...] = ()

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Rows and columns of the mask on the grid of the logits, (y0, x0, y1, x1), half open."""
        inside = self.unpacked_logits() > 0
        rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
        if len(rows) == 0:
            return None
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

    def unpacked_logits(self) -> Tensor:
        """Return (h, w) float32 logits on the host."""
        return self.logits.unpack() if isinstance(self.logits, PackedLogits) else self.logits


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
    tracked: dict[int, FrameMemory] = field(default_factory=dict)
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
        return self.prompted.get(frame) or self._unprompted(frame)

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
            tracked={frame: replace(memory) for frame, memory in self.tracked.items()},
            directions=dict(self.directions),
            inherited={frame: replace(memory) for frame, memory in self.inherited.items()},
        )
        other.commit()
        return other

    def store(self, frame: int, memory: FrameMemory, direction: Direction) -> None:
        """Keep what propagation found, and let go of what is no longer recent."""
        self.tracked[frame] = memory
        self.directions[frame] = direction
        step = 1 if direction == "forward" else -1
        old = self._unprompted(frame - step * (RECENT_MEMORIES + 1))
        if old is not None:
            old.spatial = None
            if isinstance(old.logits, Tensor):
                old.logits = PackedLogits.pack(old.logits)
        old = self._unprompted(frame - step * (RECENT_POINTERS + 1))
        if old is not None:
            old.device_pointer = None

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

    def _unprompted(self, frame: int) -> FrameMemory | None:
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
