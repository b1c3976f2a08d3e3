"""Image and result layers that are removed, moved or changed by something else than the dock."""

import numpy as np
import pytest

from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import read_session
from napari_sam2.widgets.dock.dock import Sam2Dock


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, stub_owner):
    """The dock with a movie and a network that is a stub; the first cell was clicked."""
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    widget.prompts.points.click()
    return widget


@pytest.fixture
def idle(dock, qtbot):
    def wait():
        annotator = dock.annotator
        qtbot.waitUntil(
            lambda: (
                annotator.network.is_open
                and not annotator.worker.is_busy
                and not annotator.propagation.is_showing
            ),
            timeout=10_000,
        )

    viewer_points = dock.annotator.viewer.layers["movie clicks"]
    viewer_points.add((0, 12, 33))
    wait()
    return wait


def names(viewer):
    return [layer.name for layer in viewer.layers]


@pytest.mark.parametrize("first", ["movie", "movie preview", "Object 1", "movie clicks"])
def test_layers_may_be_removed_in_any_order(dock, viewer, idle, qtbot, first):
    qtbot.waitUntil(lambda: "movie preview" in viewer.layers, timeout=10_000)
    order = [first, *(name for name in names(viewer) if name != first)]
    with viewer.layers.batched_update():  # as napari's bin does: what is listed must be there
        for layer in [viewer.layers[name] for name in order]:
            viewer.layers.remove(layer)
    assert dock.annotator.workspace is None
    qtbot.wait(50)
    assert not len(viewer.layers)


def test_previews_leave_with_their_image(dock, viewer, idle, qtbot):
    qtbot.waitUntil(lambda: "movie preview" in viewer.layers, timeout=10_000)
    viewer.layers.remove("movie")
    qtbot.waitUntil(lambda: "movie preview" not in viewer.layers)
    assert "Object 1" in viewer.layers


def test_layers_of_an_image_move_along_with_it(dock, viewer, idle):
    image = viewer.layers["movie"]
    image.translate = (0, 40, 0)
    image.scale = (2, 0.25, 0.25)
    viewer.layers["movie clicks"].add((0, 20, 10))
    idle()
    workspace = dock.annotator.workspace
    assert workspace.prompts[1, 0].clicks == ((12, 33, 1), (20, 10, 1))
    for layer in viewer.layers:
        assert tuple(layer.scale) == (2, 0.25, 0.25), layer.name
        assert tuple(layer.translate) == (0, 40, 0), layer.name


def test_other_pixels_are_read_and_nothing_is_lost(dock, viewer, idle, qtbot, messages, stub_owner):
    masks = dock.annotator.workspace.masklets.frames(1)
    viewer.layers["movie"].data = np.full((6, 30, 50), 7, np.uint16)
    idle()
    assert "movie has other pixels now" in str(messages[-1].message)
    assert dock.annotator.workspace.masklets.frames(1) == masks
    assert dock.annotator.workspace.frames[0].max() == 7
    assert len(stub_owner.sessions) == 2


def test_an_image_of_another_size_begins_a_new_session(dock, viewer, idle, qtbot, messages):
    before = dock.annotator.workspace
    viewer.layers["movie"].data = np.zeros((3, 20, 20), np.uint16)
    assert "another size" in str(messages[-1].message)
    assert dock.annotator.workspace is not before
    assert dock.annotator.workspace.geometry.shape == (3, 20, 20)
    assert "Object 1" in viewer.layers  # with the masks of before
    assert before.masklets.get(1, 0)
    assert dock.propagation.range.maximum() == 2
    qtbot.waitUntil(lambda: not dock.annotator.sessions.files.is_busy)
    saved = [read_session(path)[1] for path in sessions_folder().iterdir()]
    assert any(1 in {key.object_id for key in history.values} for history in saved)


def test_a_converted_layer_is_a_copy_and_another_shows_the_masks(dock, viewer, idle, messages):
    layer = viewer.layers["Object 1"]
    layer.data = layer.data.astype(np.uint8)
    assert "Object 1 (copy) is a copy from now on" in str(messages[-1].message)
    assert layer.name == "Object 1 (copy)"
    assert viewer.layers["Object 1"] is not layer
    viewer.layers["Object 1"].data[0, 2, 3] = 1
    assert dock.annotator.workspace.masklets.get(1, 0).to_dense()[2, 3]


def test_names_follow_from_the_layer_list_to_the_objects(dock, viewer, idle):
    viewer.layers["Object 1"].name = "mother cell"
    assert dock.annotator.workspace.objects.name(1) == "mother cell"
    dock.annotator.work.edit.new()
    viewer.layers["movie clicks"].add((0, 20, 10))
    idle()
    dock.annotator.work.edit.rename(2, "mother cell")  # napari makes names of layers unique
    assert dock.annotator.workspace.objects.name(2) == "mother cell"
    assert "mother cell" in viewer.layers
    dock.annotator.work.edit.undo()
    assert dock.annotator.workspace.objects.name(1) == "mother cell"


def test_what_is_drawn_outside_of_the_image_is_refused(dock, viewer, idle, messages):
    dock.prompts.shapes.click()
    shapes, points = viewer.layers["movie boxes"], viewer.layers["movie clicks"]
    before = dock.annotator.workspace.prompts
    shapes.add_rectangles(np.array([[0, -9, 5], [0, -9, 20], [0, -2, 20], [0, -2, 5]]))
    assert "outside the image" in str(messages[-1].message)
    assert len(shapes.data) == 0
    points.add((0, 12, -4))
    assert points.data.tolist() == [[0, 12, 33]]
    assert dock.annotator.workspace.prompts == before
    assert dock.annotator.workspace.objects.ids == (1,)


def test_a_click_that_is_dragged_off_the_image_comes_back_by_undo(dock, viewer, idle, messages):
    points = viewer.layers["movie clicks"]
    mask = dock.annotator.workspace.masklets.packed(1, 0)
    points.data = np.array([[0.0, -15, 33]])
    assert "Ctrl+Z brings back" in str(messages[-1].message)
    assert len(points.data) == 0
    idle()
    dock.annotator.work.edit.undo()
    idle()
    assert points.data.tolist() == [[0, 12, 33]]
    assert dock.annotator.workspace.masklets.packed(1, 0) == mask


def test_nothing_is_drawn_in_three_dimensions(dock, viewer, idle, messages):
    before = dock.annotator.workspace.prompts
    viewer.dims.ndisplay = 3
    viewer.layers["movie clicks"].add((5, 20, 10))
    assert "leave the 3D view" in str(messages[-1].message)
    assert dock.annotator.workspace.prompts == before
    assert len(viewer.layers["movie clicks"].data) == 1


def test_a_run_that_another_model_ends_says_so(dock, viewer, idle, qtbot, stub_owner):
    stub_owner.sessions[0].delay_s = 0.1
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: "frames" in dock.propagation.status.text())
    dock.annotator.choose_model("another", "cpu")
    assert dock.propagation.status.text() == "Stopped; what was done is kept."
    assert not dock.propagation.cancel.isEnabled()
    idle()
    assert dock.propagation.status.text() == "Stopped; what was done is kept."
