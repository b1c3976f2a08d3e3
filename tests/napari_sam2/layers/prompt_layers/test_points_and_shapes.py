"""What is drawn in Points and Shapes layers, as prompts in image pixels."""

import numpy as np
import pytest
from napari.layers import Points, Shapes

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.layers.prompt_layers.points_and_shapes import (
    click_looks,
    draw_clicks,
    draw_shapes,
    make_points_layer,
    make_shapes_layer,
    read_prompts,
    resize_points,
    style_points,
    tag_points,
    tag_shapes,
)
from napari_sam2.layers.viewer.colours import NEGATIVE, POSITIVE, object_colour
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt


@pytest.fixture
def points(movie):
    points = make_points_layer(movie, "clicks")
    points.add([[2, 10, 30], [2, 11, 31], [3, 12, 32.5]])
    tag_points(points, [0], 1, 1)
    tag_points(points, [1], 1, 0)
    tag_points(points, [-1], 2, 1)
    return points


def read(movie, points=None, shapes=None):
    return read_prompts(movie, FrameGeometry.of(movie), points, shapes)


def test_points_by_object_and_frame(movie, points):
    assert read(movie, points) == {
        (1, 2): DrawnPrompts(clicks=((10, 30, 1), (11, 31, 0))),
        (2, 3): DrawnPrompts(clicks=((12, 32.5, 1),)),
    }


def test_points_of_a_layer_that_lies_elsewhere(movie):
    """World coordinates count: this layer has no scale, so its data are the world's."""
    points = Points([[4, 10 + 0.5 * 7, 20 + 0.25 * 50]], features={"object": [1], "label": [1]})
    assert read(movie, points) == {(1, 2): DrawnPrompts(clicks=((7, 50, 1),))}


def test_points_outside_are_left_out(movie, points):
    points.data = [[2, -0.6, 5], [2, 5, 59.4], [5, 5, 5]]
    assert read(movie, points) == {(1, 2): DrawnPrompts(clicks=((5, 59.4, 0),))}


def test_clicks_are_rings_and_crosses_that_fade_once_their_mask_is_there(points):
    style_points(points, (False, True, False))
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x", "disc"]
    rim = [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in (POSITIVE, NEGATIVE)]
    np.testing.assert_allclose(points.border_color[:2, :3], rim, atol=1e-6)
    assert points.border_color[1, 3] < points.border_color[0, 3] == 1
    np.testing.assert_allclose(points.face_color[[0, 2], 3], 0)  # the image is seen in a ring


def test_clicks_are_equally_large_at_any_zoom_and_at_most_half_of_their_object(movie, points):
    geometry, masklets = FrameGeometry.of(movie), Masklets(6, (40, 60))
    (key, *_), _ = zip(*read(movie, points).items(), strict=True)
    small = np.zeros((40, 60), bool)
    small[10:16, 20:28] = True
    masklets.paint(*key, small)

    def sizes_px(zoom):
        resize_points(points, click_looks(movie, geometry, points, masklets, zoom))
        return points.size * points.scale[-1] * zoom

    first, second, other = sizes_px(100)
    assert first == second == other
    first, second, third = sizes_px(0.5)
    np.testing.assert_allclose(third, other)
    np.testing.assert_allclose([first, second], 0.5 * 6 * points.scale[-1] / 2)
    points.add([0, 1, 1])
    assert points.size[-1] == points.size[2]


@pytest.fixture
def shapes(movie):
    return make_shapes_layer(movie, "boxes")


def corners(y0, x0, y1, x1, frame=2):
    return np.array([[frame, y0, x0], [frame, y0, x1], [frame, y1, x1], [frame, y1, x0]])


def test_a_rectangle_is_a_box(movie, shapes):
    shapes.add_rectangles([corners(5, 8, 15, 40), corners(6, 9, 16, 41)])
    tag_shapes(shapes, [0, 1], 3)
    marks = read(movie, shapes=shapes)[3, 2]
    assert marks.boxes == ((5, 8, 15, 40), (6, 9, 16, 41))
    assert marks.prompts((40, 60)) == (BoxPrompt(5, 8, 15, 40), BoxPrompt(6, 9, 16, 41))
    np.testing.assert_allclose(shapes.edge_color, [object_colour(3)] * 2)


def test_a_rectangle_in_world_coordinates(movie):
    world = np.array([movie.data_to_world(p) for p in corners(5, 8, 15, 40)])
    shapes = Shapes([world], shape_type="rectangle", features={"object": [1], "label": [1]})
    assert read(movie, shapes=shapes) == {(1, 2): DrawnPrompts(boxes=((5, 8, 15, 40),))}


def test_a_click_without_a_drag_is_no_box(movie, shapes):
    shapes.add_rectangles(corners(5, 8, 5, 8))
    tag_shapes(shapes, [0], 1)
    assert read(movie, shapes=shapes) == {}


def test_outlines_are_one_mask(movie, shapes):
    shapes.add_polygons(np.array([[2, 0, 0], [2, 0, 9], [2, 9, 9], [2, 9, 0]]))
    shapes.add_ellipses(corners(10, 20, 30, 50))
    shapes.add_rectangles(corners(0, 0, 3, 3))
    tag_shapes(shapes, range(3), 1)
    marks = read(movie, shapes=shapes)[1, 2]
    (prompt,) = marks.prompts((40, 60))
    assert isinstance(prompt, MaskPrompt)
    assert prompt.mask[:10, :10].all()
    assert prompt.mask[20, 21:49].all() and prompt.mask[11:29, 35].all()
    assert prompt.mask[10:31].sum() == pytest.approx(np.pi * 10 * 15, rel=0.05)


def test_scribbles_are_clicks_along_them(movie, shapes):
    shapes.add_paths(np.array([[2, 0, 0], [2, 0, 9], [2, 9, 9]]))
    shapes.add_lines(np.array([[2, 10, 20], [2, 12, 20]]))
    tag_shapes(shapes, [0], 1, 1)
    tag_shapes(shapes, [1], 1, 0)
    marks = read(movie, shapes=shapes)[1, 2]
    assert marks.scribbles == ((1, ((0, 0), (0, 9), (9, 9))), (0, ((10, 20), (12, 20))))
    (clicks,) = marks.prompts((40, 60))
    inside, beside = clicks.points_yx[:5].tolist(), clicks.points_yx[5:].tolist()
    assert inside == [[0, 0], [0, 4.5], [0, 9], [4.5, 9], [9, 9]]
    assert beside == [[10, 20], [12, 20]]
    assert clicks.labels.tolist() == [1] * 5 + [0] * 2
    np.testing.assert_allclose(shapes.edge_color[1, :3], [1, 0x2D / 255, 0x55 / 255], atol=1e-6)


def test_marks_are_drawn_as_they_were_read(movie, points, shapes):
    shapes.add_rectangles(corners(5, 8, 15, 40))
    shapes.add_paths(np.array([[2, 0, 0], [2, 0, 9], [2, 9, 9]]))
    shapes.add_polygons(np.array([[3, 0, 0], [3, 0, 9], [3, 9, 9]]))
    tag_shapes(shapes, range(3), 1, 0)
    before, geometry = read(movie, points, shapes), FrameGeometry.of(movie)
    other = {
        (1, 2): DrawnPrompts(((1.5, 2, 0),)),
        (5, 4): DrawnPrompts(((7, 8, 1),), ((0, 0, 9, 9),)),
    }
    draw_clicks(movie, geometry, points, other)
    draw_shapes(movie, geometry, shapes, other)
    assert read(movie, points, shapes) == before | other
    draw_clicks(movie, geometry, points, {**before, (5, 4): DrawnPrompts()})
    draw_shapes(movie, geometry, shapes, {**before, (5, 4): DrawnPrompts()})
    assert read(movie, points, shapes) == before


def test_points_and_shapes_come_together(movie, points, shapes):
    shapes.add_rectangles(corners(5, 8, 15, 40))
    tag_shapes(shapes, [0], 1)
    box, clicks = read(movie, points, shapes)[1, 2].prompts((40, 60))
    assert isinstance(box, BoxPrompt)
    assert isinstance(clicks, PointPrompt)
    assert clicks.labels.tolist() == [1, 0]


def test_what_is_painted_is_a_mask_with_the_outlines():
    painted = SparseMask.from_window((40, 60), np.ones((3, 4)), (10, 20))
    outline = ((0, 0), (0, 4), (4, 4), (4, 0))
    mask, clicks = DrawnPrompts(((1, 2, 1),), (), (outline,), painted=painted).prompts((40, 60))
    assert mask.mask.sum() == 12 + 25
    assert clicks.points_yx.tolist() == [[1, 2]]
    (empty,) = DrawnPrompts(painted=SparseMask.empty((40, 60))).prompts((40, 60))
    assert not empty.mask.any()


def test_a_shape_across_frames_says_nothing(movie, shapes):
    """Drawn while the viewer shows time against columns."""
    geometry = FrameGeometry.of(movie)
    before = read_prompts(movie, geometry, None, shapes)
    shapes.add([[1, 10, 30], [1, 10, 40], [3, 10, 40], [3, 10, 30]], shape_type="rectangle")
    tag_shapes(shapes, [-1], 1, 1)
    assert read_prompts(movie, geometry, None, shapes) == before


def test_clicks_count_with_any_order_of_the_axes(viewer, movie, points):
    before = read(movie, points)
    viewer.dims.order = (2, 0, 1)
    assert read(movie, points) == before
