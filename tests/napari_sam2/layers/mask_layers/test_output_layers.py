"""Masklets as layers of the viewer."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.mask_layers.output_layers import MAX_OBJECT_LAYERS, Hooks, OutputLayers
from napari_sam2.layers.viewer.colours import object_colour
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets


class Setting:
    def __init__(self, viewer, movie):
        self.masklets, self.objects = Masklets(5, (40, 60)), Objects()
        self.painted = []
        self.outputs = OutputLayers(
            viewer,
            movie,
            FrameGeometry.of(movie),
            self.masklets,
            self.objects,
            Hooks(lambda *key: self.painted.append(key)),
        )

    def paint(self, object_id, frame):
        self.objects.include(object_id)
        stripe = np.arange(2400).reshape(40, 60) % 60 // 5 == object_id - 1
        self.masklets.paint(object_id, frame, stripe)


@pytest.fixture
def setting(viewer, movie):
    return Setting(viewer, movie)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_one_layer_for_each_object(viewer, movie, setting):
    setting.paint(1, 0)
    setting.paint(3, 0)
    points = viewer.add_points(ndim=3)
    assert setting.outputs.show([1, 3])
    assert setting.outputs.show([1])
    # over the image, beneath the prompts, and the user stays where they were
    assert names(viewer) == ["movie", "Object 1", "Object 3", "Points"]
    assert viewer.layers.selection.active is points
    assert setting.outputs.layers[3].selected_label == 3


def test_the_selection_does_not_change_meanwhile(viewer, setting):
    viewer.add_points(ndim=3)
    setting.paint(1, 0)
    changes = []
    viewer.layers.selection.events.changed.connect(changes.append)
    setting.outputs.show([1])
    assert not changes  # each shows the controls of another layer
    viewer.add_points(ndim=3)
    assert viewer.layers.selection.active.name == "Points [1]"


def test_the_first_tool_that_is_chosen_works(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    setting = Setting(viewer, viewer.add_image(np.zeros((5, 40, 60), np.uint8), name="movie"))
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(canvas.isValid)
    setting.paint(2, 0)
    viewer.dims.set_point(0, 0)
    setting.outputs.show([2])
    layer = viewer.layers.selection.active = setting.outputs.layers[2]
    layer.mode = "polygon"

    def on_canvas(y, x):
        camera, middle = viewer.scene.camera, canvas.rect().center()
        shift = (np.array((x, y)) - camera.center[:0:-1]) * camera.zoom
        return middle + QPoint(*shift.astype(int).tolist())

    for corner in ((20, 30), (30, 30), (30, 50), (20, 50)):
        QTest.mouseMove(canvas, on_canvas(*corner))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=on_canvas(*corner))
    before = setting.masklets.get(2, 0).area
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=on_canvas(20, 30))
    assert setting.painted
    assert setting.masklets.get(2, 0).area > before + 100


def test_layers_lie_where_the_image_lies(movie, setting):
    setting.paint(1, 0)
    setting.outputs.show([1])
    layer = setting.outputs.layers[1]
    for name in ("scale", "translate", "units", "axis_labels"):
        assert tuple(getattr(layer, name)) == tuple(getattr(movie, name))
    np.testing.assert_array_equal(layer.affine.affine_matrix, movie.affine.affine_matrix)
    np.testing.assert_array_equal(layer.extent.world, movie.extent.world)


def test_an_object_has_one_colour_in_both_modes(setting):
    for object_id in (1, 2, 3):
        setting.paint(object_id, 0)
    setting.outputs.show([1, 2, 3])
    single = setting.outputs.layers[2].get_color(2)
    assert setting.outputs.set_per_object(False)
    np.testing.assert_allclose(setting.outputs.layers[0].get_color(2), single)
    np.testing.assert_allclose(single, object_colour(2), atol=1e-6)


def test_modes_are_switched_without_loss(viewer, setting):
    setting.paint(1, 0)
    setting.paint(2, 0)
    setting.outputs.show([1, 2])
    setting.outputs.set_per_object(False)
    assert names(viewer) == ["movie", "movie objects"]
    assert np.unique(setting.outputs.layers[0].data[0]).tolist() == [0, 1, 2]
    setting.outputs.set_per_object(True)
    assert sorted(names(viewer)) == ["Object 1", "Object 2", "movie"]


def test_many_objects_go_into_one_layer(viewer, setting):
    setting.outputs.set_per_object(False)
    for object_id in range(1, MAX_OBJECT_LAYERS + 2):
        setting.paint(object_id, 0)
    assert not setting.outputs.set_per_object(True)
    assert not setting.outputs.per_object
    assert names(viewer) == ["movie", "movie objects"]


def test_one_object_too_many_switches(viewer, setting, monkeypatch):
    monkeypatch.setattr("napari_sam2.layers.mask_layers.output_layers.MAX_OBJECT_LAYERS", 2)
    for object_id in (1, 2, 3):
        setting.paint(object_id, 0)
        assert setting.outputs.show([object_id]) == (object_id < 3)
    assert names(viewer) == ["movie", "movie objects"]
    assert setting.outputs.layers[0].data.any()


def test_a_layer_that_was_deleted_comes_back(viewer, setting):
    setting.paint(1, 0)
    setting.outputs.show([1])
    viewer.layers.remove(setting.outputs.layers[1])
    assert setting.outputs.layers == {}
    setting.outputs.refresh()
    setting.outputs.show([1])
    assert names(viewer) == ["movie", "Object 1"]


def test_refresh_shows_the_masks_as_they_are_now(viewer, setting):
    setting.paint(1, 1)
    viewer.dims.set_point(0, 0)
    setting.outputs.show([1])
    layer = setting.outputs.layers[1]
    setting.paint(1, 0)
    here = (0, 10, 20)
    assert layer.get_value(here, world=True) == 0
    setting.outputs.refresh([2])
    assert layer.get_value(here, world=True) == 0
    setting.outputs.refresh([1])
    assert layer.get_value(here, world=True) == 1


def test_an_object_is_removed(viewer, setting):
    setting.paint(1, 0)
    setting.outputs.show([1])
    setting.outputs.remove(1)
    setting.outputs.remove(1)
    assert names(viewer) == ["movie"]


def test_painting_is_told(setting):
    setting.paint(1, 0)
    setting.outputs.show([1])
    setting.outputs.layers[1].data[2, 3:5, 3:5] = 1
    assert setting.painted == [(1, 2)]


def test_the_image_may_be_gone(viewer, movie, setting):
    setting.paint(1, 0)
    viewer.layers.remove(movie)
    setting.outputs.show([1])
    assert names(viewer) == ["Object 1"]


def test_hiding_an_object_hides_its_layer(setting):
    for object_id in (1, 2):
        setting.paint(object_id, 0)
    setting.outputs.show([1, 2])
    setting.outputs.set_hidden([2, 3])
    assert [setting.outputs.layers[i].visible for i in (1, 2)] == [True, False]
    setting.paint(3, 0)
    setting.outputs.show([3])
    assert not setting.outputs.layers[3].visible
    setting.outputs.set_hidden([])
    assert all(layer.visible for layer in setting.outputs.layers.values())


def test_hiding_an_object_leaves_it_out_of_the_layer_of_all(viewer, setting):
    viewer.dims.set_point(0, 0)
    for object_id in (1, 2):
        setting.paint(object_id, 0)
    setting.outputs.set_per_object(False)
    layer = setting.outputs.layers[0]
    setting.outputs.set_hidden([2])
    assert set(np.unique(layer._slice.image.view)) == {0, 1}
    setting.outputs.set_hidden([])
    assert set(np.unique(layer._slice.image.view)) == {0, 1, 2}
