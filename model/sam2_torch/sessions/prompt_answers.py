"""Answer prompts: from what the user gave on a frame to the object's mask there.

Beyond the reference: where objects are seen in crop windows, an object that its window cuts off,
or whose mask has a low confidence, is segmented again in a larger window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.masks import SparseMask
from sam2_torch.memory.frame_memory import REJOINED_IOU, FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.prompts import (
    BoxPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    clicks_of,
    prompts_box,
)
from sam2_torch.sessions.prompt_changes import prompt_change
from sam2_torch.sessions.refinement import context
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
    base
        The mask that was there before the frame had prompts; clicks correct it. None if there
        was none.
    is_given
        Whether clicks correct a mask that the user gave.
    """

    prompts: tuple[Prompt, ...]
    choice: int
    points: PromptPoints
    memory: FrameMemory
    candidates: tuple[FrameMemory, ...]
    is_refined: bool
    base: FrameMemory | None = None
    is_given: bool = False

    def choose(self, choice: int) -> "PromptedFrame":
        """Return the same prompts with another candidate taken.

        Raises
        ------
        IndexError
            If there is no such candidate.
        """
        if not 0 <= choice < len(self.candidates):
            raise IndexError(f"candidate {choice}: expected 0..{len(self.candidates) - 1}")
        memory = self.candidates[choice]
        return replace(self, choice=choice, memory=memory, is_refined=False)


class PromptAnswers:
    """Answers prompts; changes nothing of what it is given.

    Parameters
    ----------
    tracker
        Segments.
    embeddings
        Of the frames.
    plain
        Whether to take the network's masks as they are, without `refinement`.
    """

    def __init__(self, tracker: Tracker, embeddings: FrameEncoder, plain: bool = False) -> None:
        self._tracker = tracker
        self._embeddings = embeddings
        self._plain = plain

    def update(  # noqa: PLR0913  # where, what was and what is to be
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: tuple[Prompt, ...],
        choice: int,
        in_use: Sequence[Crop | None],
        present: SparseMask | None = None,
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
        present
            The mask that was there before these prompts; None for that of the propagation.

        Returns
        -------
        PromptedFrame
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
        had = ((), 0) if before is None else (before.prompts, before.choice)
        change, found, excluded = prompt_change(*had, prompts, choice), before, None
        if change.first:
            first = self._joined(bank, frame, change.first, in_use)
            start = None if before is None else (before.base, before.is_given)
            if before is None and present and not self._plain:
                start = self._present(bank, frame, present, in_use)
            found, excluded = self.add(bank, frame, None, first, in_use, start=start), frame
        assert found is not None, "a frame without an answer starts afresh"
        if change.choice is not None:
            found = found.choose(change.choice)
        if change.then:
            found = self.add(bank, frame, found, change.then, in_use, excluded)
        only = prompts[0] if len(prompts) == 1 else None
        if isinstance(only, MaskPrompt):
            found.memory.mask = only.sparse
        return replace(
            found,
            prompts=prompts,
            choice=choice,
            is_refined=not change.first and change.choice is None,
        )

    def add(  # noqa: PLR0913  # where, what was and what comes on top
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: Sequence[Prompt],
        in_use: Sequence[Crop | None],
        excluded: int | None = None,
        start: tuple[FrameMemory | None, bool] | None = None,
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
            Those that are added; a box or a mask replaces earlier ones.
        in_use
            Crop windows of objects on the frame: near objects share them.
        excluded
            A frame that is no memory; `frame` itself where it is started afresh.
        start
            The mask to start from and whether it was given; None for that of the propagation.
        """
        base, is_given = start or (None, False)
        base = base or bank.unprompted(frame)
        if before is not None:
            base, is_given = before.base, before.is_given
        previous = base if before is None else before.memory
        excluded = frame if before is None else excluded
        crop = self._tracker.choose_crop(prompts_box(prompts), previous, in_use)
        kept, choice = tuple(prompts), 0
        only_clicks = all(isinstance(prompt, PointPrompt) for prompt in prompts)
        if before is not None and only_clicks:
            kept, choice = (*before.prompts, *prompts), before.choice
        present = previous if only_clicks and not self._plain else None
        beside = self._beside(present, kept, is_given)

        def ask(crop: Crop | None) -> list[FrameMemory]:
            if prompts and isinstance(prompts[0], MaskPrompt):
                return self._tracker.segment_mask(frame, prompts[0], crop)
            points = self._points(None if beside else before, beside or prompts, crop)
            return self._tracker.segment_points(bank, frame, points, previous, excluded, crop)

        crop, candidates = self._in_larger_crops(ask, crop)
        points = self._points(before, prompts, crop)
        if not self._plain:
            candidates = [
                self._tracker.refined(each, kept, present, is_given) for each in candidates
            ]
        is_given = is_given if only_clicks else isinstance(prompts[0], MaskPrompt)
        is_refined, all_found = before is not None, tuple(candidates)
        return PromptedFrame(
            kept, choice, points, candidates[0], all_found, is_refined, base, is_given
        )

    def _in_larger_crops(
        self, ask: Callable[[Crop | None], list[FrameMemory]], crop: Crop | None
    ) -> tuple[Crop | None, list[FrameMemory]]:
        """Ask in a crop window, and in larger ones where it does not do; return the best answer."""
        tries: list[tuple[Crop | None, list[FrameMemory]]] = []
        for _ in range(MAX_TRIES):
            candidates = ask(crop)
            larger = self._tracker.enlarged(candidates[0])
            if larger != crop:
                tries.clear()  # the window cut the object off
            tries.append((crop, candidates))
            if larger == crop and len(tries) <= MAX_LARGER and _iou(candidates) < LOW_IOU:
                larger = self._tracker.doubled(crop, candidates[0])
            if larger == crop:
                break
            crop = larger
        return max(tries, key=lambda answer: _iou(answer[1]))

    def _beside(
        self, present: FrameMemory | None, prompts: Sequence[Prompt], is_given: bool
    ) -> tuple[Prompt, ...]:
        """Return all prompts with what tells the network of the mask that is there; or none."""
        if present is None:
            return ()
        added = context(self._tracker.prediction(present).sparse, prompts, is_given)
        rows = clicks_of(prompts)
        return (*added, PointPrompt(rows[:, :2], rows[:, 2])) if added else ()

    def _present(
        self, bank: MemoryBank, frame: int, mask: SparseMask, in_use: Sequence[Crop | None]
    ) -> tuple[FrameMemory, bool]:
        """Return the memory of the mask that is there, and whether it is that of a given mask."""
        known = bank.unprompted(frame)
        if known is not None and self._tracker.prediction(known).sparse.iou(mask) >= REJOINED_IOU:
            return known, False
        crop = self._tracker.choose_crop(mask.box, None, in_use)
        (memory,) = self._tracker.segment_mask(frame, MaskPrompt(mask), crop)
        memory.mask = mask
        return memory, True

    def _points(
        self, before: PromptedFrame | None, prompts: Sequence[Prompt], crop: Crop | None
    ) -> PromptPoints:
        """Return earlier and new clicks and corners in the input that shows a crop window."""
        geometry, earlier = self._embeddings.geometry_of(crop), None
        if before is not None:
            old = self._embeddings.geometry_of(before.memory.crop)
            earlier = before.points.moved(old, geometry)
        return PromptPoints.of(prompts, geometry, earlier)

    def _joined(
        self,
        bank: MemoryBank,
        frame: int,
        prompts: tuple[Prompt, ...],
        in_use: Sequence[Crop | None],
    ) -> tuple[Prompt, ...]:
        """Replace several boxes by the union of their masks; other prompts stay as they are."""
        if len(prompts) == 1 or not all(isinstance(prompt, BoxPrompt) for prompt in prompts):
            return prompts
        parts = [self.add(bank, frame, None, (box,), in_use) for box in prompts]
        masks = [self._tracker.prediction(part.memory).sparse for part in parts]
        return (MaskPrompt(SparseMask.union(masks)),)


def _iou(candidates: Sequence[FrameMemory]) -> float:
    return candidates[0].result().iou
