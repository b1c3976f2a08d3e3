"""Which frames each object runs through, in which direction: pure decisions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sam2_torch.memory.memory_bank import Direction

Directions: TypeAlias = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class Run:
    """Frames that objects run through together, in one direction.

    Parameters
    ----------
    way
        The direction.
    frames
        The frames of each object, in the order of the run.
    until_rejoined
        Whether an object stops where its new masks have rejoined the old ones.
    """

    way: Direction
    frames: Mapping[int, range]
    until_rejoined: bool = False

    def order(self) -> range:
        """Lay out the frames of the run; all objects end alike, so the longest has them all."""
        return max(self.frames.values(), key=len, default=range(0))


def ways(direction: Directions) -> tuple[Direction, ...]:
    """Resolve a direction.

    Raises
    ------
    ValueError
        If it is none.
    """
    if direction == "both":
        return "forward", "backward"
    if direction in ("forward", "backward"):
        return (direction,)
    raise ValueError(f"direction: expected forward, backward or both, found {direction!r}")


def whole_runs(
    direction: Directions,
    prompted: Mapping[int, list[int]],
    span: tuple[int, int],
    start: int | None = None,
) -> list[Run]:
    """Plan to follow objects through a span of the movie.

    Parameters
    ----------
    direction
        "forward" from each object's first prompted frame, "backward" from its last one,
        "both" from the first one.
    prompted
        The prompted frames of each object, in order, at least one.
    span
        First frame and the one after the last.
    start
        Start all objects at this frame instead.
    """
    runs = []
    for way in ways(direction):
        plan = {}
        for object_id, frames in prompted.items():
            first = start if start is not None else frames[-1 if direction == "backward" else 0]
            if way == "forward":
                plan[object_id] = range(max(first, span[0]), span[1])
            else:
                # in both directions, the way forward has been to the first frame already
                first -= direction == "both"
                plan[object_id] = range(min(first, span[1] - 1), span[0] - 1, -1)
        runs.append(Run(way, plan))
    return runs


def correction_runs(changed: Mapping[int, Iterable[int]], n_frames: int) -> Iterator[Run]:
    """Plan to run again what a change of prompts can have changed.

    From each changed frame in both directions, up to the next changed frame of the object
    or to where the masks have rejoined the old ones.

    Parameters
    ----------
    changed
        The changed frames of each object.
    n_frames
        Length of the movie.
    """
    frames = {object_id: sorted(changes) for object_id, changes in changed.items()}
    for k in range(max(map(len, frames.values()), default=0)):
        forward, backward = {}, {}
        for object_id, changes in frames.items():
            if k < len(changes):
                bounds = [-1, *changes, n_frames]
                here, after, before = bounds[k + 1], bounds[k + 2], bounds[k]
                forward[object_id] = range(here, after)
                backward[object_id] = range(here - 1, before, -1)
        yield from split_by_end("forward", forward)
        yield from split_by_end("backward", backward)


def split_by_end(way: Direction, frames: Mapping[int, range]) -> Iterator[Run]:
    """Put objects that end alike into one run."""
    for stop in sorted({r.stop for r in frames.values()}):
        together = {i: r for i, r in frames.items() if r.stop == stop and len(r)}
        if together:
            yield Run(way, together, until_rejoined=True)
