"""Which frames each object is propagated through, and in which direction: pure decisions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sam2_torch.memory.selection import Direction
from sam2_torch.sessions.prompted_objects import PromptedObjects

PropagationDirection: TypeAlias = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class Run:
    """Frames that objects are propagated through together, in one direction.

    Parameters
    ----------
    direction
        Of the propagation.
    frames
        The frames of each object, in the order of the run; all ranges end at the same frame.
    until_rejoined
        Whether an object stops where its new masks have rejoined the old ones.
    """

    direction: Direction
    frames: Mapping[int, range]
    until_rejoined: bool = False

    def order(self) -> range:
        """Return all frames of the run: those of the object that begins first."""
        return max(self.frames.values(), key=len, default=range(0))

    def objects_at(self, frame: int) -> list[int]:
        """List the objects that are propagated through a frame."""
        return [object_id for object_id, frames in self.frames.items() if frame in frames]


class FrameByFrame:
    """The order of a propagation along one axis, time or depth.

    Parameters
    ----------
    objects
        Prompts and memories of the movie.
    n_frames
        Length of the movie.
    """

    def __init__(self, objects: PromptedObjects, n_frames: int) -> None:
        self._objects, self._n_frames = objects, n_frames

    def runs(
        self,
        object_ids: Iterable[int],
        direction: PropagationDirection,
        span: tuple[int, int],
        start: int | None = None,
    ) -> Iterable[Run]:
        """Plan as `whole_runs` does."""
        return whole_runs(direction, self._objects.prompted(object_ids), span, start)

    def corrections(self, changed: Mapping[int, Iterable[int]]) -> Iterable[Run]:
        """Plan as `correction_runs` does."""
        return correction_runs(changed, self._n_frames)

    def estimate(
        self,
        object_ids: Iterable[int],
        direction: PropagationDirection,
        span: tuple[int, int],
        *,
        with_empty: bool,  # no frame is known to be empty beforehand
    ) -> list[Run]:
        """Return the runs, which are known beforehand."""
        return list(self.runs(object_ids, direction, span))

    def bounds(self, frame: int) -> tuple[int, int]:
        """Return the first and last frame."""
        return 0, self._n_frames - 1


def single_directions(direction: PropagationDirection) -> tuple[Direction, ...]:
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
    direction: PropagationDirection,
    prompted: Mapping[int, list[int]],
    span: tuple[int, int],
    start: int | None = None,
) -> list[Run]:
    """Plan to propagate objects through a span of the movie.

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
    for single in single_directions(direction):
        plan = {}
        for object_id, frames in prompted.items():
            first = start if start is not None else frames[-1 if direction == "backward" else 0]
            if single == "forward":
                plan[object_id] = range(max(first, span[0]), span[1])
            else:
                # of both directions, the forward one has been to the first frame already
                first -= direction == "both"
                plan[object_id] = range(min(first, span[1] - 1), span[0] - 1, -1)
        runs.append(Run(single, plan))
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
                before, here, after = bounds[k : k + 3]
                forward[object_id] = range(here, after)
                backward[object_id] = range(here - 1, before, -1)
        yield from _split_by_end("forward", forward)
        yield from _split_by_end("backward", backward)


def _split_by_end(direction: Direction, frames: Mapping[int, range]) -> Iterator[Run]:
    """Put objects that end at the same frame into one run."""
    for stop in sorted({r.stop for r in frames.values()}):
        together = {i: r for i, r in frames.items() if r.stop == stop and len(r)}
        if together:
            yield Run(direction, together, until_rejoined=True)


def frames_around(
    frame: int,
    direction: PropagationDirection,
    reach: int,
    bounds: tuple[int, int],
    prompted: Iterable[int],
) -> Iterator[tuple[Direction, int]]:
    """List up to `reach` frames on each side of a frame, up to the next prompted one.

    Yields
    ------
    direction, frame
        The next frames first, then the previous ones, each time the nearest first.
    """
    first, last = bounds
    stops = frozenset(prompted)
    for single in single_directions(direction):
        order = range(frame + 1, min(frame + reach, last) + 1)
        if single == "backward":
            order = range(frame - 1, max(frame - reach, first) - 1, -1)
        for other in order:
            if other in stops:
                break
            yield single, other
