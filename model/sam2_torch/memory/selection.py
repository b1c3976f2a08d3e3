"""Choose which memories and object pointers an object attends to on a frame; no tensors.

Notes
-----
Paper, section 4 "Memory bank". Reference: `_prepare_memory_conditioned_features`.
"""

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["forward", "backward"]

RECENT_MEMORIES = 6
FULL_MEMORY = 1 + RECENT_MEMORIES  # with a prompted frame
RECENT_POINTERS = 15


@dataclass(frozen=True)
class Selection:
    """The frames that an object attends to; objects with equal selections can be batched.

    Parameters
    ----------
    spatial
        (frame, age) of each spatial memory; age 0 for prompted frames, 1 to 6 for the frames
        just passed.
    pointers
        (frame, age) of each object pointer; negative ages for frames that lie ahead.
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]

    def last(self, frame: int) -> int:
        """Return the frame that an object came from: the last one passed, or the nearest."""
        passed = [(age, seen) for seen, age in self.spatial if age > 0]
        if passed:
            return min(passed)[1]
        return min((seen for seen, _ in self.spatial), key=lambda seen: abs(seen - frame))


def select_memories(
    frame: int,
    direction: Direction,
    n_frames: int,
    prompted: Collection[int],
    known: Container[int],
    max_prompted: int | None = None,
) -> Selection:
    """Select the memories of one axis, time or depth.

    The prompted frames and the 6 frames just passed as spatial memories; pointers of the
    prompted frames that were passed and of the 15 frames just passed.

    Parameters
    ----------
    frame, direction, n_frames
        Where the object is tracked, in which direction, and the length of the movie.
    prompted
        Frames with prompts that count.
    known
        All frames with a memory, prompted or tracked.
    max_prompted
        How many prompted frames to attend to, the nearest; None for all.
    """
    step = 1 if direction == "forward" else -1
    chosen = nearest_frames(frame, prompted, max_prompted)
    passed = _passed(frame, step, n_frames, known, chosen)
    pointers = [(f, step * (frame - f)) for f in chosen if step * (frame - f) >= 0]
    return Selection(_spatial(chosen, passed), (*pointers, *reversed(passed)))


def select_plane_memories(  # noqa: PLR0913  # of two axes
    frame: int,
    direction: Direction,
    n_frames: int,
    prompted: Collection[int],
    known: Container[int],
    n_planes: int,
    entry: "Entry | None",
    max_prompted: int | None = None,
) -> Selection:
    """Select the memories of a plane in a movie of stacks.

    Prompted planes of the time point, the entry plane, the same plane at the time before, and
    the planes just passed. The entry plane itself attends to itself at earlier times, and to
    the nearest prompted planes of all times.

    Parameters
    ----------
    frame, n_frames, prompted, known, max_prompted
        As for `select_memories`; frame = time * n_planes + plane.
    direction
        Through the planes.
    n_planes
        Planes of each time point.
    entry
        How the object came to this time point; None if it was prompted there.
    """
    time, plane = divmod(frame, n_planes)
    first, last = 0, n_frames - 1
    if entry is not None and entry.plane == plane and not _in_time(prompted, time, n_planes):
        candidates = prompted
        step = (time - entry.source) * n_planes
    else:
        candidates = _in_time(prompted, time, n_planes)
        step = 1 if direction == "forward" else -1
        first, last = time * n_planes, (time + 1) * n_planes - 1
    chosen = nearest_frames(frame, candidates, max_prompted)
    if entry is not None and entry.plane != plane:
        neighbours = (time * n_planes + entry.plane, entry.source * n_planes + plane)
        chosen += [f for f in neighbours if f in known and f not in chosen]
    passed = _passed(frame, step, n_frames, known, chosen)
    passed = [(f, age) for f, age in passed if first <= f <= last]
    return Selection(_spatial(chosen, passed), (*((f, 0) for f in chosen), *reversed(passed)))


@dataclass(frozen=True)
class Entry:
    """How an object came to a time point of a movie of stacks.

    Parameters
    ----------
    source
        The time point from which it was propagated.
    plane
        The plane in which it was found first.
    """

    source: int
    plane: int


def nearest_frames(frame: int, candidates: Iterable[int], limit: int | None) -> list[int]:
    """Choose up to `limit` frames around `frame`, one on each side first; all if None.

    Notes
    -----
    Reference: `select_closest_cond_frames`.
    """
    candidates = list(candidates)
    if limit is None or len(candidates) <= limit:
        return candidates
    before = max((f for f in candidates if f < frame), default=None)
    after = min((f for f in candidates if f >= frame), default=None)
    chosen = [f for f in (before, after) if f is not None]
    others = sorted((f for f in candidates if f not in chosen), key=lambda f: abs(f - frame))
    return [*chosen, *others][:limit]


def _in_time(frames: Iterable[int], time: int, n_planes: int) -> list[int]:
    return [f for f in frames if f // n_planes == time]


def _passed(
    frame: int, step: int, n_frames: int, known: Container[int], chosen: Collection[int]
) -> list[tuple[int, int]]:
    """List the frames just passed and their ages, the oldest first."""
    ages = range(min(n_frames, RECENT_POINTERS + 1) - 1, 0, -1)
    passed = [(frame - step * age, age) for age in ages]
    return [(f, age) for f, age in passed if f in known and f not in chosen]


def _spatial(
    chosen: Iterable[int], passed: Iterable[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    recent = [(f, age) for f, age in passed if age <= RECENT_MEMORIES]
    return (*((f, 0) for f in chosen), *recent)
