"""What changed between two lists of prompts of one object on one frame: pure decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt, clicks_of


@dataclass(frozen=True)
class PromptChange:
    """What to do to bring a frame from its prompts so far to others, in this order.

    Parameters
    ----------
    first
        Prompts to start afresh with; empty to keep the mask that is there.
    choice
        The candidate to take after that; None to take the mask as it is.
    then
        Clicks that refine the mask; empty for none.
    """

    first: tuple[Prompt, ...] = ()
    choice: int | None = None
    then: tuple[Prompt, ...] = ()


def prompt_change(
    before: tuple[Prompt, ...], choice_before: int, prompts: tuple[Prompt, ...], choice: int
) -> PromptChange:
    """Resolve how to answer all prompts of a frame, given those answered so far.

    Parameters
    ----------
    before, choice_before
        The prompts so far, none if the frame has no answer, and the candidate taken.
    prompts, choice
        All prompts from now on, at least one, and the candidate of the first click to take.
    """
    if before and same_prompts(before, prompts):
        if choice == choice_before:
            return PromptChange()
        if len(clicks_of(prompts)) == 1:
            return PromptChange(choice=choice)
    if choice == choice_before:
        added = added_clicks(before, prompts)
        if added is not None:
            return PromptChange(then=(added,))
    masks: tuple[Prompt, ...] = tuple(p for p in prompts if isinstance(p, MaskPrompt))
    boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
    clicks = tuple(prompt for prompt in prompts if isinstance(prompt, PointPrompt))
    if choice:  # the first click by itself: only then has it candidates
        rows = clicks_of(clicks)  # (P, 3): y, x, label
        rest = (PointPrompt(rows[1:, :2], rows[1:, 2]),) if len(rows) > 1 else ()
        return PromptChange((PointPrompt(rows[:1, :2], rows[:1, 2]),), choice, rest)
    if masks or len(boxes) > 1:
        return PromptChange(masks or tuple(boxes), None, clicks)
    return PromptChange((*boxes, *clicks))


def added_clicks(before: Sequence[Prompt], after: Sequence[Prompt]) -> PointPrompt | None:
    """Find the clicks that turn `before` into `after`.

    Returns
    -------
    The new clicks; None if anything else changed, nothing is new, or `before` is empty.
    """
    old, new = clicks_of(before), clicks_of(after)
    n = len(old)
    if not before or len(new) <= n or not np.array_equal(new[:n], old):
        return None
    if not _same_shapes(before, after):
        return None
    return PointPrompt(new[n:, :2], new[n:, 2])


def same_prompts(one: Sequence[Prompt], other: Sequence[Prompt]) -> bool:
    """Return whether two lists of prompts are equal, however their clicks are grouped."""
    return np.array_equal(clicks_of(one), clicks_of(other)) and _same_shapes(one, other)


def _same_shapes(one: Sequence[Prompt], other: Sequence[Prompt]) -> bool:
    """Return whether boxes and masks are equal."""
    boxes, masks = (
        [[prompt for prompt in prompts if isinstance(prompt, kind)] for prompts in (one, other)]
        for kind in (BoxPrompt, MaskPrompt)
    )
    same_masks = len(masks[0]) == len(masks[1]) and all(
        a.sparse.equals(b.sparse) for a, b in zip(*masks, strict=True)
    )
    return boxes[0] == boxes[1] and same_masks
