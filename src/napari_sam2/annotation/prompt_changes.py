"""What was said of an object in a frame: compared, and said to a session."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

if TYPE_CHECKING:
    from sam2_torch.sessions.video_session import VideoSession


def added_clicks(before: Sequence[Prompt], after: Sequence[Prompt]) -> PointPrompt | None:
    """Find the clicks that turn `before` into `after`.

    Returns
    -------
    The new clicks; None if anything else changed, nothing is new, or nothing was before.
    """
    old, new = _clicks(before), _clicks(after)
    n = len(old)
    if not before or len(new) <= n or not np.array_equal(new[:n], old):
        return None
    if not _same(_others(before), _others(after)):
        return None
    return PointPrompt(new[n:, :2], new[n:, 2])


def say(
    session: "VideoSession",
    object_id: int,
    frame: int,
    prompts: Sequence[Prompt],
    choice: int | None = None,
) -> MaskPrediction:
    """Say all of an object in a frame, anew.

    A mask comes alone, what else there is refines it. Of several boxes each is segmented by
    itself, and their masks together are the object. A choice among what the first click can
    mean counts where there are clicks alone.

    Returns
    -------
    The mask after all prompts.
    """
    masks: list[Prompt] = [prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]
    boxes: list[Prompt] = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
    clicks: list[Prompt] = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
    if not masks and len(boxes) > 1:
        parts = [session.add_prompt(object_id, frame, box, replace=True).sparse for box in boxes]
        masks = [MaskPrompt(SparseMask.union(parts))]
    if choice and not (masks or boxes):
        return _say_chosen(session, (object_id, frame), _clicks(clicks), choice)
    first, then = (masks, clicks) if masks else ([*boxes, *clicks], [])
    prediction = session.add_prompt(object_id, frame, first, replace=True)
    return session.add_prompt(object_id, frame, then) if then else prediction


def _say_chosen(
    session: "VideoSession", key: ObjectFrame, clicks: np.ndarray, choice: int
) -> MaskPrediction:
    """Say the first of the clicks, (P, 3), choose what it means, and say the others."""
    session.add_prompt(*key, PointPrompt(clicks[:1, :2], clicks[:1, 2]), replace=True)
    prediction = session.choose_candidate(*key, choice)
    if len(clicks) > 1:
        prediction = session.add_prompt(*key, PointPrompt(clicks[1:, :2], clicks[1:, 2]))
    return prediction


def _clicks(prompts: Sequence[Prompt]) -> np.ndarray:
    rows = [
        np.column_stack([prompt.points_yx, prompt.labels])
        for prompt in prompts
        if isinstance(prompt, PointPrompt)
    ]
    return np.concatenate([np.zeros((0, 3)), *rows])  # (P, 3): y, x, label


def _others(prompts: Sequence[Prompt]) -> list[Prompt]:
    return [prompt for prompt in prompts if not isinstance(prompt, PointPrompt)]


def agree(one: Sequence[Prompt], other: Sequence[Prompt]) -> bool:
    """Tell whether prompts say the same, however they are split."""
    return np.array_equal(_clicks(one), _clicks(other)) and _same(_others(one), _others(other))


def _same(one: Sequence[Prompt], other: Sequence[Prompt]) -> bool:
    if len(one) != len(other):
        return False
    for a, b in zip(one, other, strict=True):
        if isinstance(a, MaskPrompt) and isinstance(b, MaskPrompt):
            if not a.sparse.equals(b.sparse):
                return False
        elif a != b:
            return False
    return True
