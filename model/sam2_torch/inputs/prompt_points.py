"""Clicks and box corners of one object on one frame as tensors in the network's input."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam2_torch.inputs.transforms import InputGeometry
from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, TOP_LEFT
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt


@dataclass(frozen=True, eq=False)
class PromptPoints:
    """Clicks and box corners in the network's input.

    Parameters
    ----------
    points_xy
        (P, 2) float32 in the input's pixels.
    labels
        (P,) int32; 0 and 1 for clicks, 2 and 3 for the corners of a box, which come first.
    """

    points_xy: Tensor
    labels: Tensor

    @classmethod
    def of(
        cls,
        prompts: Sequence[Prompt],
        geometry: InputGeometry,
        before: "PromptPoints | None" = None,
    ) -> "PromptPoints":
        """Make the clicks and corners of prompts, after earlier ones; a box or a mask drops these.

        Parameters
        ----------
        prompts
            Points, one box with or without points, or one mask, which has no points.
        geometry
            How the image lies in the network's input.
        before
            Earlier clicks and corners in the same input; None for none.

        Raises
        ------
        ValueError
            If there is no prompt, a mask comes with others, there are two boxes, or a
            prompt lies outside of the image.
        """
        boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
        clicks = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
        masks = [prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]
        if not prompts:
            raise ValueError("prompt: expected at least one, found none")
        if len(boxes) + len(masks) > 1 or (masks and clicks):
            raise ValueError(
                "prompt: expected points, one box with or without points, or one mask; found "
                f"{len(clicks)} point prompts, {len(boxes)} boxes and {len(masks)} masks"
            )
        pieces = [] if before is None or boxes or masks else [before]
        pieces += [cls._box(box, geometry) for box in boxes]
        pieces += [cls._clicks(prompt, geometry) for prompt in clicks]
        empty = cls(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int32))
        return cls(
            torch.cat([empty.points_xy, *(piece.points_xy for piece in pieces)]),
            torch.cat([empty.labels, *(piece.labels for piece in pieces)]),
        )

    def moved(self, old: InputGeometry, new: InputGeometry) -> "PromptPoints":
        """Return the same clicks and corners in the input that shows another part of the image."""
        if old == new:
            return self
        return PromptPoints(new.to_input_xy(old.to_image_yx(self.points_xy)), self.labels)

    @classmethod
    def _box(cls, box: BoxPrompt, geometry: InputGeometry) -> "PromptPoints":
        height, width = geometry.image_shape
        corners = np.array([[box.y0, box.x0], [box.y1, box.x1]])
        inside = corners.clip(0, (height, width))
        if (inside[0] >= inside[1]).all():
            raise ValueError(
                f"box: expected it to meet the image of {height} x {width} pixels, found {box}"
            )
        labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], dtype=torch.int32)
        return cls(geometry.to_input_xy(inside), labels)

    @classmethod
    def _clicks(cls, prompt: PointPrompt, geometry: InputGeometry) -> "PromptPoints":
        height, width = geometry.image_shape
        inside = (prompt.points_yx >= -0.5) & (prompt.points_yx <= (height - 0.5, width - 0.5))
        if not inside.all():
            y, x = prompt.points_yx[~inside.all(1)][0]
            raise ValueError(
                f"point (row {y:g}, column {x:g}) is outside of the image "
                f"of {height} x {width} pixels"
            )
        return cls(geometry.to_input_xy(prompt.points_yx), torch.from_numpy(prompt.labels))
