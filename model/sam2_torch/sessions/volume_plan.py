"""Propagation through a movie of stacks: in depth within each time point, and through time.

Beyond the reference, which knows one axis. Within a time point the planes are a video; then the
object's largest plane is propagated to the next time point, along which its other planes are
found again, each attending to its neighbour and to itself at the time before.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from sam2_torch.inputs.frames import Box
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.selection import Direction, Entry
from sam2_torch.sessions.object_ends import MAX_GAP
from sam2_torch.sessions.prompted_objects import PromptedObjects
from sam2_torch.sessions.propagation_plan import PropagationDirection, Run, whole_runs


class StackByStack:
    """Propagation in depth and time; a frame's number is time * n_planes + plane.

    Spans of frames stand for the time points in which they are.

    Parameters
    ----------
    objects
        Prompts and memories of the movie.
    n_frames
        Planes of all time points.
    n_planes
        Planes of each time point.
    plane_step_px
        How many pixels two planes are apart; None if unknown.
    box_in_image
        Finds the bounding box of a mask in image pixels.
    """

    def __init__(
        self,
        objects: PromptedObjects,
        n_frames: int,
        n_planes: int,
        plane_step_px: float | None,
        box_in_image: Callable[[FrameMemory], Box | None],
    ) -> None:
        self._objects = objects
        self._n_planes, self._n_frames = n_planes, n_frames
        self._plane_step_px = plane_step_px
        self._box_in_image = box_in_image

    def runs(
        self,
        object_ids: Iterable[int],
        direction: PropagationDirection,
        span: tuple[int, int],
        start: int | None = None,
    ) -> Iterator[Run]:
        """Plan two runs for each time point: from where each object begins up, then down.

        Where an object begins depends on its masks at the time before: the runs must be carried
        out one by one.
        """
        first = None if start is None else start // self._n_planes
        for through_time, time in self._times(object_ids, direction, span, first):
            begins = {}
            for object_id in through_time.objects_at(time):
                if self._objects.is_unchanged(object_id):
                    bank = self._objects.bank(object_id)
                    bank.commit()
                    is_start = time == through_time.frames[object_id].start
                    begins[object_id] = self._begin(bank, time, through_time.direction, is_start)
            yield from self._up_and_down(time, begins, {})

    def corrections(self, changed: Mapping[int, Iterable[int]]) -> Iterable[Run]:
        """Plan to propagate the changed objects again through all time points."""
        return self.runs(changed, "both", (0, self._n_frames))

    def estimate(
        self,
        object_ids: Iterable[int],
        direction: PropagationDirection,
        span: tuple[int, int],
        *,
        with_empty: bool,
    ) -> list[Run]:
        """Estimate the planes that objects are propagated through.

        An object is taken to begin where it was prompted at the nearest time, and, if the step
        between planes is known and empty planes do not count, to be as deep as it is wide there.
        """
        runs: list[Run] = []
        for through_time, time in self._times(object_ids, direction, span, None):
            ranges = {
                i: self._expected_range(self._objects.bank(i), time, with_empty)
                for i in through_time.objects_at(time)
            }
            begins = {i: begin for i, (_, begin, _) in ranges.items()}
            runs += self._up_and_down(time, begins, ranges)
        return runs

    def bounds(self, frame: int) -> tuple[int, int]:
        """Return the first and last plane of a frame's time point."""
        first = frame - frame % self._n_planes
        return first, first + self._n_planes - 1

    def _times(
        self,
        object_ids: Iterable[int],
        direction: PropagationDirection,
        span: tuple[int, int],
        start: int | None,
    ) -> Iterator[tuple[Run, int]]:
        """Plan runs through time, and list their time points."""
        n = self._n_planes
        times = {
            i: sorted({frame // n for frame in frames})
            for i, frames in self._objects.prompted(object_ids).items()
        }
        for run in whole_runs(direction, times, (span[0] // n, -(-span[1] // n)), start):
            for time in run.order():
                yield run, time

    def _up_and_down(
        self, time: int, begins: Mapping[int, int], ranges: Mapping[int, tuple[int, int, int]]
    ) -> Iterator[Run]:
        """Plan the runs through the planes of a time point; the first plane is on the way up."""
        at, n = time * self._n_planes, self._n_planes
        first = at + min((low for low, _, _ in ranges.values()), default=0)
        stop = at + max((high for _, _, high in ranges.values()), default=n - 1) + 1
        yield Run("forward", {i: range(at + begin, stop) for i, begin in begins.items()})
        yield Run(
            "backward", {i: range(at + begin - 1, first - 1, -1) for i, begin in begins.items()}
        )

    def _begin(self, bank: MemoryBank, time: int, direction: Direction, is_start: bool) -> int:
        """Choose the plane from which an object is propagated to the others of a time point."""
        # of both directions, the backward one starts beside where the forward one started
        source = time - 1 if direction == "forward" else time + 1
        prompted = self._planes_prompted(bank, time)
        if prompted and is_start:
            bank.entries.pop(time, None)
            return prompted[0]
        plane = prompted[0] if prompted else self._largest_plane(bank, source)
        if plane is None:  # lost: stay where it was
            lost_in = bank.entries.get(source)
            plane = self._n_planes // 2 if lost_in is None else lost_in.plane
        bank.entries[time] = Entry(source, plane)
        return plane

    def _largest_plane(self, bank: MemoryBank, time: int) -> int | None:
        """Find the plane in which an object is largest; None if it is absent from all."""
        areas = [_area(bank.get(time * self._n_planes + z)) for z in range(self._n_planes)]
        largest = max(areas)
        return areas.index(largest) if largest else None

    def _planes_prompted(self, bank: MemoryBank, time: int) -> list[int]:
        n = self._n_planes
        return [frame % n for frame in bank.prompted_frames() if frame // n == time]

    def _expected_range(
        self, bank: MemoryBank, time: int, with_empty: bool
    ) -> tuple[int, int, int]:
        """Estimate an object's first plane, the one where it begins, and its last plane."""
        n = self._n_planes
        times = [frame // n for frame in bank.prompted_frames()]
        nearest = min(times, key=lambda prompted: abs(prompted - time))
        planes = self._planes_prompted(bank, nearest)
        memories = [bank.latest(nearest * n + plane) for plane in planes]
        boxes = [None if memory is None else self._box_in_image(memory) for memory in memories]
        widths = [max(y1 - y0, x1 - x0) for y0, x0, y1, x1 in filter(None, boxes)]
        if with_empty or self._plane_step_px is None or not widths:
            return 0, planes[0], n - 1
        reach = math.ceil(max(widths) / 2 / self._plane_step_px) + MAX_GAP
        return max(0, planes[0] - reach), planes[0], min(n - 1, planes[-1] + reach)


def _area(memory: FrameMemory | None) -> int:
    """Count the positive logits of a frame."""
    if memory is None or memory.result().box is None:
        return 0
    return int((memory.result().unpacked_logits() > 0).sum())
