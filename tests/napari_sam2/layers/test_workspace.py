"""All layers of one image, driven as napari's own tools drive them."""

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, Key, Kind, StoredMask
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.masks.packing import pack
from sam2_torch.masks import SparseMask


class Told(list):
    """What the workspace calls back, with the prompts that are in the log then."""

    def drawn(self, place):
        return self.history.prompts.get(place, DrawnPrompts())

    def listener(self, **keys):
        return Listener(
            prompted=lambda places: self.extend((place, self.drawn(place)) for place in places),
            painting=lambda: self.append("painting"),
            ignored=lambda: self.append("ignored"),
            keys=keys,
        )


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def workspace(viewer, movie, told):
    workspace = Workspace(viewer, movie, FrameGeometry.of(movie), told.listener())
    told.history = workspace.history
    yield workspace
    workspace.close()


def test_the_points_layer_is_ready_for_clicks(viewer, movie, workspace):
    points = workspace.prompt_with_points()
    assert viewer.layers.selection.active is points
    assert points.mode == "add"
    assert tuple(points.scale) == tuple(movie.scale)
    assert points.units == movie.units
    viewer.layers.selection.active = movie
    points.mode = "pan_zoom"
    assert workspace.prompt_with_points() is points
    assert viewer.layers.selection.active is points
    assert points.mode == "add"


def test_clicks_are_told_with_all_that_is_drawn_there(workspace, told):
    points = workspace.prompt_with_points()
    points.add((2, 10, 30))
    workspace.label = 0
    points.add((2, 11, 31))
    workspace.current_object, workspace.label = workspace.objects.new(), 1
    points.add((2, 20, 50))
    assert told == [
        ((1, 2), DrawnPrompts(((10, 30, 1),))),
        ((1, 2), DrawnPrompts(((10, 30, 1), (11, 31, 0)))),
        ((2, 2), DrawnPrompts(((20, 50, 1),))),
    ]
    assert workspace.is_begun(2)
    assert not workspace.is_begun(3)


def test_moving_and_deleting_a_click(workspace, told):
    points = workspace.prompt_with_points()
    points.add((2, 10, 30))
    points.add((2, 11, 31))
    told.clear()
    data = points.data.copy()
    data[0] = 3, 12, 32
    points.data = data
    assert told == [((1, 2), DrawnPrompts(((11, 31, 1),))), ((1, 3), DrawnPrompts(((12, 32, 1),)))]
    told.clear()
    points.selected_data = {0}
    points.remove_selected()
    assert told == [((1, 3), DrawnPrompts())]


def test_clicks_correct_the_mask_that_was_there_before_them(workspace, told):
    there = np.zeros(workspace.geometry.frame_shape, bool)
    there[5:20, 10:40] = True
    mask = SparseMask.from_dense(there)
    key = Key(Kind.MASK, 1, 2)
    workspace.history.record(Action.PROPAGATE, {key: StoredMask(pack(mask))})
    workspace.label = 0
    points = workspace.prompt_with_points()
    points.add((2, 7, 12))
    points.add((2, 8, 12))
    for (_, drawn), n in zip(told, (1, 2), strict=True):
        assert len(drawn.clicks) == n and drawn.present.equals(mask)
    points.selected_data = {0, 1}
    points.remove_selected()
    assert told[-1] == ((1, 2), DrawnPrompts())
    assert workspace.masklets.get(1, 2).equals(mask)  # it is back


def test_boxes_and_their_removal(workspace, told):
    shapes = workspace.prompt_with_shapes()
    assert shapes.mode == "add_rectangle"
    shapes.add_rectangles(np.array([[2, 5, 8], [2, 5, 40], [2, 15, 40], [2, 15, 8]]))
    shapes.selected_data = {0}
    shapes.remove_selected()
    assert told == [((1, 2), DrawnPrompts(boxes=((5, 8, 15, 40),))), ((1, 2), DrawnPrompts())]


def test_what_says_nothing_is_told(workspace, told):
    workspace.prompt_with_points().add((2, -7, 30))
    workspace.prompt_with_shapes().add_rectangles(np.full((4, 3), 2))
    assert told == ["ignored", "ignored"]


def test_a_discarded_workspace_leaves_no_layer(viewer, workspace):
    workspace.prompt_with_points()
    workspace.prompt_with_shapes()
    workspace.discard()
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_removing_a_prompt_layer_keeps_what_came_of_it(viewer, workspace, told):
    points = workspace.prompt_with_points()
    points.add((2, 10, 30))
    told.clear()
    viewer.layers.remove(points)
    assert told == []
    assert workspace.points is None
    again = workspace.prompt_with_points()
    assert again is not points
    again.add((3, 10, 30))
    assert told == [((1, 3), DrawnPrompts(((10, 30, 1),)))]


def test_a_box_is_a_new_object_or_one_more_of_the_current_one(workspace):
    shapes = workspace.prompt_with_shapes()
    box = np.array([[2, 5, 8], [2, 5, 40], [2, 15, 40], [2, 15, 8]])
    shapes.add_rectangles([box, box + np.array([0, 3, 3])])
    shapes.add_polygons(box)  # only boxes make new objects
    assert shapes.features["object"].tolist() == [1, 2, 2]
    workspace.new_object_per_box = False
    shapes.add_rectangles(box)
    assert shapes.features["object"].tolist() == [1, 2, 2, 2]
    assert workspace.objects.ids == (1, 2)


def test_removing_an_object_takes_its_marks(viewer, workspace, told):
    workspace.new_object_per_box = False
    points, shapes = workspace.prompt_with_points(), workspace.prompt_with_shapes()
    points.add((2, 10, 30))
    shapes.add_rectangles(np.array([[2, 5, 8], [2, 5, 40], [2, 15, 40], [2, 15, 8]]))
    workspace.current_object = workspace.objects.new()
    points.add((2, 20, 50))
    workspace.masklets.paint(1, 2, np.ones((40, 60)))
    workspace.outputs.show([1])
    told.clear()
    changes = dict.fromkeys([Key(Kind.OBJECT, 1), Key(Kind.PROMPTS, 1, 2)])
    workspace.history.record(Action.DELETE, changes)
    workspace.show(changes)
    assert told == []
    assert points.data.tolist() == [[2, 20, 50]]
    assert len(shapes.data) == 0
    assert workspace.objects.ids == (2,)
    assert workspace.masklets.object_ids == ()
    assert set(workspace.prompts) == {(2, 2)}
    assert workspace.outputs.layers == {}


def test_the_frame_that_is_shown(viewer, workspace):
    assert workspace.shown_frame == 2  # napari starts in the middle
    workspace.go_to(4)
    assert viewer.dims.point[0] == 8  # the scale of the frames is 2
    assert workspace.shown_frame == 4
    viewer.add_image(np.zeros((3, 5, 40, 60)))
    workspace.go_to(1)
    assert workspace.shown_frame == 1
    viewer.dims.set_point(1, 99)


def test_a_single_image_has_one_frame(viewer, told):
    image = viewer.add_image(np.zeros((40, 60)))
    workspace = Workspace(viewer, image, FrameGeometry.of(image), told.listener())
    told.history = workspace.history
    workspace.go_to(0)
    assert workspace.shown_frame == 0
    workspace.prompt_with_points().add((10, 30))
    assert told == [((1, 0), DrawnPrompts(((10, 30, 1),)))]
    workspace.close()


def test_painting_is_a_prompt_in_place_of_what_was_drawn(workspace, told):
    points = workspace.prompt_with_points()
    points.add((2, 10, 30))
    workspace.masklets.paint(1, 2, np.eye(40, 60))
    workspace.outputs.show([1])
    layer = workspace.outputs.layers[1]
    told.clear()
    layer.data[2, 5:8, 20:25] = 1
    assert told == ["painting"]
    workspace.take_painted()
    (key, marks) = told[-1]
    assert key == (1, 2)
    assert marks.clicks == ()
    assert marks.painted.area == 40 + 15
    points.add((2, 12, 33))
    assert told[-1][1].clicks == ((12, 33, 1),)
    assert told[-1][1].painted is marks.painted
    told.clear()
    workspace.take_painted()
    assert told == []


def test_undoing_a_stroke_is_painting_too(workspace, told):
    workspace.masklets.paint(1, 2, np.eye(40, 60))
    workspace.outputs.show([1])
    layer = workspace.outputs.layers[1]
    layer.brush_size = 5
    layer.paint((2, 5, 30), 1)
    workspace.take_painted()
    layer.undo()
    workspace.take_painted()
    assert told[-1][1].painted.area == 40


def test_painting_a_new_label_makes_an_object(workspace):
    workspace.outputs.set_per_object(False)
    workspace.masklets.paint(1, 2, np.eye(40, 60))
    workspace.outputs.show([1])
    workspace.outputs.layers[0].data[2, 0:3, 50:55] = 6
    workspace.take_painted()
    assert workspace.objects.ids == (1, 6)


def test_keys_of_the_prompt_layers(viewer, movie, told):
    pressed = []
    listener = told.listener(T=lambda: pressed.append(1))
    workspace = Workspace(viewer, movie, FrameGeometry.of(movie), listener)
    points = workspace.prompt_with_points()
    next(iter(points.keymap.values()))(points)
    assert pressed == [1]
    workspace.close()
    assert not points.keymap


def test_closing_lets_go_of_everything(viewer, movie, workspace, told):
    points, shapes = workspace.prompt_with_points(), workspace.prompt_with_shapes()
    workspace.close()
    points.add((2, 10, 30))
    viewer.layers.remove(shapes)
    viewer.layers.remove(points)
    assert told == []
