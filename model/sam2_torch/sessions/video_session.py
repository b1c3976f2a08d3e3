"""One movie with its objects: prompts on any frame, masks on every frame."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from time import monotonic
from typing import TypeVar

import torch

from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import Direction, MemoryBank, Selection
from sam2_torch.predictions import FrameResult
from sam2_torch.runtime.devices import release_freed_memory
from sam2_torch.runtime.interruption import Interrupted, interruptible
from sam2_torch.sessions.prompted_objects import PromptedMovie
from sam2_torch.sessions.propagation_plan import Directions, Run, correction_runs, ways, whole_runs

T = TypeVar("T")

REJOINED_IOU = 0.99
REJOINED_FRAMES = 3  # in a row
RELEASE_EVERY_S = 1.0


class VideoSession(PromptedMovie):
    """Segment objects in a movie or stack and follow them through it.

    Parameters
    ----------
    model
        From `load_sam2`.
    frames
        Anything with a length whose items are (H, W) or (H, W, 3) arrays of one shape and
        any real dtype (numpy, dask, zarr, a list); read one at a time, when needed.
    contrast
        Intensities that become black and white in every frame; if None, the percentiles
        0.1 and 99.9 of a few frames.
    cache_bytes
        How many bytes of image embeddings to keep on the model's device.
    embeddings
        Where to keep image embeddings on disk, too, for a second run of the same network on
        the same frames: nothing is encoded then. Masks are the same with it and without.
    max_prompted
        How many prompted frames an object sees at once, the nearest; None for all.
    resolution
        How many pixels of the network's input stand for one of the image: 1 for the image's
        own resolution. Each object is then seen in a window that follows it, which near
        objects share. None squeezes the whole frame into the input, as the reference does.

    Raises
    ------
    ValueError
        If the movie is empty, its first frame is no image, or the resolution is not positive.

    Notes
    -----
    Three choices differ from the reference `SAM2VideoPredictor`, which starts all objects
    at the earliest prompt of any, tracks corrected frames anew, and attends to all prompted
    frames: here each object runs from its own prompts (`propagate(start=...)` gives the
    reference's way), a corrected frame is a prompted frame, and `max_prompted` limits them.
    """

    def propagate(
        self,
        direction: Directions = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
        start: int | None = None,
    ) -> Iterator[FrameResult]:
        """Follow objects through the movie, one frame at a time.

        Closing the generator stops it and keeps what is done. Between two frames, prompts
        may be added and objects removed; what changed is run once more at the end.

        Parameters
        ----------
        direction
            "forward" runs each object from its first prompted frame on, "backward" from
            its last one, "both" from its first one in both directions.
        frames
            First frame and the one after the last; the whole movie if None.
        object_ids
            Which objects; all that have prompts if None.
        start
            Start all objects at this frame instead (as the reference does).

        Yields
        ------
        FrameResult
            Of each frame that was reached, prompted frames included.

        Raises
        ------
        ValueError
            If there is nothing to follow, or the range is empty.
        KeyError
            If an object does not exist or has no prompt.
        """
        wanted = self._wanted(object_ids)
        span = self._check_span(frames)
        if start is not None:
            self._check_frame(start)
        ways(direction)  # tell a wrong word now, not when the first frame is asked for
        return self._propagate(direction, span, wanted, object_ids is None, start)

    def propagate_changes(
        self, *, object_ids: Iterable[int] | None = None
    ) -> Iterator[FrameResult]:
        """Run again what changed prompts can have changed, and no more.

        Only objects whose prompts changed since they were last propagated run, from the
        changed frames in both directions, each until its new masks have rejoined the old
        ones (three frames in a row with an IoU of 0.99). Closing the generator stops it.

        Parameters
        ----------
        object_ids
            Which objects; all whose prompts changed if None.

        Yields
        ------
        FrameResult
            Of each frame that was run again.
        """
        wanted = None if object_ids is None else set(object_ids)
        while changed := {
            i: frames
            for i, frames in self._changed.items()
            if (wanted is None or i in wanted) and self._banks[i].prompted_frames()
        }:
            self._changed = {i: f for i, f in self._changed.items() if i not in changed}
            for run in correction_runs(changed, self.n_frames):
                yield from self._run(run)

    def look_around(
        self,
        object_id: int,
        frame: int,
        direction: Directions = "both",
        reach: int = 2,
        *,
        stop: Callable[[], bool] = bool,
    ) -> Iterator[FrameResult]:
        """Find how an object goes on in the frames next to one, and remember nothing of it.

        A propagation from that frame would find much the same; the frames that were encoded
        for this are not encoded again then.

        Parameters
        ----------
        object_id, frame
            An object, and a frame that it is known in.
        direction
            Which way.
        reach
            How many frames each way; fewer at the ends of the movie, and before the next frame
            that carries prompts of the object.
        stop
            Asked before each layer of the network: it ends at once when this says so.

        Yields
        ------
        FrameResult
            The next frames first, then the previous ones, each time the nearest first.

        Raises
        ------
        KeyError
            If there is no such object, or it is not known in this frame.
        """
        bank = self._bank(object_id).fork()
        if bank.remembered(frame) is None:
            raise KeyError(f"object {object_id} is not known in frame {frame}; prompt it there")
        try:
            for way, other in self._frames_around(frame, direction, reach, bank):
                with interruptible(self.model, stop), torch.inference_mode():
                    selection = self._tracker.select(bank, other, way)
                    self._tracker.track(other, [bank], selection, way)
                    prediction = self._tracker.prediction(bank.tracked[other])
                yield FrameResult(other, (object_id,), (prediction,))
        except Interrupted:
            return

    def _frames_around(
        self, frame: int, direction: Directions, reach: int, bank: MemoryBank
    ) -> Iterator[tuple[Direction, int]]:
        first, last = self._surroundings(frame)
        for way in ways(direction):
            order = range(frame + 1, min(frame + reach, last) + 1)
            if way == "backward":
                order = range(frame - 1, max(frame - reach, first) - 1, -1)
            for other in order:
                if other in bank.prompted:
                    break
                yield way, other

    def _surroundings(self, frame: int) -> tuple[int, int]:
        """First and last frame that an object goes to from a frame."""
        return 0, self.n_frames - 1

    def frame_count(
        self,
        direction: Directions = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Count the results that `propagate` will yield, if nothing is said meanwhile."""
        runs = self.runs(direction, frames=frames, object_ids=object_ids)
        return sum(len(run.order()) for run in runs)

    def runs(
        self,
        direction: Directions = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> list[Run]:
        """Plan which objects `propagate` will take through which frames."""
        return self._planned(direction, self._wanted(object_ids), self._check_span(frames))

    def _planned(
        self, direction: Directions, object_ids: list[int], span: tuple[int, int]
    ) -> list[Run]:
        return whole_runs(direction, self._prompted(object_ids), span)

    def _propagate(
        self,
        direction: Directions,
        span: tuple[int, int],
        wanted: list[int],
        everything: bool,
        start: int | None,
    ) -> Iterator[FrameResult]:
        targets = wanted
        while targets:
            for object_id in targets:
                self._changed.pop(object_id, None)
            yield from self._follow(direction, targets, span, start)
            changed = [i for i in self._changed if everything or i in wanted]
            targets = list(self._prompted(changed))

    def _follow(
        self, direction: Directions, object_ids: list[int], span: tuple[int, int], start: int | None
    ) -> Iterator[FrameResult]:
        """Follow objects through a span once, whatever is said meanwhile."""
        for run in whole_runs(direction, self._prompted(object_ids), span, start):
            yield from self._run(run)

    def _run(self, run: Run) -> Iterator[FrameResult]:
        """Follow the objects of a run, frame by frame.

        Where answers can be on their way while more is computed, each is handed out when the
        next frame has been begun; not in a run that each answer may end.
        """
        ahead = self.embeddings.steps.copies.overlap and not run.until_rejoined
        with closing(self._frames_begun(run)) as begun:
            for answer in one_late(begun) if ahead else begun:
                result = answer()
                if result.object_ids:
                    yield result

    def _frames_begun(self, run: Run) -> Generator[Callable[[], FrameResult], None, None]:
        """Let the network begin one frame of a run after the other."""
        agreed, released = dict.fromkeys(run.frames, 0), monotonic()
        with self.embeddings.reading_ahead(run.order()):
            for frame in run.order():
                if monotonic() - released > RELEASE_EVERY_S:
                    release_freed_memory()
                    released = monotonic()
                running = [
                    object_id
                    for object_id, frames in run.frames.items()
                    if frame in frames
                    and object_id in self._banks
                    and object_id not in self._changed  # it runs again later
                    and agreed[object_id] < REJOINED_FRAMES
                ]
                if not running:
                    continue
                before = {i: self._banks[i].latest(frame) for i in running if run.until_rejoined}
                yield self._begin_frame(frame, running, run.way)
                for i in (i for i in before if i in self._banks):
                    new = self._banks[i].latest(frame)
                    same = frame != run.frames[i].start and _agree(before[i], new)
                    agreed[i] = agreed[i] + 1 if same else 0

    def _begin_frame(
        self, frame: int, object_ids: list[int], way: Direction
    ) -> Callable[[], FrameResult]:
        """Let the network begin a frame; the result leaves out what has changed meanwhile."""
        found = self._find(frame, object_ids, way)

        def result() -> FrameResult:
            valid = {i: m for i, m in found.items() if i in self._banks and i not in self._changed}
            return self._result(frame, valid)

        return result

    def _advance(self, frame: int, object_ids: list[int], way: Direction) -> FrameResult:
        """Find the objects' masks in one frame."""
        return self._result(frame, self._find(frame, object_ids, way))

    @torch.inference_mode()
    def _find(self, frame: int, object_ids: list[int], way: Direction) -> dict[int, FrameMemory]:
        """Find the objects in one frame; equal memories go through the network together."""
        cohorts: dict[Selection, list[MemoryBank]] = {}
        for bank in (self._banks[i] for i in object_ids):
            bank.commit()
            if frame in bank.prompted:
                bank.directions[frame] = way
            else:
                cohorts.setdefault(self._tracker.select(bank, frame, way), []).append(bank)
        for selection, banks in cohorts.items():
            self._tracker.track(frame, banks, selection, way)
        return {i: self._banks[i].known(frame) for i in object_ids}

    @torch.inference_mode()
    def _result(self, frame: int, found: Mapping[int, FrameMemory]) -> FrameResult:
        """Make the masks of what was found."""
        masks = tuple(self._prediction((i, frame), memory) for i, memory in found.items())
        return FrameResult(frame, tuple(found), masks)

    def _prompted(self, object_ids: Iterable[int]) -> dict[int, list[int]]:
        """Find the prompted frames of those objects that have any."""
        frames = {i: self._banks[i].prompted_frames() for i in object_ids if i in self._banks}
        return {i: prompted for i, prompted in frames.items() if prompted}

    def _wanted(self, object_ids: Iterable[int] | None) -> list[int]:
        """Decide which objects to follow."""
        wanted = list(dict.fromkeys(self._banks if object_ids is None else object_ids))
        prompted = self._prompted(wanted)
        if object_ids is None and not prompted:
            raise ValueError("nothing to propagate: prompt an object on some frame first")
        for object_id in wanted if object_ids is not None else ():
            if object_id not in prompted:
                raise KeyError(f"object {object_id} has no prompt; prompt it on some frame first")
        return list(prompted)


def one_late(items: Iterator[T]) -> Iterator[T]:
    """Hand out each item when the next one has been made, or could not be."""
    waiting: list[T] = []
    try:
        for item in items:
            yield from waiting
            waiting = [item]
    except Exception:
        yield from waiting
        raise
    yield from waiting


def _agree(before: FrameMemory | None, now: FrameMemory | None) -> bool:
    """Tell whether a mask is as it was before, on the grid of the logits."""
    if before is None or now is None or before.crop != now.crop:
        return False
    old, new = before.unpacked_logits() > 0, now.unpacked_logits() > 0
    union = int((old | new).sum())
    return union == 0 or int((old & new).sum()) >= REJOINED_IOU * union
