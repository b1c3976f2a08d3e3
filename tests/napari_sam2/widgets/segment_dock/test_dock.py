"""The dock widget in a napari window, used as a person uses it."""

import dataclasses
import itertools
import threading

import dask.array as da
import numpy as np
import pytest
from canvas_mouse import canvas_position, click, drag
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QStyle

from napari_sam2.layers.mask_layers import masklet_levels
from napari_sam2.layers.viewer import image_geometry
from napari_sam2.widgets.annotator import readiness
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.dock import dock as sam2_dock
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.dock.hints import Situation, next_step
from napari_sam2.widgets.model.model_section import CHOOSE_FILE
from napari_sam2.widgets.objects.object_table import Column

DOCK_WIDTH_PX = 300


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, stub_owner):
    """The widget in its dock, with a movie; the network is a stub."""
    placement = {"scale": (1, 0.5, 0.5), "axis_labels": ("t", "y", "x")}
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", **placement)
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    return widget


def idle(widget):
    annotator = widget.annotator
    opened = annotator.network.is_open  # it is opened a moment after the button is pressed
    return opened and not annotator.worker.is_busy and not annotator.propagation.is_showing


def test_from_the_first_click_to_the_propagated_movie(dock, viewer, qtbot):
    assert "Press <b>Points</b>" in dock.heading.hint.text()
    assert not dock.propagation.run.isEnabled()
    seen = []
    dock.annotator.changed.connect(
        lambda: seen.append((dock.heading.hint.text(), dock.heading.busy.isVisibleTo(dock)))
    )
    dock.prompts.points.click()
    points = viewer.layers["movie clicks"]
    points.add((0, 12, 33))
    qtbot.waitUntil(lambda: idle(dock))
    assert any("Loading cells_nano" in hint and busy for hint, busy in seen)
    assert not dock.heading.busy.isVisibleTo(dock)
    assert "Propagate" in dock.heading.hint.text()
    assert "Object 1" in viewer.layers
    dock.objects.new.click()
    assert dock.objects.table.selected_ids == [2]
    assert "Click inside a cell" in dock.heading.hint.text()
    points.add((0, 20, 10))
    qtbot.waitUntil(lambda: idle(dock))
    dock.propagation.direction.setCurrentText("Forward")
    dock.propagation.range.setValue((0, 3))
    dock.propagation.run.click()
    assert dock.propagation.cancel.isEnabled()
    assert not dock.propagation.run.isEnabled()
    qtbot.waitUntil(lambda: idle(dock))
    assert dock.propagation.status.text() == "Done."
    assert viewer.dims.current_step[0] == 0  # where the prompts are
    assert viewer.layers["Object 2"].data[3].any()
    assert not viewer.layers["Object 2"].data[4].any()
    assert "Go through the frames" in dock.heading.hint.text()
    assert dock.propagation.run.isEnabled()


def test_the_first_layer_waits_until_napari_is_ready(dock, viewer, qtbot, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(readiness, "is_warm", lambda: False)
    monkeypatch.setattr(readiness, "warm_up", lambda: go_on.wait(20))
    dock.prompts.points.click()
    assert dock.heading.hint.text() == "Getting ready …"
    assert "movie clicks" not in viewer.layers
    go_on.set()
    qtbot.waitUntil(lambda: "movie clicks" in viewer.layers)
    assert viewer.layers.selection.active is viewer.layers["movie clicks"]
    assert "Getting ready" not in dock.heading.hint.text()
    qtbot.waitUntil(lambda: idle(dock))


def test_a_closed_dock_makes_no_layer_any_more(dock, viewer, qtbot, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(readiness, "is_warm", lambda: False)
    monkeypatch.setattr(readiness, "warm_up", lambda: go_on.wait(20))
    dock.prompts.points.click()
    viewer.window.remove_dock_widget(dock)
    go_on.set()
    files = dock.annotator.sessions.files
    qtbot.waitUntil(lambda: not files.is_busy)
    assert "movie clicks" not in viewer.layers


def test_positive_and_negative(dock, viewer, qtbot):
    dock.prompts.points.click()
    points = viewer.layers["movie clicks"]
    dock.prompts.negative.click()
    points.add((0, 12, 33))
    next(call for key, call in points.keymap.items() if str(key) == "T")(points)
    assert dock.prompts.positive.isChecked()
    points.add((0, 12, 33))
    assert points.features["label"].tolist() == [0, 1]
    qtbot.waitUntil(lambda: idle(dock))


def press_row(qtbot, dock, row, column=Column.NAME, modifier=Qt.KeyboardModifier.NoModifier):
    table = dock.objects.table
    at = table.visualRect(table.objects.index(row, int(column))).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, at)


def test_choosing_and_deleting_objects(dock, viewer, qtbot):
    dock.prompts.points.click()
    points = viewer.layers["movie clicks"]
    points.add((0, 12, 33))
    dock.objects.new.click()
    points.add((0, 20, 10))
    press_row(qtbot, dock, 0)
    points.add((0, 13, 34))
    assert points.features["object"].tolist() == [1, 2, 1]
    dock.objects.delete.click()
    qtbot.waitUntil(lambda: idle(dock))
    assert dock.objects.table.objects.object_ids == [2]
    assert "Object 1" not in viewer.layers


def test_one_layer_for_all(dock, viewer, qtbot):
    dock.prompts.shapes.click()
    box = np.array([[0, 5, 5], [0, 5, 15], [0, 15, 15], [0, 15, 5]])
    viewer.layers["movie boxes"].add_rectangles(box)
    qtbot.waitUntil(lambda: idle(dock))
    dock.objects.layers.setCurrentIndex(1)
    dock.objects.layers.activated.emit(1)
    assert "movie objects" in viewer.layers
    qtbot.waitUntil(lambda: "Object 1" not in viewer.layers)  # one in each turn
    assert viewer.layers["movie objects"].data[0, 10, 10] == 1


def test_the_images_are_kept_up_with(dock, viewer):
    images = dock.image.images
    other = viewer.add_image(np.zeros((30, 50)), name="other")
    assert [images.itemText(i) for i in range(images.count())] == ["movie", "other"]
    assert dock.image.image is viewer.layers["movie"]  # the choice is the user's
    other.name = "a single image"
    assert images.itemText(1) == "a single image"
    dock.prompts.points.click()
    viewer.layers.remove(viewer.layers["movie"])
    assert dock.image.image is other
    assert not dock.propagation.isEnabled()
    viewer.layers.remove(other)
    assert "Open an image" in dock.heading.hint.text()
    assert not dock.prompts.isEnabled()


def test_an_axis_can_be_chosen_where_there_are_two(dock, viewer, qtbot):
    assert not dock.image.axes.isVisibleTo(dock)
    stack = np.zeros((3, 4, 30, 50))
    viewer.add_image(stack, name="4D", axis_labels=("t", "z", "y", "x"))
    dock.image.images.setCurrentIndex(1)
    dock.image.images.activated.emit(1)
    assert dock.image.axes.isVisibleTo(dock)
    texts = [dock.image.axes.itemText(i) for i in range(3)]
    assert texts == ["t (3)", "z (4)", "t (3) and z (4)"]
    assert dock.annotator.workspace.geometry.n_frames == 12
    viewer.dims.set_point(0, 2)
    dock.image.axes.setCurrentIndex(1)
    dock.image.axes.activated.emit(1)
    dock.prompts.points.click()
    viewer.layers["4D clicks"].add((2, 3, 12, 33))
    qtbot.waitUntil(lambda: idle(dock))
    assert viewer.layers["Object 1"].data[2, 3, 12, 33] == 1


def test_a_wrong_file_is_told_in_a_sentence(dock, qtbot, messages, monkeypatch, stub_owner):
    monkeypatch.setattr(
        "napari_sam2.widgets.model.model_section.QFileDialog.getOpenFileName",
        lambda *args: ("missing.pt", ""),
    )
    dock.model.model.setCurrentText(CHOOSE_FILE)
    dock.model.model.activated.emit(dock.model.model.currentIndex())
    assert dock.annotator.network.model == ("missing.pt", "auto")
    assert stub_owner.models == []  # it is loaded when it is needed
    dock.prompts.points.click()
    qtbot.waitUntil(lambda: len(messages) == 1)
    assert "expected a checkpoint, found no such file" in messages[0].message
    assert not hasattr(messages[0], "exception")


def test_propagating_opens_what_could_not_be_opened(dock, viewer, qtbot, messages):
    dock.annotator.choose_model("missing.pt", "auto")
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 12, 33))
    qtbot.waitUntil(lambda: len(messages) == 1)
    dock.annotator.choose_model("cells_nano", "auto")
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: dock.propagation.status.text() == "Done.")
    assert viewer.layers["Object 1"].data[5].any()


def test_an_image_that_is_chosen_again_goes_on(dock, viewer, qtbot):
    dock.prompts.points.click()
    qtbot.waitUntil(lambda: idle(dock))
    viewer.add_image(np.zeros((30, 50)), name="other")
    for index in (1, 0):
        dock.image.images.setCurrentIndex(index)
        dock.image.images.activated.emit(index)
    viewer.layers["movie clicks"].add((0, 12, 33))
    qtbot.waitUntil(lambda: "Object 1" in viewer.layers)
    qtbot.waitUntil(lambda: idle(dock))


def test_a_click_with_the_box_tool_is_no_box(dock, viewer, qtbot):
    dock.prompts.shapes.click()
    shapes, zoom = viewer.layers["movie boxes"], viewer.scene.camera.zoom
    drag(qtbot, viewer, (300, 300), (301, 300))
    assert len(shapes.data) == 0 and not dock.annotator.workspace.prompts
    drag(qtbot, viewer, (300, 300), (300 + 10 * zoom, 300 + 5 * zoom))
    (marks,) = dock.annotator.workspace.prompts.values()
    ((y0, x0, y1, x1),) = marks.boxes
    np.testing.assert_allclose((y1 - y0, x1 - x0), (10, 20), atol=0.1)  # 0.5 a pixel
    small = np.array([(0, 3, 3), (0, 3, 3.1), (0, 3.1, 3.1), (0, 3.1, 3)])
    shapes.add(small, shape_type="rectangle")
    assert len(shapes.data) == 2  # what a script says counts, however small


def test_choosing_no_file_leaves_the_model(dock, monkeypatch):
    monkeypatch.setattr(
        "napari_sam2.widgets.model.model_section.QFileDialog.getOpenFileName",
        lambda *args: ("", ""),
    )
    dock.model.model.setCurrentText(CHOOSE_FILE)
    dock.model.model.activated.emit(dock.model.model.currentIndex())
    assert dock.annotator.network.model == ("cells_nano", "auto")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("frame 9 is outside"), "frame 9 is outside"),
        (KeyError("object 3 is not there"), "object 3 is not there"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "GPU is out of memory"),
    ],
)
def test_a_users_mistake_is_a_sentence(error, sentence, messages, qapp):
    report(error)
    assert [sentence in message.message for message in messages] == [True]
    assert str(messages[0].severity) == "error"


def test_a_fault_of_ours_is_shown_in_full():
    with pytest.raises(ZeroDivisionError):
        report(ZeroDivisionError())


def test_the_dock_fits_a_narrow_screen(dock, viewer):
    """300 pixels hold everything, long names included, and no label is cut."""
    viewer.layers["movie"].name = "a name of an image as files have them, long and longer.tif"
    bar = dock.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
    assert dock.segment.content.minimumSizeHint().width() <= DOCK_WIDTH_PX - bar
    dock.resize(DOCK_WIDTH_PX, 700)
    for button in (
        *(dock.prompts.points, dock.prompts.shapes, dock.prompts.positive, dock.prompts.negative),
        *(dock.objects.new, dock.objects.delete, dock.propagation.run, dock.propagation.cancel),
        dock.propagation.show_frames,
    ):
        assert button.width() >= button.minimumSizeHint().width(), button.text()
        assert button.toolTip()


def test_no_hint_moves_the_buttons(dock, qtbot):
    dock.resize(DOCK_WIDTH_PX, 900)
    dock.show()
    qtbot.waitExposed(dock)
    height = dock.heading.height()
    yes_or_no = itertools.product((False, True), repeat=6)
    for movie, drawing, marked, propagating, propagated, whole in yes_or_no:
        now = Situation(True, movie, drawing, "cells_nano", marked, propagating, propagated, whole)
        for loading in ("", "sam2.1_hiera_base_plus"):
            dock.heading.show_hint(next_step(dataclasses.replace(now, loading=loading)))
            hint = dock.heading.hint
            assert hint.heightForWidth(hint.width()) <= hint.height(), hint.text()
    assert dock.heading.height() == height


def test_a_dock_that_is_opened_again_goes_on_where_it_was(dock, viewer, qtbot):
    other = viewer.add_image(np.zeros((4, 20, 20)), name="other")
    dock.image.images.setCurrentIndex(1)
    dock.image.images.activated.emit(1)
    dock.prompts.points.click()
    viewer.layers["other clicks"].add((0, 12, 13))
    qtbot.waitUntil(lambda: idle(dock))
    dock.annotator.open(("other.pt", "cpu"))
    qtbot.waitUntil(lambda: idle(dock))
    viewer.window.remove_dock_widget(dock)
    viewer.layers["other clicks"].add((1, 5, 6))
    again = Sam2Dock(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert again.annotator is dock.annotator
    assert again.image.image is other
    assert (again.model.shown, again.model.device.currentText()) == ("other.pt", "cpu")
    qtbot.waitUntil(lambda: idle(again))
    assert set(again.annotator.workspace.masklets.frames(1)) == {0, 1}
    dock.heading.hint.setText("not written any more")
    again.objects.new.click()
    assert again.objects.table.selected_ids == [2]
    assert dock.heading.hint.text() == "not written any more"


def test_closing_the_window_ends_the_thread(dock, viewer, qtbot):
    dock.prompts.points.click()
    qtbot.waitUntil(lambda: dock.annotator.network.is_loading or dock.annotator.network.is_open)
    thread = dock.annotator.worker._thread
    viewer.close()
    assert not thread.is_alive()


def test_napari_opens_it_from_the_manifest(viewer, qtbot):
    """As the menu does: napari hands it the viewer behind a proxy."""
    viewer.add_image(np.zeros((3, 30, 50)), name="movie")
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    assert isinstance(widget, Sam2Dock)
    assert widget.image.image is viewer.layers["movie"]
    viewer.layers.remove(viewer.layers["movie"])
    assert widget.image.image is None


@pytest.fixture
def movie():
    """Two bright discs that move to the right, on a noisy ground."""
    rng = np.random.default_rng(0)
    frames = rng.normal(400, 20, (3, 96, 128))
    y, x = np.ogrid[:96, :128]
    for t in range(3):
        for cy, cx in ((30, 40), (65, 80)):
            frames[t][(y - cy) ** 2 + (x - cx - 3 * t) ** 2 <= 100] += 3000
    return frames.clip(0).astype(np.uint16)


def test_real_clicks_and_the_real_network(make_napari_viewer, qtbot, movie):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(movie, name="movie", scale=(1, 2, 2), translate=(0, 5, 7))
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    viewer.reset_view()
    qtbot.mouseClick(widget.prompts.points, Qt.MouseButton.LeftButton)
    qtbot.wait(50)
    click(qtbot, viewer, 5 + 2 * 30, 7 + 2 * 40)  # while the network is being loaded
    np.testing.assert_allclose(viewer.layers["movie clicks"].data, [[0, 30, 40]], atol=1)
    qtbot.waitUntil(lambda: idle(widget), timeout=60_000)
    qtbot.mouseClick(widget.objects.new, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(widget.prompts.shapes, Qt.MouseButton.LeftButton)
    native, begin = canvas_position(viewer, 5 + 2 * 53, 7 + 2 * 68)
    _, end = canvas_position(viewer, 5 + 2 * 77, 7 + 2 * 92)
    qtbot.mouseMove(native, begin)
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=begin)
    for i in range(1, 6):
        qtbot.mouseMove(native, begin + (end - begin) * i / 5)
        qtbot.wait(20)
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=end)
    qtbot.waitUntil(lambda: len(widget.annotator.workspace.prompts) == 2)
    qtbot.waitUntil(lambda: idle(widget), timeout=20_000)
    qtbot.waitUntil(lambda: " MB on " in widget.propagation.estimate.toolTip(), timeout=20_000)
    assert "2 objects in up to 3 frames" in widget.propagation.estimate.text()
    qtbot.mouseClick(widget.propagation.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: idle(widget), timeout=60_000)
    for t, (i, cy, cx) in ((t, disc) for t in range(3) for disc in ((1, 30, 40), (2, 65, 80))):
        found = viewer.layers[f"Object {i}"].data[t] == i
        y, x = np.ogrid[:96, :128]
        truth = (y - cy) ** 2 + (x - cx - 3 * t) ** 2 <= 100
        assert (found & truth).sum() / (found | truth).sum() > 0.6, (t, i)


def test_the_widget_does_not_import_torch():
    """The menu opens at once: torch comes with the first prompt, on the worker's thread."""
    import subprocess
    import sys

    code = f"import sys, {sam2_dock.__name__}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_frame_too_large_to_be_painted(viewer, stub_owner, qtbot, monkeypatch):
    monkeypatch.setattr(masklet_levels, "MAX_WHOLE_PX", 24)
    levels = [np.zeros((6, 60, 100), np.uint16), np.zeros((6, 30, 50), np.uint16)]
    image = viewer.add_image(levels, name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    assert dock.prompts.unpainted.isVisibleTo(dock)
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 24, 66))
    qtbot.waitUntil(lambda: idle(dock) and "Object 1" in viewer.layers)
    layer = viewer.layers["Object 1"]
    assert layer.multiscale and layer.data[0].shape == image.data[0].shape
    assert layer.data[0][0, 24, 66] == 1
    viewer.layers["movie clicks"].selected_data = {0}
    viewer.layers["movie clicks"].remove_selected()
    qtbot.waitUntil(lambda: idle(dock) and layer.data[0][0, 24, 66] == 0)


def test_large_frames_that_napari_reads_whole(viewer, stub_owner, monkeypatch):
    monkeypatch.setattr(image_geometry, "LARGE_FRAME_PX", 40)
    frames = np.zeros((6, 30, 50), np.uint16)
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    for data, is_told in ((frames, False), (da.from_array(frames), True), ([frames] * 2, False)):
        viewer.layers.clear()
        is_multiscale = isinstance(data, list)
        viewer.add_image(data, multiscale=is_multiscale, axis_labels=("t", "y", "x"))
        assert ("reader <b>SAM 2</b>" in dock.heading.hint.text()) is is_told
        assert "Press <b>Points</b>" in dock.heading.hint.text()
