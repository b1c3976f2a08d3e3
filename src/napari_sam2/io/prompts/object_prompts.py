"""Prompts of one object on one frame, as files hold them."""

from dataclasses import dataclass

from sam2_torch.prompts import Prompt


@dataclass(frozen=True, eq=False)
class ObjectPrompts:
    """Prompts of one object on one frame, which are applied together.

    Parameters
    ----------
    object_id
        Label of the object, 1 or more.
    frame
        Index of the frame.
    prompts
        At least one.
    choice
        Which of the masks that a first click can mean; None for the best.
    """

    object_id: int
    frame: int
    prompts: tuple[Prompt, ...]
    choice: int | None = None
