"""Points and Shapes layers -> prompts: what the user drew, by object and frame."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sam2.annotation.drawn_prompts import Click, DrawnPrompts, ObjectFrame, Polygon
from napari_sam2.layers.viewer.colours import NEGATIVE, POSITIVE, object_colour
from napari_sam2.layers.viewer.image_geometry import (
    FrameGeometry,
    full_resolution,
    keep_on,
    placement,
    to_image_pixels,
)
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari.layers import Image, Points, Shapes

OBJECT, LABEL = "object", "label"  # columns of the features: object id, and 1 or 0
NOBODY = 0  # whose a shape is that is still being drawn
SCRIBBLES = ("line", "path")
POINT_SIZE_PX = 13  # on the screen, whatever the zoom
RING = 0.3  # of its size
FAINT = 0.6  # opacity of a click whose mask is there
ELLIPSE_CORNERS = 64
DIGITS = 3  # a thousandth of a pixel: what is left below is rounding of the transforms


def make_points_layer(image: "Image", name: str) -> "Points":
    """Return an empty Points layer for clicks, placed like the image."""
    from napari.layers import Points

    points = Points(
        np.zeros((0, image.ndim)),
        ndim=image.ndim,
        name=name,
        features={OBJECT: np.zeros(0, int), LABEL: np.zeros(0, int)},
        size=_longest_side(image) / 40,
        border_width=RING,
        **placement(image),
    )
    keep_on(image, points)
    return points


def make_shapes_layer(image: "Image", name: str) -> "Shapes":
    """Return an empty Shapes layer for boxes and outlines, placed like the image."""
    from napari.layers import Shapes

    shapes = Shapes(
        ndim=image.ndim,
        name=name,
        features={OBJECT: np.zeros(0, int), LABEL: np.zeros(0, int)},
        face_color="transparent",
        edge_width=_longest_side(image) / 300,
        **placement(image),
    )
    keep_on(image, shapes)
    return shapes


def tag_points(points: "Points", indices: Iterable[int], object_id: int, label: int) -> None:
    """Say whose points these are and whether they are positive (1) or negative (0)."""
    features = points.features.copy()
    rows = np.arange(len(features))[list(indices)]  # napari counts added ones from the end
    features.loc[rows, [OBJECT, LABEL]] = object_id, label
    points.features = features.astype(int)


class ClickLooks(NamedTuple):
    """How clicks are drawn: diameters in data units, of usual and of each; which have masks."""

    usual: float
    sizes: NDArray[np.float64]
    has_mask: tuple[bool, ...]


def click_looks(
    image: "Image", geometry: FrameGeometry, points: "Points", masklets: Masklets, zoom: float
) -> ClickLooks:
    """Compute how large clicks are drawn: equally at any zoom, but at most half of their object.

    Parameters
    ----------
    image, geometry, points
        The image, its axes and the layer of clicks.
    masklets
        The masks.
    zoom
        Pixels on the screen for each unit of the world.
    """
    usual = POINT_SIZE_PX / (zoom * abs(points.scale[-1]))
    keys = [key for key, _ in _clicks(image, geometry, points)]
    known = {key: masklets.outline(*key) for key in set(keys) if key is not None}
    widths = {key: min(each.extent_yx) for key, each in known.items() if each and each.area}
    of_each = [None if key is None else widths.get(key) for key in keys]
    sizes = [usual if width is None else min(usual, width / 2) for width in of_each]
    return ClickLooks(usual, np.array(sizes, float), tuple(w is not None for w in of_each))


def resize_points(points: "Points", looks: ClickLooks) -> None:
    """Give points their sizes, where they differ by more than a tenth from what is drawn.

    `Points.canvas_size_limits` would keep them at any zoom, but leaves the rim as wide as it
    was, and the face disappears beneath it.
    """
    if not 0.9 < points.current_size / looks.usual < 1.1:
        points.current_size = looks.usual  # first: it resizes the selected ones
    if not np.allclose(np.asarray(points.size, float), looks.sizes, rtol=0.1):
        points.size = looks.sizes  # each change is sent to the graphics card


def style_points(points: "Points", has_mask: Sequence[bool]) -> None:
    """Draw positive clicks as rings, negative ones as crosses, faint once their mask is there."""
    positive = points.features[LABEL].to_numpy() == 1
    if not len(positive):
        return
    colours = np.stack([_rgba(POSITIVE if sign else NEGATIVE) for sign in positive])
    colours[:, 3] = np.where(has_mask, FAINT, 1)
    points.symbol = np.where(positive, "disc", "x")
    points.face_color = np.where(positive[:, None], 0, colours)
    points.border_color = colours


def tag_shapes(shapes: "Shapes", indices: Iterable[int], object_id: int, label: int = 1) -> None:
    """Say whose shapes these are; the label (1 or 0) counts for lines and paths."""
    features = shapes.features.copy()
    rows = np.arange(len(features))[list(indices)]
    features.loc[rows, [OBJECT, LABEL]] = object_id, label
    _set_features(shapes, features)
    style_shapes(shapes)


def match_features(shapes: "Shapes") -> None:
    """Remove features of shapes that are gone.

    Napari removes a shape of too few corners by itself, and leaves its features.
    """
    if len(shapes.features) > len(shapes.data):
        _set_features(shapes, shapes.features.iloc[: len(shapes.data)])


def style_shapes(shapes: "Shapes") -> None:
    """Draw each shape in the colour of its object; a scribble beside the object as such."""
    scribbled = np.isin(shapes.shape_type, SCRIBBLES) & (shapes.features[LABEL] == 0).to_numpy()
    colours = [
        _rgba(NEGATIVE) if beside else object_colour(i)
        for beside, i in zip(scribbled, shapes.features[OBJECT], strict=True)
    ]
    if colours:
        shapes.edge_color = np.stack(colours)


def read_prompts(
    image: "Image", geometry: FrameGeometry, points: "Points | None", shapes: "Shapes | None"
) -> dict[ObjectFrame, DrawnPrompts]:
    """Read the prompt layers, through world coordinates.

    Returns
    -------
    What is drawn, by (object id, frame). Points outside of the image and what lies
    on other planes than those of the movie is left out.
    """
    prompts: defaultdict[ObjectFrame, DrawnPrompts] = defaultdict(DrawnPrompts)
    if points is not None:
        for key, click in _clicks(image, geometry, points):
            if key is not None:
                prompts[key] = replace(prompts[key], clicks=(*prompts[key].clicks, click))
    if shapes is not None:
        for key, drawn in _shapes(image, geometry, shapes):
            if key is not None:
                prompts[key] = _with(prompts[key], drawn)
    return dict(prompts)


def draw_clicks(
    image: "Image",
    geometry: FrameGeometry,
    points: "Points",
    prompts: Mapping[ObjectFrame, DrawnPrompts],
) -> None:
    """Replace the clicks of these objects on these frames; the others stay."""
    keys = [key for key, _ in _clicks(image, geometry, points)]
    kept = [row for row, key in enumerate(keys) if key not in prompts]
    rows = [
        (*geometry.index(frame), y, x, object_id, label)
        for (object_id, frame), drawn in prompts.items()
        for y, x, label in drawn.clicks
    ]
    new = np.array(rows, float).reshape(len(rows), image.ndim + 2)
    before = points.features[[OBJECT, LABEL]].to_numpy()[kept]
    features = np.concatenate([before, new[:, -2:]]).astype(int)
    points.selected_data = set()
    points.data = np.concatenate([points.data[kept], to_image_pixels(new[:, :-2], image, points)])
    points.features = {OBJECT: features[:, 0], LABEL: features[:, 1]}


def draw_shapes(
    image: "Image",
    geometry: FrameGeometry,
    shapes: "Shapes",
    prompts: Mapping[ObjectFrame, DrawnPrompts],
) -> None:
    """Replace the shapes of these objects on these frames; the others stay."""
    keys = [key for key, _ in _shapes(image, geometry, shapes)]
    remove_items(shapes, [row for row, key in enumerate(keys) if key in prompts])
    for (object_id, frame), drawn in prompts.items():
        leading = geometry.index(frame)
        for kind, label, corners_yx in _outlined(drawn):
            corners = np.array([(*leading, *corner) for corner in corners_yx], float)
            shapes.add(to_image_pixels(corners, image, shapes), shape_type=kind)
            tag_shapes(shapes, [-1], object_id, label)


def remove_items(layer: "Points | Shapes", indices: list[int]) -> None:
    """Take points or shapes out of their layer."""
    if indices:
        layer.selected_data = set(indices)
        layer.remove_selected()
        layer.selected_data = set()


def stray_points(image: "Image", geometry: FrameGeometry, points: "Points") -> list[int]:
    """Return the indices of points that lie outside of the movie."""
    return [row for row, (key, _) in enumerate(_clicks(image, geometry, points)) if key is None]


def stray_shapes(image: "Image", geometry: FrameGeometry, shapes: "Shapes") -> list[int]:
    """Return the indices of finished shapes that are no prompt of any frame."""
    owners = shapes.features[OBJECT].to_numpy()
    keys = [key for key, _ in _shapes(image, geometry, shapes)]
    return [row for row, key in enumerate(keys) if key is None and owners[row] != NOBODY]


def _set_features(shapes: "Shapes", features: Any) -> None:
    shapes.features = features.astype(int)
    shapes.feature_defaults = {OBJECT: NOBODY, LABEL: 0}  # napari would repeat the last ones


def _clicks(
    image: "Image", geometry: FrameGeometry, points: "Points"
) -> Iterator[tuple[ObjectFrame | None, Click]]:
    """Iterate over the points: object id and frame of each; None if it is no prompt."""
    positions = to_image_pixels(points.data, points, image).round(DIGITS)
    rows = zip(positions, points.features[OBJECT], points.features[LABEL], strict=True)
    for position, object_id, label in rows:
        *leading, y, x = position.tolist()
        frame = geometry.frame_at(leading)
        is_prompt = frame is not None and _inside(y, x, geometry.frame_shape)
        yield (int(object_id), frame) if is_prompt else None, (y, x, int(label))  # type: ignore[misc]


def _shapes(
    image: "Image", geometry: FrameGeometry, shapes: "Shapes"
) -> Iterator[tuple[ObjectFrame | None, DrawnPrompts]]:
    """Iterate over the shapes: object id and frame of each; None if it is no prompt."""
    features = shapes.features
    rows = zip(shapes.data, shapes.shape_type, features[OBJECT], features[LABEL], strict=True)
    for vertices, kind, object_id, label in rows:
        corners = to_image_pixels(np.asarray(vertices), shapes, image).round(DIGITS)
        frames = {geometry.frame_at(corner) for corner in corners[:, :-2].tolist()}
        # drawn across the frames, in a view from the side, it is_prompt nothing of any one
        frame = frames.pop() if len(frames) == 1 else None
        drawn = _read_shape(kind, int(label), corners[:, -2:])
        within = _meets(corners[:, -2:], geometry.frame_shape)
        is_prompt = frame is not None and bool(drawn) and object_id != NOBODY and within
        yield (int(object_id), frame) if is_prompt else None, drawn  # type: ignore[misc]


def _read_shape(kind: str, label: int, corners_yx: NDArray[Any]) -> DrawnPrompts:
    low, high = corners_yx.min(0).tolist(), corners_yx.max(0).tolist()
    if low == high:  # a click without a drag
        return DrawnPrompts()
    if kind == "rectangle":
        return DrawnPrompts(boxes=((*low, *high),))
    outline = _ellipse(corners_yx) if kind == "ellipse" else corners_yx
    polygon = tuple(map(tuple, outline.tolist()))
    return (
        DrawnPrompts(scribbles=((label, polygon),))
        if kind in SCRIBBLES
        else DrawnPrompts(outlines=(polygon,))
    )


def _with(prompts: DrawnPrompts, drawn: DrawnPrompts) -> DrawnPrompts:
    return replace(
        prompts,
        boxes=prompts.boxes + drawn.boxes,
        outlines=prompts.outlines + drawn.outlines,
        scribbles=prompts.scribbles + drawn.scribbles,
    )


def _outlined(prompts: DrawnPrompts) -> Iterator[tuple[str, int, Polygon]]:
    """Iterate over the shapes to draw: kind, label and corners of each."""
    for y0, x0, y1, x1 in prompts.boxes:
        yield "rectangle", 1, ((y0, x0), (y0, x1), (y1, x1), (y1, x0))
    for outline in prompts.outlines:
        yield "polygon", 1, outline
    for label, path in prompts.scribbles:
        yield "path", label, path


def _rgba(colour: str) -> NDArray[np.float32]:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [1], np.float32)


def _longest_side(image: "Image") -> int:
    return max(full_resolution(image).shape[image.ndim - 2 : image.ndim])


def _inside(y: float, x: float, frame_shape: tuple[int, int]) -> bool:
    h, w = frame_shape
    return -0.5 <= y <= h - 0.5 and -0.5 <= x <= w - 0.5


def _meets(corners_yx: NDArray[Any], frame_shape: tuple[int, int]) -> bool:
    """Return whether the bounding box of corners, (N, 2) in pixels, overlaps the frame."""
    low, high = corners_yx.min(0), corners_yx.max(0)
    return bool((high > -0.5).all() and (low < np.array(frame_shape) - 0.5).all())


def _ellipse(box_yx: NDArray[Any]) -> NDArray[Any]:
    """Compute the outline of the ellipse in a box of (4, 2) corners, rotated and sheared too."""
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
    half_one, half_other = (box_yx[1] - box_yx[0]) / 2, (box_yx[3] - box_yx[0]) / 2
    return box_yx.mean(0) + np.cos(angle) * half_one + np.sin(angle) * half_other
