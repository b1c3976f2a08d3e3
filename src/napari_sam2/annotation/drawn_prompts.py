"""Prompts as the user draws them, and the prompts of the network that follow from them."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sam2_torch.masks import SparseMask
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

CLICKS_PER_SCRIBBLE = 5  # the networks were trained with up to eight clicks

ObjectFrame: TypeAlias = tuple[int, int]
"""Object id and frame."""
Polygon: TypeAlias = tuple[tuple[float, float], ...]
"""Corners (y, x)."""
Click: TypeAlias = tuple[float, float, int]
"""y, x and label: 1 inside the object, 0 in the background."""


@dataclass(frozen=True)
class DrawnPrompts:
    """Drawn prompts of one object on one frame, in image pixels.

    Parameters
    ----------
    clicks
        (y, x, label) of each point, in the order of drawing.
    boxes
        (y0, x0, y1, x1) of each rectangle.
    outlines
        Corners (y, x) of each polygon, lasso and ellipse.
    scribbles
        Label of each line and path, 1 or 0, and its corners (y, x).
    painted
        The painted mask; None if nothing was painted.
    choice
        Index of the candidate mask of the first click that the user chose; None for the best.
    present
        The mask that was there before anything was drawn, which clicks correct; None if there
        was none.
    """

    clicks: tuple[Click, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    outlines: tuple[Polygon, ...] = ()
    scribbles: tuple[tuple[int, Polygon], ...] = ()
    painted: SparseMask | None = None
    choice: int | None = None
    present: SparseMask | None = None

    def __bool__(self) -> bool:
        return self.painted is not None or bool(
            self.clicks or self.boxes or self.outlines or self.scribbles
        )

    @property
    def is_mask(self) -> bool:
        """Whether these are the object's mask itself, which no click refines."""
        drawn = bool(self.outlines) or self.painted is not None
        return drawn and not (self.clicks or self.scribbles)

    def prompts(self, frame_shape: tuple[int, int]) -> tuple[Prompt, ...]:
        """Convert to prompts of the network.

        Outlines and the painted mask become one mask prompt; boxes beside them add nothing and
        are left out. A scribble becomes clicks along it.

        Parameters
        ----------
        frame_shape
            (H, W) in pixels.
        """
        prompts: list[Prompt] = []
        if self.outlines or self.painted is not None:
            parts = [_fill(outline, frame_shape) for outline in self.outlines]
            parts += [] if self.painted is None else [self.painted]
            prompts.append(MaskPrompt(SparseMask.union(parts)))
        else:
            prompts += [BoxPrompt(*box) for box in self.boxes]
        along = [click for label, path in self.scribbles for click in clicks_along(path, label)]
        clicks = np.array([*along, *self.clicks])
        if len(clicks):
            prompts.append(PointPrompt(clicks[:, :2], clicks[:, 2]))
        return tuple(prompts)


def clicks_along(path: Polygon, label: int) -> list[Click]:
    """Place clicks along a path at even distances, with one at each end.

    Parameters
    ----------
    path
        Corners (y, x).
    label
        Of the clicks, 1 or 0.

    Returns
    -------
    Up to `CLICKS_PER_SCRIBBLE` clicks, fewer on a path of few pixels.
    """
    corners = np.asarray(path, float)
    steps = np.hypot(*np.diff(corners, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    n = int(np.clip(np.ceil(at[-1]), 1, CLICKS_PER_SCRIBBLE))
    where = np.linspace(0, at[-1], n) if n > 1 else at[-1:] / 2
    y, x = (np.interp(where, at, corners[:, axis]) for axis in (0, 1))
    return [(float(row), float(column), label) for row, column in zip(y, x, strict=True)]


def _fill(outline: Polygon, frame_shape: tuple[int, int]) -> SparseMask:
    """Fill the part of an outline that lies in the frame."""
    from skimage.draw import polygon

    y, x = np.transpose(outline)
    rows, columns = polygon(y, x, frame_shape)  # type: ignore[no-untyped-call]
    if len(rows) == 0:
        return SparseMask.empty(frame_shape)
    top, left = int(rows.min()), int(columns.min())
    window = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), bool)
    window[rows - top, columns - left] = True
    return SparseMask.from_window(frame_shape, window, (top, left))
