"""Image and result layers that are removed, moved or changed by something else than the dock."""

import numpy as np
import pytest

from napari_sam2.widgets.segment_dock.dock import SegmentAndTrack


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, stub_owner):
    """The dock with a movie and a network that is a stub; the first cell was clicked."""
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    widget = SegmentAndTrack(viewer, stub_owner)
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
