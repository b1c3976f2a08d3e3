"""The row "Image": filled from the file, typed, kept, and asked for."""

import numpy as np
import pytest
import tifffile
from napari.layers._source import layer_source
from qtpy.QtCore import Qt

from napari_sam2.layers.viewer.image_axes import axes_of
from napari_sam2.tracks.measurements import measure_objects, measure_tracks
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers


@pytest.fixture
def open_dock(viewer, stub_owner, qtbot):
    """Open the dock on the last image of the viewer."""
    docks = []

    def make():
        dock = Sam2Dock(viewer, stub_owner)
        qtbot.addWidget(dock)
        dock.show()
        docks.append(dock)
        qtbot.waitUntil(lambda: not dock.annotator.sessions.files.is_busy, timeout=10_000)
        return dock

    yield make
    for dock in docks:
        dock.release()
        dock.annotator.close()


@pytest.fixture
def stack_file(tmp_path):
    path = tmp_path / "stack.tif"
    pixels = np.random.default_rng(0).integers(0, 99, (7, 30, 50), np.uint16)
    spacing = {"axes": "ZYX", "spacing": 1.75, "unit": "um"}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(1 / 0.8, 1 / 0.8), metadata=spacing)
    return path


def write(qtbot, field, text):
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def settle(qtbot, dock):
    annotator = dock.annotator
    qtbot.waitUntil(lambda: not annotator.worker.is_busy and annotator.network.is_open)
    qtbot.wait(20)


def test_a_stack_that_napari_opens_without_a_scale_gets_that_of_its_file(
    viewer, open_dock, stack_file, qtbot
):
    pixels = tifffile.imread(stack_file)
    with layer_source(path=str(stack_file), reader_plugin="napari"):
        image = viewer.add_image(pixels)
    np.testing.assert_allclose(image.scale, 1)
    dock = open_dock()
    assert dock.axes.fold.text() == "7 planes · 0.8 × 0.8 × 1.75 µm"
    np.testing.assert_allclose(image.scale, (1.75, 0.8, 0.8))
    assert dock.axes.asks == ""
    work = dock.annotator.work
    work.workspace.prompt_with_points().add([[3, 15, 25]])
    dock.annotator.open()
    settle(qtbot, dock)
    work.propagate("both", None)
    settle(qtbot, dock)
    tracks = TracksAndNumbers(viewer)
    qtbot.addWidget(tracks)
    tracked = tracks._tracked()
    tracks.release()
    masklets = work.workspace.masklets
    pixels = sum(masklets.outline(1, frame).area for frame in range(7))
    table = measure_tracks(tracked, measure_objects(tracked))
    np.testing.assert_allclose(table["volume_um3"], [pixels * 0.8 * 0.8 * 1.75])
    assert not [name for name in table if "speed" in name or "time" in name]


def test_axes_and_steps_can_be_typed_and_follow_into_layers_and_the_session(
    viewer, open_dock, qtbot, tmp_path
):
    image = viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie")
    dock = open_dock()
    row = dock.axes
    assert row.fold.text() == "6 frames or planes? · size unknown"
    assert row.asks == "6"
    assert "time points or planes" in dock.heading.hint.text()
    work = dock.annotator.work
    points = work.workspace.prompt_with_points()
    points.add([[2, 15, 25]])
    dock.annotator.open()
    settle(qtbot, dock)
    sessions = len(dock.annotator.network._owner.sessions)
    row.fold.expand(animate=False)
    row.kinds[0].setCurrentIndex(row.kinds[0].findText("depth"))
    row.kinds[0].activated.emit(row.kinds[0].currentIndex())
    write(qtbot, row.pixel_size, "800 x 750 nm")
    write(qtbot, row.plane_distance, "1.75 um")
    settle(qtbot, dock)
    assert row.fold.text() == "6 planes · 800 × 750 × 1750 nm"
    assert axes_of(image).letters == "ZYX"
    assert len(dock.annotator.network._owner.sessions) > sessions  # ends of objects in depth
    for layer in viewer.layers:
        np.testing.assert_allclose(layer.scale, (1750, 800, 750))
    assert work.workspace.prompts[1, 2].clicks == ((15, 25, 1),)
    np.testing.assert_allclose(points.data, [[2, 15, 25]])


def test_typed_axes_are_kept_in_the_session(viewer, open_dock, qtbot, tmp_path):
    image = viewer.add_image(np.zeros((6, 30, 50), np.uint16), axis_labels=("z", "y", "x"))
    dock = open_dock()
    row = dock.axes
    write(qtbot, row.pixel_size, "800 x 750 nm")
    write(qtbot, row.plane_distance, "1.75 um")
    dock.annotator.work.workspace.prompt_with_points().add([[2, 15, 25]])
    saved = tmp_path / "kept.jsonl"
    dock.annotator.sessions.save(saved)
    qtbot.waitUntil(saved.exists)
    again = viewer.add_image(image.data, name="again")
    dock.annotator.choose_image(again)
    dock.annotator.sessions.open(saved)
    qtbot.waitUntil(lambda: bool(dock.annotator.workspace.prompts), timeout=10_000)
    np.testing.assert_allclose(again.scale, (1750, 800, 750))
    assert row.fold.text() == "6 planes · 800 × 750 × 1750 nm"


def test_what_cannot_be_read_is_refused_and_taken_back(viewer, open_dock, qtbot, messages):
    image = viewer.add_image(np.zeros((6, 30, 50)), axis_labels=("t", "y", "x"))
    dock = open_dock()
    write(qtbot, dock.axes.frame_interval, "5 min")
    assert dock.axes.fold.text() == "time 6 · pixel size unknown · 5 min"
    np.testing.assert_allclose(image.scale, (5, 1, 1))
    write(qtbot, dock.axes.frame_interval, "5 um")
    assert "expected a number above 0 and a unit of time" in str(messages[-1].message)
    assert dock.axes.frame_interval.text() == "5 min"


def test_a_name_typed_at_the_slider_counts(viewer, open_dock):
    image = viewer.add_image(np.zeros((6, 30, 50)))
    dock = open_dock()
    viewer.dims.axis_labels = ("z", "1", "2")  # napari renames the viewer's axis alone
    assert axes_of(image).letters == "ZYX"
    assert dock.axes.fold.text() == "6 planes · pixel size unknown"


def test_another_image_is_shown_when_it_is_chosen(viewer, open_dock):
    viewer.add_image(np.zeros((6, 30, 50)), axis_labels=("t", "y", "x"))
    flat = viewer.add_image(np.zeros((30, 50)), scale=(0.5, 0.25), units=("um", "um"))
    dock = open_dock()
    dock.annotator.choose_image(flat)
    assert dock.axes.fold.text() == "0.5 × 0.25 µm"
    assert dock.axes.kinds == []
    dock.annotator.choose_image(None)
    assert not dock.axes.isVisible()


def test_an_axis_can_be_unknown_again_and_names_of_other_layers_say_nothing(viewer, open_dock):
    viewer.add_image(np.zeros((6, 30, 50)), axis_labels=("t", "y", "x"))
    image = viewer.add_image(np.zeros((6, 30, 50)))
    dock = open_dock()
    row = dock.axes
    dock.annotator.choose_image(image)
    assert axes_of(image).letters == "?YX"  # though the viewer calls its axis t
    for kind, letters in (("depth", "ZYX"), ("not known", "?YX"), ("time", "TYX")):
        row.kinds[0].setCurrentIndex(row.kinds[0].findText(kind))
        row.kinds[0].activated.emit(row.kinds[0].currentIndex())
        assert axes_of(image).letters == letters


def test_a_field_that_is_left_as_it_was_changes_nothing(viewer, open_dock):
    size = 0.6458333333333
    image = viewer.add_image(np.zeros((30, 50)), scale=(size, size), units=("um", "um"))
    dock = open_dock()
    assert dock.axes.pixel_size.text() == "0.645833 µm"
    dock.axes.pixel_size.editingFinished.emit()
    np.testing.assert_array_equal(image.scale, size)
