"""The user's settings of the plugin."""

from pathlib import Path

import napari.settings
import numpy as np
import pytest
import yaml
from qtpy.QtCore import Qt

import napari_sam2
from napari_sam2.widgets.controls.key_table import KEYS
from napari_sam2.widgets.controls.preferences import PLUGIN, Defaults, read_defaults
from napari_sam2.widgets.dock.dock import Sam2Dock


@pytest.fixture
def start():
    """The settings, which are as they were afterwards."""
    start = napari.settings.get_plugin_settings(PLUGIN).start
    before = {name: getattr(start, name) for name in type(start).model_fields}
    yield start
    for name, value in before.items():
        setattr(start, name, value)


def test_the_manifest_says_the_same_as_the_code():
    manifest = Path(napari_sam2.__file__).parent / "napari.yaml"
    contributions = yaml.safe_load(manifest.read_text(encoding="utf-8"))["contributions"]
    properties = contributions["configurations"]["start"]["properties"]
    assert Defaults(**{name: each["default"] for name, each in properties.items()}) == Defaults()


def test_settings_are_read(start):
    assert read_defaults() == Defaults()
    start.direction, start.show_frames = "backward", False
    assert read_defaults() == Defaults(direction="backward", show_frames=False)


def test_the_dock_begins_with_them(start, make_napari_viewer, stub_owner, qtbot):
    start.device, start.layer_for_each_object = "cpu", False
    start.direction, start.show_frames = "forward", False
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie")
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock)
    assert dock.annotator.network.model == ("cells_nano", "cpu")
    assert dock.propagation.chosen_direction == "forward"
    assert not dock.annotator.propagation.view.shows_newest
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 12, 33))
    qtbot.waitUntil(lambda: "movie objects" in viewer.layers)
    assert stub_owner.models == [("cells_nano", "cpu")]


def test_a_napari_without_settings_of_plugins(monkeypatch):
    monkeypatch.delattr(napari.settings, "get_plugin_settings")
    assert read_defaults() == Defaults()


def test_a_plugin_that_napari_does_not_know(monkeypatch):
    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr(napari.settings, "get_plugin_settings", unknown)
    assert read_defaults() == Defaults()


def test_the_manifest_has_the_keys_that_can_be_chosen():
    manifest = Path(napari_sam2.__file__).parent / "napari.yaml"
    contributions = yaml.safe_load(manifest.read_text(encoding="utf-8"))["contributions"]
    written = contributions["configurations"]["keys"]["properties"]
    free = {key.action: key.name for key in KEYS if not key.is_fixed}
    assert {action: each["default"] for action, each in written.items()} == free


def test_chosen_keys_are_bound(make_napari_viewer, stub_owner, qtbot, monkeypatch):
    keys = napari.settings.get_plugin_settings(PLUGIN).keys
    monkeypatch.setattr(keys, "show_or_hide", "Shift+Y")
    monkeypatch.setattr(keys, "new_object", "F7")
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie")
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock)
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 12, 33))
    qtbot.waitUntil(lambda: "Object 1" in viewer.layers)
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_H)
    assert viewer.layers["Object 1"].visible
    qtbot.keyClick(canvas, Qt.Key.Key_Y, Qt.KeyboardModifier.ShiftModifier)
    assert not viewer.layers["Object 1"].visible
    viewer.layers.selection.active = viewer.layers["movie clicks"]
    qtbot.keyClick(canvas, Qt.Key.Key_F7)
    assert dock.annotator.workspace.objects.ids == (1, 2)
