"""One movie with its objects: prompts on any frame, masks on every frame."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from sam2_torch.embeddings import CACHE_BYTES, FrameEncoder, Frames
from sam2_torch.memory_bank import Direction, FrameMemory, MemoryBank, Selection
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.prompt_points import PromptPoints
from sam2_torch.prompts import MaskPrompt, Prompt
from sam2_torch.sam2 import MAX_POINTERS, SAM2, Memories, Segmentation
from sam2_torch.transforms import Contrast, logits_to_masks

Directions: TypeAlias = Literal["forward", "backward", "both"]

MAX_PREVIOUS_LOGIT = 32.0
MAX_PROMPTED = 8
OBJECTS_AT_ONCE = 16
MEMORY_DTYPE = torch.bfloat16  # as in the reference; masks tell no difference


class VideoSession:
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
    max_prompted
        How many prompted frames an object sees at once, the nearest; None for all.

    Raises
    ------
    ValueError
        If the movie is empty or its first frame is no image.

    Notes
    -----
    Three choices differ from the reference `SAM2VideoPredictor`, which starts all objects
    at the earliest prompt of any, tracks corrected frames anew, and attends to all prompted
    frames: here each object runs from its own prompts (`propagate(start=...)` gives the
    reference's way), a corrected frame is a prompted frame, and `max_prompted` limits them.
    """

    def __init__(
        self,
        model: SAM2,
        frames: Frames,
        *,
        contrast: Contrast | None = None,
        cache_bytes: int = CACHE_BYTES,
        max_prompted: int | None = MAX_PROMPTED,
    ) -> None:
        self.model = model
        self._embeddings = FrameEncoder(model, frames, contrast, cache_bytes)
        self._max_prompted = max_prompted
        self._banks: dict[int, MemoryBank] = {}
        self._prompt_points: dict[tuple[int, int], PromptPoints] = {}
        self._changed: set[int] = set()

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._embeddings)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(H, W) of each frame."""
        return self._embeddings.geometry.shape

    @property
    def contrast(self) -> Contrast:
        """Intensities that become black and white."""
        return self._embeddings.contrast

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they were first prompted."""
        return tuple(self._banks)

    def prompted_frames(self, object_id: int) -> tuple[int, ...]:
        """List the frames on which an object has prompts, in order.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        return tuple(self._bank(object_id).prompted_frames())

    @torch.inference_mode()
    def add_prompt(
        self,
        object_id: int,
        frame: int,
        prompt: Prompt | Sequence[Prompt],
        *,
        replace: bool = False,
    ) -> MaskPrediction:
        """Say something about an object in a frame and get its mask there, at once.

        Points add up on a frame and refine the mask that is there; a box or a mask starts
        the frame anew. On a frame that was tracked already, this corrects the masklet:
        the next propagation starts from it, too.

        Parameters
        ----------
        object_id
            Label of the object, 1 or more; a new one makes a new object.
        frame
            Index of the frame.
        prompt
            A prompt, or several that belong together (a box and points).
        replace
            Whether to forget what was said of the object on this frame before.

        Raises
        ------
        ValueError
            If the object id is not positive, or a prompt does not fit the frame.
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        if object_id < 1:
            raise ValueError(f"object id: expected 1 or more (0 is background), found {object_id}")
        prompts = (prompt,) if not isinstance(prompt, Sequence) else tuple(prompt)
        bank = self._banks.get(object_id, MemoryBank())
        before = None if replace else self._prompt_points.get((object_id, frame))
        said = PromptPoints.of(prompts, self._embeddings.geometry, before)
        previous = bank.tracked.get(frame) if replace else bank.latest(frame)
        ignored = frame if replace else None
        if isinstance(prompts[0], MaskPrompt):
            mask = self._embeddings.geometry.mask_to_input(prompts[0])
            answer = self.model.segment_from_mask(self._embeddings[frame], mask)
        else:
            answer = self._segment_points(bank, frame, said, previous, ignored)
        memory, prediction = self._remember(answer, prompted=True)[0]
        if replace:
            bank.prompted.pop(frame, None)
        bank.pending[frame] = memory
        self._banks[object_id] = bank
        self._prompt_points[object_id, frame] = said
        self._changed.add(object_id)
        return prediction

    def _segment_points(
        self,
        bank: MemoryBank,
        frame: int,
        said: PromptPoints,
        previous: FrameMemory | None,
        ignored: int | None,
    ) -> Segmentation:
        """Segment from clicks and boxes, with what is remembered if the frame was tracked."""
        features, skips = self._embeddings[frame]
        direction = bank.directions.get(frame)
        others = [f for f in bank.prompted if f != ignored]
        if direction is not None and others:
            selection = self._select(bank, frame, direction, ignored)
            features = self.model.attend_to_memory(features, self._memories([bank], selection))
        else:
            features = self.model.without_memory(features)
        mask_logits = None
        if previous is not None:
            mask_logits = previous.unpacked_logits()[None, None].to(self.model.device)
            mask_logits = mask_logits.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT)
        points, labels = said.points_xy[None], said.labels[None]
        # one click is ambiguous: choose among three masks (the reference's multimask_max_pt_num)
        return self.model.segment(
            features, skips, (points, labels), mask_logits, multimask=points.shape[1] <= 1
        )

    def remove_prompts(self, object_id: int, frame: int) -> None:
        """Take back what was said of an object on a frame; its mask there stays.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._bank(object_id).forget_prompts(frame)
        self._prompt_points.pop((object_id, frame), None)
        self._changed.add(object_id)

    def remove_object(self, object_id: int) -> None:
        """Forget an object altogether, also while it is propagated.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._bank(object_id)
        del self._banks[object_id]
        self._changed.discard(object_id)
        for key in [key for key in self._prompt_points if key[0] == object_id]:
            del self._prompt_points[key]

    def reset(self) -> None:
        """Forget all objects; image embeddings are kept."""
        self._banks.clear()
        self._prompt_points.clear()
        self._changed.clear()

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
        _ways(direction)  # tell a wrong word now, not when the first frame is asked for
        return self._propagate(direction, span, wanted, object_ids is None, start)

    def frame_count(
        self,
        direction: Directions = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Count the results that `propagate` will yield, if nothing is said meanwhile."""
        span, wanted = self._check_span(frames), self._wanted(object_ids)
        plans = (self._plan(way, wanted, span, None, direction) for way in _ways(direction))
        return sum(max(map(len, plan.values()), default=0) for plan in plans)

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
            self._changed.difference_update(targets)
            for way in _ways(direction):
                yield from self._run(way, self._plan(way, targets, span, start, direction))
            scope = self._banks if everything else wanted
            changed = [i for i in scope if i in self._changed and i in self._banks]
            targets = [i for i in changed if self._banks[i].prompted_frames()]

    def _plan(
        self,
        way: Direction,
        object_ids: list[int],
        span: tuple[int, int],
        start: int | None,
        direction: Directions,
    ) -> dict[int, range]:
        """Lay out the frames that each object runs through in one direction."""
        plan = {}
        for object_id in object_ids:
            if object_id not in self._banks:
                continue
            prompted = self._banks[object_id].prompted_frames()
            first = start if start is not None else prompted[-1 if direction == "backward" else 0]
            if way == "forward":
                plan[object_id] = range(max(first, span[0]), span[1])
            else:
                # in both directions, the way forward has been to the first frame already
                first -= direction == "both"
                plan[object_id] = range(min(first, span[1] - 1), span[0] - 1, -1)
        return plan

    def _run(self, way: Direction, plan: Mapping[int, range]) -> Iterator[FrameResult]:
        """Follow the objects of a plan, frame by frame."""
        longest = max(plan.values(), key=len, default=range(0))
        for frame in longest:
            running = [i for i, frames in plan.items() if i in self._banks and frame in frames]
            running = [i for i in running if i not in self._changed]  # they run again later
            if running:
                yield self._advance(frame, running, way)

    @torch.inference_mode()
    def _advance(self, frame: int, object_ids: list[int], way: Direction) -> FrameResult:
        """Find the objects' masks in one frame; equal memories go through the network together."""
        predictions: dict[int, MaskPrediction] = {}
        cohorts: dict[Selection, list[int]] = {}
        for object_id in object_ids:
            bank = self._banks[object_id]
            bank.commit()
            if frame in bank.prompted:
                bank.directions[frame] = way
                predictions[object_id] = self._prediction(bank.prompted[frame])
            else:
                cohorts.setdefault(self._select(bank, frame, way), []).append(object_id)
        for selection, cohort in cohorts.items():
            for i in range(0, len(cohort), OBJECTS_AT_ONCE):
                chunk = cohort[i : i + OBJECTS_AT_ONCE]
                predictions.update(self._track(frame, chunk, selection, way))
        return FrameResult(frame, tuple(object_ids), tuple(predictions[i] for i in object_ids))

    def _track(
        self, frame: int, object_ids: list[int], selection: Selection, way: Direction
    ) -> dict[int, MaskPrediction]:
        """Segment objects by their memories, and remember the frame."""
        banks = [self._banks[i] for i in object_ids]
        embedding = self._embeddings[frame]
        memories = self._memories(banks, selection)
        features = self.model.attend_to_memory(embedding.features, memories)
        answer = self.model.segment(features, embedding.skips)
        spatial = self.model.encode_memory(
            embedding.features, answer.logits, answer.object_scores, binarize=False
        ).to(MEMORY_DTYPE)
        predictions = {}
        for i, (memory, prediction) in enumerate(self._remember(answer, prompted=False)):
            memory.spatial = spatial[i]
            banks[i].store(frame, memory, way)
            predictions[object_ids[i]] = prediction
        return predictions

    def _select(
        self, bank: MemoryBank, frame: int, way: Direction, ignored: int | None = None
    ) -> Selection:
        return bank.select(frame, way, self.n_frames, self._max_prompted, ignored)

    def _memories(self, banks: list[MemoryBank], selection: Selection) -> Memories:
        """Gather the selected memories of objects that remember the same frames."""
        spatial = [
            torch.stack([self._spatial(bank, frame) for bank in banks])
            for frame, _ in selection.spatial
        ]
        pointers = [
            torch.stack([self._pointer(bank, frame) for bank in banks])
            for frame, _ in selection.pointers
        ]
        width = self.model.config.d_model
        none = torch.empty(len(banks), 0, width, device=self.model.device)
        return Memories(
            spatial,
            [age for _, age in selection.spatial],
            torch.stack(pointers, dim=1) if pointers else none,
            [age for _, age in selection.pointers],
            min(self.n_frames, MAX_POINTERS) - 1,
        )

    def _spatial(self, bank: MemoryBank, frame: int) -> Tensor:
        """Get a frame's memory, encoding it from the frame's mask if it was let go."""
        memory = _known(bank, frame)
        if memory.spatial is None:
            scores = torch.tensor([memory.object_score], device=self.model.device)
            logits = memory.unpacked_logits()[None].to(self.model.device)
            features = self._embeddings[frame].features
            encoded = self.model.encode_memory(features, logits, scores, binarize=memory.prompted)
            memory.spatial = encoded[0].to(MEMORY_DTYPE)
        return memory.spatial

    def _pointer(self, bank: MemoryBank, frame: int) -> Tensor:
        memory = _known(bank, frame)
        if memory.device_pointer is None:
            memory.device_pointer = memory.pointer.to(self.model.device, self.model.dtype)
        return memory.device_pointer

    def _remember(
        self, answer: Segmentation, prompted: bool
    ) -> list[tuple[FrameMemory, MaskPrediction]]:
        """Bring an answer to the host, as a memory and as a prediction of each object."""
        logits, pointers = answer.logits.cpu(), answer.pointers.float().cpu()
        numbers = torch.stack((answer.ious, answer.object_scores)).cpu()
        remembered = []
        for i, (iou, score) in enumerate(numbers.T.tolist()):
            memory = FrameMemory(
                logits[i], iou, score, pointers[i], answer.pointers[i], prompted=prompted
            )
            remembered.append((memory, self._prediction(memory)))
        return remembered

    def _prediction(self, memory: FrameMemory) -> MaskPrediction:
        logits = memory.unpacked_logits()
        (mask,) = logits_to_masks(logits[None], self._embeddings.geometry)
        return MaskPrediction(mask, logits, memory.iou, memory.object_score)

    def _bank(self, object_id: int) -> MemoryBank:
        if object_id not in self._banks:
            raise KeyError(
                f"object {object_id}: expected one of {list(self._banks)}; prompt it first"
            )
        return self._banks[object_id]

    def _wanted(self, object_ids: Iterable[int] | None) -> list[int]:
        """Decide which objects to follow."""
        if object_ids is None:
            wanted = [i for i, bank in self._banks.items() if bank.prompted_frames()]
            if not wanted:
                raise ValueError("nothing to propagate: prompt an object on some frame first")
            return wanted
        wanted = list(dict.fromkeys(object_ids))
        for object_id in wanted:
            if not self.prompted_frames(object_id):
                raise KeyError(f"object {object_id} has no prompt; prompt it on some frame first")
        return wanted

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise IndexError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")

    def _check_span(self, frames: tuple[int, int] | None) -> tuple[int, int]:
        if frames is None:
            return 0, self.n_frames
        first, stop = frames
        if not 0 <= first < stop <= self.n_frames:
            raise ValueError(
                f"frames: expected 0 <= first < stop <= {self.n_frames}, found {first}:{stop}"
            )
        return first, stop


def _ways(direction: Directions) -> tuple[Direction, ...]:
    if direction == "both":
        return "forward", "backward"
    if direction in ("forward", "backward"):
        return (direction,)
    raise ValueError(f"direction: expected forward, backward or both, found {direction!r}")


def _known(bank: MemoryBank, frame: int) -> FrameMemory:
    memory = bank.remembered(frame)
    assert memory is not None, "only remembered frames are selected"
    return memory
