"""Carry out a propagation: frame by frame, results as soon as they are there."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TypeAlias

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.memory.frame_memory import FrameMemory, masks_agree
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.runtime.devices import release_freed_memory
from sam2_torch.runtime.thread_pool import one_core_each
from sam2_torch.sessions.object_ends import ObjectEnds
from sam2_torch.sessions.prompted_objects import PromptedObjects
from sam2_torch.sessions.propagation_plan import Run
from sam2_torch.sessions.tracker import Tracker

REJOINED_FRAMES = 3  # in a row
RELEASE_EVERY_S = 1.0
MASKS_AT_ONCE = 8

PendingFrame: TypeAlias = Callable[[], FrameResult]
MapEach: TypeAlias = Callable[
    [Callable[[FrameMemory], MaskPrediction], Iterable[FrameMemory]], Iterable[MaskPrediction]
]


class Propagation:
    """Propagates objects through the frames of runs.

    Parameters
    ----------
    objects
        Prompts and memories; objects that change during a run leave it.
    tracker
        Segments.
    embeddings
        Of the frames.
    stack_bounds
        Returns the first and last plane of the stack that a frame is in, where objects end in
        depth; None where they do not end.
    overlap
        Whether results can be on their way to the host while the next frame is computed.
    """

    def __init__(
        self,
        objects: PromptedObjects,
        tracker: Tracker,
        embeddings: FrameEncoder,
        stack_bounds: Callable[[int], tuple[int, int]] | None,
        overlap: bool,
    ) -> None:
        self._objects, self._tracker, self._embeddings = objects, tracker, embeddings
        self._stack_bounds = stack_bounds
        self._overlap = overlap

    def run(self, run: Run) -> Iterator[FrameResult]:
        """Propagate the objects of a run through its frames.

        Yields
        ------
        FrameResult
            Of each frame. An error on a frame comes after the results of those before it.
        """
        n_agreed, released = dict.fromkeys(run.frames, 0), monotonic()
        ends = self._ends_of(run)
        # a result is handed out once the next frame was begun, so that the device never waits;
        # not where each result may be the last
        n_waiting = int(self._overlap and ends is None and not run.until_rejoined)
        begun: deque[PendingFrame] = deque()
        with self._making_masks() as each, self._embeddings.reading_ahead(run.order()):
            try:
                for frame in run.order():
                    if monotonic() - released > RELEASE_EVERY_S:
                        release_freed_memory()
                        released = monotonic()
                    banks = {
                        i: self._objects.bank(i)
                        for i in run.objects_at(frame)
                        if self._objects.is_unchanged(i) and n_agreed[i] < REJOINED_FRAMES
                    }
                    if not banks:
                        continue
                    before = {i: banks[i].latest(frame) for i in banks if run.until_rejoined}
                    there = {
                        i: bank
                        for i, bank in banks.items()
                        if ends is None or not ends.has_ended(i, frame)
                    }
                    found = self._tracker.track(frame, there, run.direction)
                    begun.append(partial(self._result, frame, tuple(banks), found, ends, each))
                    yield from _handed_out(begun, n_waiting)
                    for i, old in before.items():
                        agree = masks_agree(old, banks[i].latest(frame))
                        is_first = frame == run.frames[i].start
                        n_agreed[i] = n_agreed[i] + 1 if agree and not is_first else 0
            except Exception:
                yield from _handed_out(begun, 0)
                raise
            yield from _handed_out(begun, 0)

    @contextmanager
    def _making_masks(self) -> Iterator[MapEach]:
        """Offer a way to make the masks of a frame: several at once if they hold up the device."""
        if not self._overlap:
            yield map
            return
        with one_core_each(min(MASKS_AT_ONCE, os.cpu_count() or 1)) as pool:
            yield pool.map

    def _ends_of(self, run: Run) -> ObjectEnds | None:
        """Apply the rule for ends to a run in depth."""
        if self._stack_bounds is None or not run.order():
            return None
        first, last = self._stack_bounds(run.order()[0])
        prompted = {
            i: [f for f in self._objects.bank(i).prompted_frames() if first <= f <= last]
            for i in run.frames
            if i in self._objects.banks
        }
        return ObjectEnds(prompted, run.direction, self._tracker.absent())

    def _result(
        self,
        frame: int,
        object_ids: Sequence[int],
        found: Mapping[int, FrameMemory],
        ends: ObjectEnds | None,
        each: MapEach,
    ) -> FrameResult:
        """Make the masks of a frame, but for objects that changed meanwhile."""
        unchanged = [i for i in found if self._objects.is_unchanged(i)]
        predictions = each(self._tracker.prediction, [found[i] for i in unchanged])
        result = FrameResult(frame, tuple(unchanged), tuple(predictions))
        if ends is None:
            return result
        ended = {*object_ids} - {*found} | {*ends.ended_at(result)}
        for object_id in ended:
            self._objects.bank(object_id).tracked.pop(frame, None)
        return ends.with_absent(result, object_ids, ended)


def _handed_out(begun: deque[PendingFrame], n_waiting: int) -> Iterator[FrameResult]:
    """Yield the results of the frames begun first, until so many are left."""
    while len(begun) > n_waiting:
        result = begun.popleft()()
        if result.object_ids:
            yield result
