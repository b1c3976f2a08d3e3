"""A movie of stacks: one prompt finds an object in all planes, and follows it through time.

Beyond the reference, which knows one axis. Within a time point the planes are a video; then
the object's largest plane is carried to the next time point, along which its other planes are
found again, each remembering its neighbour and itself at the time before.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sam2_torch.inputs.frames import Frames
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import (
    RECENT_MEMORIES,
    RECENT_POINTERS,
    Direction,
    MemoryBank,
    Selection,
    nearest_frames,
)
from sam2_torch.predictions import FrameResult
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.propagation_plan import Directions, Run, whole_runs
from sam2_torch.sessions.stack_session import MAX_GAP, StackSession


@dataclass
class VolumeBank(MemoryBank):
    """One object's memories in a movie of stacks; frames count all planes of all times.

    Attributes
    ----------
    n_planes
        Planes of each time point.
    sources
        From which time point the object was carried to another one.
    anchors
        The plane in which it was carried there.
    """

    n_planes: int = 1
    sources: dict[int, int] = field(default_factory=dict)
    anchors: dict[int, int] = field(default_factory=dict)

    @property
    def reach(self) -> int:
        """How many frames back an object remembers at most: planes of so many time points."""
        return super().reach * self.n_planes

    def times(self) -> list[int]:
        """List the time points that carry prompts, in order."""
        return sorted({frame // self.n_planes for frame in self.prompted_frames()})

    def nearest_time(self, time: int) -> int:
        """Find the time point with prompts that is nearest to one."""
        return min(self.times(), key=lambda prompted: abs(prompted - time))

    def planes_prompted(self, time: int) -> list[int]:
        """List the planes of a time point that carry prompts, in order."""
        n = self.n_planes
        return [frame % n for frame in self.prompted_frames() if frame // n == time]

    def largest_plane(self, time: int) -> int | None:
        """Find the plane in which the object is largest; None if it is in none."""
        areas = {plane: self._area(time * self.n_planes + plane) for plane in range(self.n_planes)}
        plane = max(areas, key=lambda plane: areas[plane])
        return plane if areas[plane] else None

    def carry(self, time: int, source: int, anchor: int) -> None:
        """Note where the object comes from, and let go of older memories."""
        self.sources[time], self.anchors[time] = source, anchor
        self.tracked.settle(lambda frame: frame // self.n_planes not in (time, source))

    def store(self, frame: int, memory: FrameMemory, direction: Direction) -> None:
        """Keep what was found; `carry` lets go of it."""
        self.tracked[frame] = memory
        self.directions[frame] = direction

    def select(
        self,
        frame: int,
        direction: Direction,
        n_frames: int,
        max_prompted: int | None = None,
        ignored: int | None = None,
    ) -> Selection:
        """Choose what the object sees from a plane.

        Prompted planes of the time point, the one in which it was carried there, the same
        plane at the time before, and the planes just passed. The plane that is carried sees
        itself at earlier times, and the nearest prompted ones.

        Parameters
        ----------
        frame, direction, n_frames, max_prompted, ignored
            As for `MemoryBank.select`; the direction is that through the planes.
        """
        time, plane = divmod(frame, self.n_planes)
        here = [f for f in self.prompted if f // self.n_planes == time and f != ignored]
        source = self.sources.get(time)
        if not here and source is not None and self.anchors[time] == plane:
            prompted = [f for f in self.prompted if f != ignored]
            step, least, most = (time - source) * self.n_planes, 0, n_frames - 1
        else:
            prompted = here
            step = 1 if direction == "forward" else -1
            least, most = time * self.n_planes, (time + 1) * self.n_planes - 1
        seen = nearest_frames(frame, prompted, max_prompted)
        seen = [*seen, *(f for f in self._neighbours(frame, source) if f not in seen)]
        ages = range(min(n_frames, RECENT_POINTERS + 1) - 1, 0, -1)
        passed = [
            (f, age)
            for age in ages
            if least <= (f := frame - step * age) <= most and self._was_passed(f, seen, ignored)
        ]
        spatial = [(f, 0) for f in seen]
        spatial += [(f, age) for f, age in passed if age <= RECENT_MEMORIES]
        return Selection(tuple(spatial), (*((f, 0) for f in seen), *reversed(passed)))

    def _neighbours(self, frame: int, source: int | None) -> list[int]:
        """List what was not prompted, but is seen as if it were."""
        time, plane = divmod(frame, self.n_planes)
        if source is None or self.anchors[time] == plane:
            return []
        frames = [time * self.n_planes + self.anchors[time], source * self.n_planes + plane]
        return [f for f in frames if self.remembered(f) is not None]

    def _area(self, frame: int) -> int:
        memory = self.remembered(frame)
        if memory is None or memory.box is None:
            return 0
        return int((memory.unpacked_logits() > 0).sum())


class VolumeSession(StackSession):
    """Segment objects in a movie of stacks, and follow them through depth and time.

    Parameters
    ----------
    model, options
        As for `VideoSession`.
    frames
        All planes of the first time point, then those of the second one, and so on.
    n_planes
        Planes of each time point. A frame's number is time * n_planes + plane.
    plane_step_px
        How many pixels two planes are apart; None if unknown. `runs` foresees by it how deep
        objects are. It changes no mask.

    Raises
    ------
    ValueError
        If the number of frames is no multiple of `n_planes`, or as for `VideoSession`.

    Notes
    -----
    `frames` of `propagate` stand for the time points in which they are. Within each, objects end
    in depth as in a `StackSession`.
    """

    def __init__(
        self,
        model: SAM2,
        frames: Frames,
        n_planes: int,
        *,
        plane_step_px: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, frames, **options)
        if n_planes < 1 or self.n_frames % n_planes:
            raise ValueError(
                f"n_planes: expected a number of planes that {self.n_frames} frames are a "
                f"multiple of, found {n_planes}"
            )
        if plane_step_px is not None and not 0 < plane_step_px < math.inf:
            raise ValueError(
                f"plane_step_px: expected a positive number of pixels, found {plane_step_px}"
            )
        self.n_planes = n_planes
        self._plane_step_px = plane_step_px

    def propagate_changes(
        self, *, object_ids: Iterable[int] | None = None
    ) -> Iterator[FrameResult]:
        """Follow those objects again whose prompts changed since they were last followed."""
        wanted = None if object_ids is None else set(object_ids)
        while changed := [
            i for i in self._prompted(self._changed) if wanted is None or i in wanted
        ]:
            self._changed = {i: f for i, f in self._changed.items() if i not in changed}
            yield from self._follow("both", changed, (0, self.n_frames), None)

    def frame_count(
        self,
        direction: Directions = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Estimate how many results `propagate` will yield.

        All planes of each time point; those between two objects that begin in different ones,
        twice. In later time points objects are taken to begin where they were prompted.
        """
        times = self._times(self._wanted(object_ids))
        count = 0
        for whole in whole_runs(direction, times, self._time_span(self._check_span(frames))):
            for time in whole.order():
                begins = [self._begin_foreseen(i, time) for i in _present(whole, time)]
                count += self.n_planes - min(begins) + max(begins)
        return count

    def _planned(
        self, direction: Directions, object_ids: list[int], span: tuple[int, int]
    ) -> list[Run]:
        """Foresee which planes objects will go through: two runs for each time point.

        From where each object begins up, and down. Through all planes, unless it is known how
        far they are apart: then an object is taken to be as deep as it is wide where it was
        prompted.
        """
        runs = []
        for whole in whole_runs(direction, self._times(object_ids), self._time_span(span)):
            for time in whole.order():
                reach = {i: self._reach(i, time) for i in _present(whole, time)}
                at = time * self.n_planes
                first = at + min(first for first, _, _ in reach.values())
                stop = at + max(last for _, _, last in reach.values()) + 1
                up = {i: range(at + begin, stop) for i, (_, begin, _) in reach.items()}
                down = {
                    i: range(at + begin - 1, first - 1, -1) for i, (_, begin, _) in reach.items()
                }
                runs += [Run("forward", up), Run("backward", down)]
        return runs

    def _reach(self, object_id: int, time: int) -> tuple[int, int, int]:
        """Foresee the first plane in which an object is found, that where it begins, the last."""
        bank, n = self._volume_bank(object_id), self.n_planes
        nearest = bank.nearest_time(time)
        planes = bank.planes_prompted(nearest)
        widths = []
        for plane in planes:
            memory = bank.latest(nearest * n + plane)
            box = None if memory is None else self._tracker.recall.box_in_image(memory)
            widths += [] if box is None else [max(box[2] - box[0], box[3] - box[1])]
        if self._plane_step_px is None or not widths:
            return 0, planes[0], n - 1
        reach = math.ceil(max(widths) / 2 / self._plane_step_px) + MAX_GAP
        return max(0, planes[0] - reach), planes[0], min(n - 1, planes[-1] + reach)

    def _begin_foreseen(self, object_id: int, time: int) -> int:
        bank = self._volume_bank(object_id)
        return bank.planes_prompted(bank.nearest_time(time))[0]

    def _surroundings(self, frame: int) -> tuple[int, int]:
        first = frame - frame % self.n_planes
        return first, first + self.n_planes - 1

    def _new_bank(self) -> VolumeBank:
        return VolumeBank(n_planes=self.n_planes)

    def _times(self, object_ids: list[int]) -> dict[int, list[int]]:
        return {i: self._volume_bank(i).times() for i in self._prompted(object_ids)}

    def _time_span(self, span: tuple[int, int]) -> tuple[int, int]:
        return span[0] // self.n_planes, -(-span[1] // self.n_planes)

    def _volume_bank(self, object_id: int) -> VolumeBank:
        bank = self._bank(object_id)
        assert isinstance(bank, VolumeBank)
        return bank

    def _follow(
        self, direction: Directions, object_ids: list[int], span: tuple[int, int], start: int | None
    ) -> Iterator[FrameResult]:
        first = None if start is None else start // self.n_planes
        times = self._times(object_ids)
        for run in whole_runs(direction, times, self._time_span(span), first):
            for time in run.order():
                come = {i: time != run.frames[i].start for i in _present(run, time)}
                yield from self._time_point(time, come, run.way)

    def _still_followed(self, object_ids: list[int]) -> list[int]:
        return [i for i in object_ids if i in self._banks and i not in self._changed]

    def _time_point(
        self, time: int, come: dict[int, bool], way: Direction
    ) -> Iterator[FrameResult]:
        """Find objects in all planes of a time point; some have come from another one."""
        begins: dict[int, int] = {}
        for object_id in self._still_followed(list(come)):
            self._bank(object_id).commit()
            begins[object_id] = self._begin(object_id, time, way, come[object_id])
        n = self.n_planes
        for planes, through in (range(n), "forward"), (range(n - 1, -1, -1), "backward"):
            order = range(time * n + planes[0], time * n + planes[-1] + planes.step, planes.step)
            with self.embeddings.reading_ahead(order):
                yield from self._sweep(time, begins, planes, through)  # type: ignore[arg-type]

    def _begin(self, object_id: int, time: int, way: Direction, has_come: bool) -> int:
        """Choose the plane from which an object is found in the others."""
        bank = self._volume_bank(object_id)
        # in both directions, the way back begins beside where the way forward began
        source = time - 1 if way == "forward" else time + 1
        prompted = bank.planes_prompted(time)
        if prompted and not has_come:
            bank.sources.pop(time, None)
            return prompted[0]
        anchor = prompted[0] if prompted else bank.largest_plane(source)
        if anchor is None:  # lost: wait where it was
            anchor = bank.anchors.get(source, self.n_planes // 2)
        bank.carry(time, source, anchor)
        return anchor

    def _sweep(
        self, time: int, begins: dict[int, int], planes: range, through: Direction
    ) -> Iterator[FrameResult]:
        """Go through the planes in one direction; the first plane belongs to the way forward."""
        self._set_out(begins)
        for plane in planes:
            running = [
                i
                for i in self._still_followed(list(begins))
                if (plane >= begins[i] if through == "forward" else plane < begins[i])
            ]
            if running:
                yield self._advance(time * self.n_planes + plane, running, through)


def _present(run: Run, time: int) -> list[int]:
    return [i for i, times in run.frames.items() if time in times]
