"""Answer prompts: from what the user gave on a frame to the object's mask there.

Beyond the reference: where objects are seen in crop windows, an object that its window cuts off,
or whose mask has a low confidence, is segmented again in a larger window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.masks import SparseMask
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt, prompts_box
from sam2_torch.sessions.prompt_changes import prompt_change
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
            found, excluded = self.add(bank, frame, None, first, in_use), frame
        assert found is not None, "a frame without an answer starts afresh"
        if change.choice is not None:
            found = found.choose(change.choice)
        if change.then:
            found = self.add(bank, frame, found, change.then, in_use, excluded)
        only = prompts[0] if len(prompts) == 1 else None
        return replace(
            found,
            prompts=prompts,
            choice=choice,
            is_refined=not change.first and change.choice is None,
            given_mask=only.sparse if isinstance(only, MaskPrompt) else None,
        )

    def add(  # where, what was and what comes on top
        self,
        bank: MemoryBank,
        frame: int,
        before: PromptedFrame | None,
        prompts: Sequence[Prompt],
        in_use: Sequence[Crop | None],
        excluded: int | None = None,
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
        """
        previous = bank.unprompted(frame) if before is None else before.memory
        excluded = frame if before is None else excluded
        crop = self._tracker.choose_crop(prompts_box(prompts), previous, in_use)
        tries: list[tuple[PromptPoints, list[FrameMemory]]] = []
        for _ in range(MAX_TRIES):
            points = self._points(before, prompts, crop)
            if isinstance(prompts[0], MaskPrompt):
                candidates = self._tracker.segment_mask(frame, prompts[0], crop)
            else:
                candidates = self._tracker.segment_points(
                    bank, frame, points, previous, excluded, crop
                )
            larger = self._tracker.enlarged(candidates[0])
            if larger != crop:
                tries.clear()  # the window cut the object off
            tries.append((points, candidates))
            if larger == crop and len(tries) <= MAX_LARGER and _iou(candidates) < LOW_IOU:
                larger = self._tracker.doubled(crop, candidates[0])
            if larger == crop:
                break
            crop = larger
        points, candidates = max(tries, key=lambda answer: _iou(answer[1]))
        kept, choice = tuple(prompts), 0
        if before is not None and all(isinstance(prompt, PointPrompt) for prompt in prompts):
            kept, choice = (*before.prompts, *prompts), before.choice
        return PromptedFrame(
            kept, choice, points, candidates[0], tuple(candidates), before is not None
        )

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
