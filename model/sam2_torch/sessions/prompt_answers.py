"""Answer prompts: from what the user gave on a frame to the object's mask there.

Beyond the reference: where objects are seen in crop windows, an object that its window cuts off,
or whose mask has a low confidence, is segmented again in a larger window.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.masks import SparseMask
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.prompts import (
    BoxPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    added_clicks,
    clicks_of,
    extent,
    same_prompts,
)
from sam2_torch.sessions.tracker import Tracker

MAX_TRIES = 8  # windows for one prompt
MAX_LARGER, LOW_IOU = 2, 0.5  # how often a larger window is tried for a mask of low confidence


@dataclass(frozen=True, eq=False)
class PromptedFrame:
    """The prompts of one object on one frame, and the network's answer to them.

    Parameters
    ----------
    prompts
        As the user gave them.
    choice
        Which candidate of the first click was taken, 0 for the best.
    points
        All clicks and box corners in the network's input.
    memory
        The answer.
    candidates
        All masks that a single click can mean, best first; the answer alone after other prompts.
    is_refined
        Whether the answer builds on that to earlier prompts of this frame.
    given_mask
        The mask of a mask prompt that is to be kept to the pixel; None after other prompts.
    """

    prompts: tuple[Prompt, ...]
    choice: int
    points: PromptPoints
    memory: FrameMemory
    candidates: tuple[FrameMemory, ...]
    is_refined: bool
    given_mask: SparseMask | None = None

    def choose(self, choice: int) -> "PromptedFrame":
        """Take another candidate.

        Raises
        ------
        IndexError
            If there is no such candidate.
        """
        if not 0 <= choice < len(self.candidates):
            raise IndexError(f"alternative {choice}: expected 0..{len(self.candidates) - 1}")
        memory = self.candidates[choice]
        return replace(self, choice=choice, memory=memory, is_refined=False)


class Answers:
    """Answers prompts; changes nothing of what it is given.

    Parameters
    ----------
    tracker
        Segments.
    embeddings
        Of the frames.
    """

    def __init__(self, tracker: Tracker, embeddings: FrameEncoder) -> None:
        self._tracker = tracker
        self._embeddings = embeddings

    def update(  # where, what was and what is to be
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: tuple[Prompt, ...],
        choice: int,
        in_use: Sequence[Crop | None],
    ) -> PromptedFrame:
        """Answer all prompts of a frame, given the answer to those it had before.

        Parameters
        ----------
        bank, frame, in_use
            As for `add`.
        before
            The prompts until now; None if there are none.
        prompts, choice
            All prompts from now on, and the candidate of the first click to take.

        Returns
        -------
        With the memory of `before` itself if nothing changed.

        Raises
        ------
        ValueError
            If a prompt does not fit the frame.
        IndexError
            If there is no such candidate.
        """
        if any(not isinstance(prompt, PointPrompt) for prompt in prompts):
            choice = 0  # only clicks are ambiguous
        given = prompts[0].sparse if _is_one_mask(prompts) else None
        found = self._updated(bank, frame, before, prompts, choice, in_use)
        return replace(found, prompts=prompts, choice=choice, given_mask=given)

    def _updated(  # as `update`
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: tuple[Prompt, ...],
        choice: int,
        in_use: Sequence[Crop | None],
    ) -> PromptedFrame:
        if before is None:
            return self._anew(bank, frame, prompts, choice, in_use)
        if same_prompts(before.prompts, prompts):
            if before.choice == choice:
                return before
            if len(clicks_of(prompts)) == 1:
                return before.choose(choice)
        added = added_clicks(before.prompts, prompts) if before.choice == choice else None
        if added is None:
            return self._anew(bank, frame, prompts, choice, in_use)
        return self.add(bank, frame, before, (added,), in_use)

    def _anew(
        self,
        bank: MemoryBank,
        frame: int,
        prompts: tuple[Prompt, ...],
        choice: int,
        in_use: Sequence[Crop | None],
    ) -> PromptedFrame:
        """Answer all prompts of a frame, whatever it had before."""
        masks: tuple[Prompt, ...] = tuple(p for p in prompts if isinstance(p, MaskPrompt))
        boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
        clicks = tuple(prompt for prompt in prompts if isinstance(prompt, PointPrompt))
        if len(boxes) > 1 and not masks:
            parts = [self.add(bank, frame, None, (box,), in_use) for box in boxes]
            sparse = [self._tracker.prediction(part.memory).sparse for part in parts]
            masks = (MaskPrompt(SparseMask.union(sparse)),)
        first: tuple[Prompt, ...] = masks or (*boxes, *clicks)
        then: tuple[Prompt, ...] = clicks if masks else ()
        if choice:
            rows = clicks_of(clicks)  # (P, 3): y, x, label
            first = (PointPrompt(rows[:1, :2], rows[:1, 2]),)
            then = (PointPrompt(rows[1:, :2], rows[1:, 2]),) if len(rows) > 1 else ()
        found = self.add(bank, frame, None, first, in_use).choose(choice)
        if then:
            found = self.add(bank, frame, found, then, in_use, ignored=frame)
        return replace(found, is_refined=False)

    def add(  # where, what was and what comes on top
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: Sequence[Prompt],
        in_use: Iterable[Crop | None],
        ignored: int | None = None,
    ) -> PromptedFrame:
        """Answer prompts that come on top of others.

        Parameters
        ----------
        bank
            Memories of the object.
        frame
            Where it is prompted.
        before
            The prompts until now, whose mask is refined; None to start afresh.
        prompts
            Those that are added; a box or a mask starts afresh.
        in_use
            Crop windows on the frame that objects are seen in: near objects share them.
        ignored
            A frame whose prompts do not count as a memory; `frame` itself where it is started
            afresh.
        """
        previous = bank.unprompted(frame) if before is None else before.memory
        ignored = frame if before is None else ignored
        crop = self._tracker.choose_crop(extent(prompts), previous, list(in_use))
        tries: list[tuple[PromptPoints, FrameMemory]] = []
        for _ in range(MAX_TRIES):
            geometry = self._embeddings.seen(crop)
            earlier = None
            if before is not None:
                earlier = before.points.moved(self._embeddings.seen(before.memory.crop), geometry)
            points = PromptPoints.of(prompts, geometry, earlier)
            if isinstance(prompts[0], MaskPrompt):
                memory = self._tracker.segment_mask(frame, prompts[0], crop)
            else:
                memory = self._tracker.segment_points(bank, frame, points, previous, ignored, crop)
            larger = self._tracker.enlarged(memory)
            if larger != crop:
                tries.clear()  # the window cut the object off
            tries.append((points, memory))
            if larger == crop and len(tries) <= MAX_LARGER and memory.iou < LOW_IOU:
                larger = self._tracker.doubled(crop, memory)
            if larger == crop:
                break
            crop = larger
        points, memory = max(tries, key=lambda answer: answer[1].iou)
        candidates, memory.others = (memory, *memory.others), ()
        all_prompts, choice = tuple(prompts), 0
        if before is not None and all(isinstance(prompt, PointPrompt) for prompt in prompts):
            all_prompts, choice = (*before.prompts, *prompts), before.choice
        return PromptedFrame(all_prompts, choice, points, memory, candidates, before is not None)


def _is_one_mask(prompts: Sequence[Prompt]) -> TypeGuard[tuple[MaskPrompt]]:
    return len(prompts) == 1 and isinstance(prompts[0], MaskPrompt)
