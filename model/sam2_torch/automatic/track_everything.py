"""Track everything: segment some frames and propagate what is found through the movie."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from sam2_torch.automatic.divisions import Division, division_score, find_splits
from sam2_torch.automatic.found_masks import AutomaticMask
from sam2_torch.automatic.mask_generator import Everything
from sam2_torch.automatic.options import TrackOptions
from sam2_torch.automatic.overlaps import covered_by, covered_shares, is_new, settle
from sam2_torch.inputs.frames import Frames
from sam2_torch.masks import SparseMask
from sam2_torch.memory.selection import Direction
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.prompts import MaskPrompt
from sam2_torch.sessions.video_session import VideoSession

Masks: TypeAlias = Mapping[int, SparseMask]

AT_ONCE = 4  # frames to follow before objects that ended are left out


@dataclass
class TrackedObject:
    """An object that was found and propagated.

    Attributes
    ----------
    object_id
        As in the session.
    seed_frame, seed
        Frame in which the object was found, and its mask there, which is its prompt.
    begin, end
        First and last frame in which it was seen.
    has_ended
        Whether it left, or coincides with another object.
    unseen, doubled
        Number of consecutive frames without a mask, and with a mask that coincides with another.
    """

    object_id: int
    seed_frame: int
    seed: AutomaticMask
    begin: int
    end: int
    has_ended: bool = False
    unseen: int = 0
    doubled: int = 0


class TrackStep(NamedTuple):
    """Progress and new masks.

    Attributes
    ----------
    done, total
        Finished steps, and all; the total grows where new objects are propagated backward.
    frame
        Index of the frame.
    masks
        Masks of the frame by object id; an empty mask means that the object is not there.
    predictions
        The predictions behind those that were propagated.
    found
        What was found behind the others, as far as it is known.
    """

    done: int
    total: int
    frame: int
    masks: dict[int, SparseMask]
    predictions: dict[int, MaskPrediction]
    found: Mapping[int, AutomaticMask] = MappingProxyType({})


class TrackEverything:
    """Find all objects of a movie and propagate them, forward and backward.

    Parameters
    ----------
    session
        A session of the movie; the objects are prompted in it with their masks.
    frames
        The same movie.
    options
        Seed frames and how to segment them; the defaults if None.
    new_id
        Returns the id of a new object; by default the next after the session's largest.
    known
        Returns the masks of existing objects in a frame by id: they are not found again.

    Attributes
    ----------
    objects
        What was found, by object id.
    masks
        All masks by (object id, frame), without overlaps; empty where an object is not seen.
    divisions
        Proposed divisions; nothing depends on them.
    """

    def __init__(
        self,
        session: VideoSession,
        frames: Frames,
        options: TrackOptions | None = None,
        *,
        new_id: Callable[[], int] | None = None,
        known: Callable[[int], Masks] = lambda frame: {},
    ) -> None:
        self.options = options or TrackOptions()
        self.objects: dict[int, TrackedObject] = {}
        self.masks: dict[tuple[int, int], SparseMask] = {}
        self.divisions: list[Division] = []
        self._session = session
        self._frames = frames
        ids = count(max(session.object_ids, default=0) + 1)
        self._new_id = new_id or (lambda: next(ids))
        self._known = known
        self._done = 0
        self._total = session.n_frames

    def run(self) -> Iterator[TrackStep]:
        """Find and propagate; closing the generator stops and keeps what was found."""
        n = self._session.n_frames
        step = n if self.options.seed_frames == "first" else self.options.every
        seeds = list(range(0, n, step))
        self._total = n + len(seeds)
        best_area = 0
        for start, stop in zip(seeds, [*seeds[1:], n], strict=True):
            area = sum(mask.area for mask in self._at(start).values())
            enough = area >= self.options.least_coverage * best_area > 0
            if not (self.options.seed_frames == "coverage" and enough):
                yield from self._seed(start)
                best_area = sum(mask.area for mask in self._at(start).values())
            # up to the next seed frame, in which the known objects must be known
            yield from self._propagate(range(start + 1, min(stop + 1, n)), self._alive(), "forward")

    def _alive(self) -> list[int]:
        return [i for i, tracked in self.objects.items() if not tracked.has_ended]

    def _at(self, frame: int) -> dict[int, SparseMask]:
        """Return the visible masks of a frame, those of known objects included."""
        found = {i: self.masks.get((i, frame)) for i in self.objects}
        masks = {**self._known(frame), **found}
        return {i: mask for i, mask in masks.items() if mask}

    def _seed(self, frame: int) -> Iterator[TrackStep]:
        """Segment a frame, and propagate new objects backward to where they come from."""
        everything = Everything(
            self._session.model,
            self._frames[frame],
            self.options.everything,
            contrast=self._session.contrast,
            embedding=self._session.embedding(frame),
        )
        with closing(everything.run()) as run:  # type: ignore[type-var]
            for _ in run:
                yield self._step(frame, {}, {}, count=False)
        new = self._spawn(frame, everything.masks())
        yield self._step(frame, {i: self.masks[i, frame] for i in new}, {})
        if new and frame > 0:
            before = self._total
            self._total += frame
            yield from self._propagate(range(frame - 1, -1, -1), new, "backward")
            self._total = before
            self._done = min(self._done, before)
            for i in new:
                self.objects[i].has_ended = False
                self.objects[i].unseen = self.objects[i].doubled = 0

    def _spawn(self, frame: int, found: list[AutomaticMask]) -> list[int]:
        """Create objects from masks that no object covers, and from parts of a divided one."""
        masks = [one.sparse for one in found]
        others = self._at(frame)
        shares, _ = covered_shares(masks, others)
        fresh = is_new(shares, self.options.max_covered)
        splits = find_splits(masks, shares, others) if frame > 0 else {}
        numbers = fresh.nonzero()[0].tolist()
        own = {i: pair for i, pair in splits.items() if i in self.objects}
        numbers += [number for pair in own.values() for number in pair]
        ids = {number: self._add(frame, found[number]) for number in dict.fromkeys(numbers)}
        for mother, (one, other) in own.items():
            score = division_score(others[mother], (masks[one], masks[other]))
            division = Division(frame - 1, mother, (ids[one], ids[other]), score)
            self.divisions.append(division)
            self._end(mother, frame)
        return [ids[number] for number in fresh.nonzero()[0].tolist()]

    def _add(self, frame: int, seed: AutomaticMask) -> int:
        object_id = self._new_id()
        self._session.add_prompt(object_id, frame, MaskPrompt(seed.sparse))
        self.objects[object_id] = TrackedObject(object_id, frame, seed, frame, frame)
        self.masks[object_id, frame] = seed.sparse
        return object_id

    def _end(self, object_id: int, frame: int) -> None:
        """Let an object end before a frame, and drop its masks from there on."""
        tracked = self.objects[object_id]
        tracked.has_ended, tracked.end = True, max(frame - 1, tracked.begin)
        for key in [key for key in self.masks if key[0] == object_id and key[1] >= frame]:
            del self.masks[key]

    def _propagate(
        self, frames: range, ids: list[int], direction: Direction
    ) -> Iterator[TrackStep]:
        """Propagate objects; end those that left or coincide with another."""
        for at in range(0, len(frames), AT_ONCE):
            chunk = frames[at : at + AT_ONCE]
            alive = [i for i in ids if not self.objects[i].has_ended]
            if not alive:
                self._done += len(frames) - at
                return
            span = min(chunk), max(chunk) + 1
            results = self._session.propagate(direction, frames=span, object_ids=alive)
            with closing(results):  # type: ignore[type-var]
                for result in results:
                    yield self._take(result, direction)

    def _take(self, result: FrameResult, direction: Direction) -> TrackStep:
        frame = result.frame
        predictions = dict(zip(result.object_ids, result.predictions, strict=True))
        predictions = {i: p for i, p in predictions.items() if not self.objects[i].has_ended}
        masks, doubled = settle(predictions)
        if direction == "backward":
            self._meet(frame, masks)
        else:
            others = {i: mask for i, mask in self._at(frame).items() if i not in predictions}
            doubled |= set(covered_by(masks, others))
        for i, mask in masks.items():
            self._note(i, frame, mask, i in doubled, direction)
        kept = {i: self.masks[i, frame] for i in masks if (i, frame) in self.masks}
        return self._step(frame, kept, {i: predictions[i] for i in kept})

    def _note(
        self, object_id: int, frame: int, mask: SparseMask, is_double: bool, direction: Direction
    ) -> None:
        """Store a mask; after `patience` frames without one, or doubled, end the object."""
        tracked, patience = self.objects[object_id], self.options.patience
        if tracked.has_ended:  # it met the one that it comes from
            return
        self.masks[object_id, frame] = mask
        tracked.unseen = 0 if mask else tracked.unseen + 1
        tracked.doubled = tracked.doubled + 1 if is_double else 0
        if mask and not is_double:
            tracked.begin, tracked.end = min(tracked.begin, frame), max(tracked.end, frame)
        if max(tracked.unseen, tracked.doubled) < patience:
            return
        tracked.has_ended = True
        step = 1 if direction == "backward" else -1
        for back in range(patience):
            self.masks.pop((object_id, frame + back * step), None)

    def _meet(self, frame: int, masks: Masks) -> None:
        """End new objects, on their way back, where they come from known ones."""
        others = {i: mask for i, mask in self._at(frame).items() if i not in masks}
        for i, mother in covered_by(masks, others).items():
            tracked = self.objects[i]
            tracked.has_ended = True
            here, after = others[mother], self._at(frame + 1)
            if mother in after and i in after:
                score = division_score(here, (after[mother], after[i]))
                self.divisions.append(Division(frame, mother, (mother, i), score))

    def _step(
        self, frame: int, masks: dict[int, SparseMask], predictions: Any, count: bool = True
    ) -> TrackStep:
        self._done += count
        self._total = max(self._total, self._done)
        return TrackStep(self._done, self._total, frame, masks, predictions)
