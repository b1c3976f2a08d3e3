"""Points and Shapes layers -> prompts: what the user drew, by object and frame."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.layers.colours import NEGATIVE, POSITIVE, object_colour
from napari_sam2.layers.geometry import FrameGeometry, full_resolution, placement, to_image_pixels
from sam2_torch.predictions import SparseMask
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

if TYPE_CHECKING:
    from napari.layers import Image, Points, Shapes

OBJECT, LABEL = "object", "label"  # columns of the features: object id, and 1 or 0
POINT_SIZE_PX = 13  # on the screen, whatever the zoom
ELLIPSE_CORNERS = 64
DIGITS = 3  # a thousandth of a pixel: what is left below is rounding of the transforms

ObjectFrame: TypeAlias = tuple[int, int]
Polygon: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Marks:
    """What is drawn of one object in one frame, in image pixels.

    Parameters
    ----------
    clicks
        (y, x, label) of each point, in the order they were made.
    boxes
        (y0, x0, y1, x1) of each rectangle.
    outlines
        The corners (y, x) of each polygon, lasso and ellipse.
    painted
        The mask that was painted; None if it was not.
    """

    clicks: tuple[tuple[float, float, int], ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    outlines: tuple[Polygon, ...] = ()
    painted: SparseMask | None = None

    def prompts(self, frame_shape: tuple[int, int]) -> tuple[Prompt, ...]:
        """Turn the marks into prompts.

        Outlines and what is painted become one mask, which says more than a box could. Of
        several boxes the last one counts, for the network takes one for an object.
        """
        prompts: list[Prompt] = []
        if self.outlines or self.painted is not None:
            mask = _fill(self.outlines, frame_shape)
            if self.painted is not None:
                mask |= self.painted.to_dense()
            prompts.append(MaskPrompt(mask))
        elif self.boxes:
            prompts.append(BoxPrompt(*self.boxes[-1]))
        if self.clicks:
            clicks = np.array(self.clicks)
            prompts.append(PointPrompt(clicks[:, :2], clicks[:, 2]))
        return tuple(prompts)

    def beyond(self, before: "Marks") -> "Marks":
        """Leave out what was there before."""
        return Marks(
            tuple(click for click in self.clicks if click not in before.clicks),
            tuple(box for box in self.boxes if box not in before.boxes),
            tuple(outline for outline in self.outlines if outline not in before.outlines),
        )


def make_points_layer(image: "Image", name: str) -> "Points":
    """Make an empty Points layer for clicks, where the image is."""
    from napari.layers import Points

    return Points(
        np.zeros((0, image.ndim)),
        ndim=image.ndim,
        name=name,
        features={OBJECT: np.zeros(0, int), LABEL: np.zeros(0, int)},
        size=_longest_side(image) / 40,
        border_width=0.1,
        **placement(image),
    )


def make_shapes_layer(image: "Image", name: str) -> "Shapes":
    """Make an empty Shapes layer for boxes and outlines, where the image is."""
    from napari.layers import Shapes

    return Shapes(
        ndim=image.ndim,
        name=name,
        features={OBJECT: np.zeros(0, int)},
        face_color="transparent",
        edge_width=_longest_side(image) / 300,
        **placement(image),
    )


def tag_points(points: "Points", indices: Iterable[int], object_id: int, label: int) -> None:
    """Say whose points these are and whether they are positive (1) or negative (0)."""
    features = points.features.copy()
    rows = np.arange(len(features))[list(indices)]  # napari counts added ones from the end
    features.loc[rows, [OBJECT, LABEL]] = object_id, label
    points.features = features.astype(int)


def fit_points(points: "Points", zoom: float) -> None:
    """Draw the points equally large at any zoom.

    `Points.canvas_size_limits` would do so, but it leaves the rim as wide as it was, and
    the face disappears beneath it.
    """
    size = POINT_SIZE_PX / (zoom * abs(points.scale[-1]))
    if not 0.9 < points.current_size / size < 1.1:  # each change is sent to the graphics card
        points.size = size
        points.current_size = size


def style_points(points: "Points") -> None:
    """Draw each point by its features: symbol and face for the sign, rim for the object."""
    positive = points.features[LABEL].to_numpy() == 1
    if not len(positive):
        return
    points.symbol = np.where(positive, "disc", "x")
    points.face_color = [POSITIVE if sign else NEGATIVE for sign in positive]
    points.border_color = np.stack([object_colour(i) for i in points.features[OBJECT]])


def tag_shapes(shapes: "Shapes", indices: Iterable[int], object_id: int) -> None:
    """Say whose shapes these are."""
    features = shapes.features.copy()
    rows = np.arange(len(features))[list(indices)]
    features.loc[rows, OBJECT] = object_id
    shapes.features = features.astype(int)
    if len(features):
        shapes.edge_color = np.stack([object_colour(i) for i in features[OBJECT]])


def read_marks(
    image: "Image", geometry: FrameGeometry, points: "Points | None", shapes: "Shapes | None"
) -> dict[ObjectFrame, Marks]:
    """Read the prompt layers, through world coordinates.

    Returns
    -------
    What is drawn, by (object id, frame). Points outside of the image and what lies
    on other planes than those of the movie is left out, and so are lines and paths.
    """
    marks: defaultdict[ObjectFrame, Marks] = defaultdict(Marks)
    if points is not None:
        _read_points(image, geometry, points, marks)
    if shapes is not None:
        _read_shapes(image, geometry, shapes, marks)
    return dict(marks)


def _read_points(
    image: "Image",
    geometry: FrameGeometry,
    points: "Points",
    marks: defaultdict[ObjectFrame, Marks],
) -> None:
    positions = to_image_pixels(points.data, points, image).round(DIGITS)
    rows = zip(positions, points.features[OBJECT], points.features[LABEL], strict=True)
    for position, object_id, label in rows:
        *leading, y, x = position.tolist()
        frame = geometry.frame_at(leading)
        if frame is None or not _inside(y, x, geometry.frame_shape):
            continue
        key = (int(object_id), frame)
        marks[key] = replace(marks[key], clicks=(*marks[key].clicks, (y, x, int(label))))


def _read_shapes(
    image: "Image",
    geometry: FrameGeometry,
    shapes: "Shapes",
    marks: defaultdict[ObjectFrame, Marks],
) -> None:
    rows = zip(shapes.data, shapes.shape_type, shapes.features[OBJECT], strict=True)
    for vertices, kind, object_id in rows:
        corners = to_image_pixels(np.asarray(vertices), shapes, image).round(DIGITS)
        frame = geometry.frame_at(corners[0, :-2].tolist())
        key = (int(object_id), frame or 0)
        if frame is None or kind not in ("rectangle", "polygon", "ellipse"):
            continue
        corners_yx = corners[:, -2:]
        if kind == "rectangle":
            box = (*corners_yx.min(0).tolist(), *corners_yx.max(0).tolist())
            if box[:2] == box[2:]:  # a click without a drag
                continue
            marks[key] = replace(marks[key], boxes=(*marks[key].boxes, box))
        else:
            outline = _ellipse(corners_yx) if kind == "ellipse" else corners_yx
            polygon = tuple(map(tuple, outline.tolist()))
            marks[key] = replace(marks[key], outlines=(*marks[key].outlines, polygon))


def _longest_side(image: "Image") -> int:
    return max(full_resolution(image).shape[image.ndim - 2 : image.ndim])


def _inside(y: float, x: float, frame_shape: tuple[int, int]) -> bool:
    h, w = frame_shape
    return -0.5 <= y <= h - 0.5 and -0.5 <= x <= w - 0.5


def _ellipse(box_yx: NDArray[Any]) -> NDArray[Any]:
    """Go around the ellipse in a box, (4, 2) corners in order; turned and sheared ones too."""
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
    half_one, half_other = (box_yx[1] - box_yx[0]) / 2, (box_yx[3] - box_yx[0]) / 2
    return box_yx.mean(0) + np.cos(angle) * half_one + np.sin(angle) * half_other


def _fill(outlines: Sequence[Polygon], frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    from skimage.draw import polygon

    mask = np.zeros(frame_shape, bool)
    for outline in outlines:
        y, x = np.transpose(outline)
        mask[polygon(y, x, frame_shape)] = True  # type: ignore[no-untyped-call]
    return mask
