"""One Annotator for each viewer, as long as its window is open."""

import gc
import weakref

import numpy as np
import pytest
from napari.utils import notifications
from qtpy.QtCore import Qt

from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of
from sam2_torch.masks import SparseMask


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    return viewer


def settle(qtbot, annotator):
    qtbot.waitUntil(lambda: not annotator.worker.is_busy and not annotator.propagation.is_showing)


def disc(y, x):
    rows, columns = np.ogrid[:30, :50]
    return SparseMask.from_dense((rows - y) ** 2 + (columns - x) ** 2 <= 16)


def test_every_dock_gets_the_same_one(viewer, stub_owner):
    from napari.utils._proxies import PublicOnlyProxy

    annotator = annotator_of(viewer, stub_owner)
    assert annotator_of(viewer) is annotator
    assert annotator_of(PublicOnlyProxy(viewer)) is annotator


def test_two_viewers_have_two(viewer, make_napari_viewer, stub_owner):
    one, other = annotator_of(viewer, stub_owner), annotator_of(make_napari_viewer())
    assert one is not other
    other.viewer.close()
    assert other.is_closed and not one.is_closed


def test_it_ends_with_the_window(viewer, qtbot, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(("cells_nano", "cpu"))
    settle(qtbot, annotator)
    zoom = viewer.scene.camera.events.zoom
    assert annotator.worker.is_alive
    assert "fit_points" in str(zoom.callbacks)
    viewer.close()
    assert annotator.is_closed and not annotator.worker.is_alive
    assert "fit_points" not in str(zoom.callbacks)


def test_a_window_that_stays_keeps_it(viewer, stub_owner, monkeypatch):
    """napari asks before it closes; the user says no."""
    annotator = annotator_of(viewer, stub_owner)
    window = viewer.window._qt_window
    with monkeypatch.context() as patched:
        patched.setattr(type(window), "closeEvent", lambda self, event: event.ignore())
        assert not window.close()
    assert not annotator.is_closed


def test_nothing_keeps_a_closed_one(viewer, qtbot, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    annotator.workspace.prompt_with_points()
    left = weakref.ref(annotator)
    annotator.close()
    del annotator
    qtbot.wait(1)  # what is to be deleted later is deleted now
    gc.collect()
    assert left() is None
    viewer.layers["movie clicks"].add((0, 1, 1))


def test_errors_are_told_without_a_dock(viewer, stub_owner):
    told = []
    notifications.notification_manager.notification_ready.connect(told.append)
    annotator_of(viewer, stub_owner).failed.emit(ValueError("frame 9 is outside"))
    notifications.notification_manager.notification_ready.disconnect(told.append)
    assert [notice.message for notice in told] == ["frame 9 is outside"]


def test_an_image_that_leaves_is_let_go_without_a_dock(viewer, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    viewer.layers.remove("movie")
    assert annotator.workspace is None


def test_masks_from_elsewhere_are_shown_and_carried_on(viewer, qtbot, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    objects = annotator.workspace.objects
    first, second = objects.ids[0], objects.new()
    annotator.work.add_masks(
        {first: {0: disc(9, 12)}, second: {0: disc(20, 30), 3: disc(20, 36)}}, {second: "mother"}
    )
    assert viewer.layers["Object 1"].data[0, 9, 12] == first
    qtbot.waitUntil(lambda: "mother" in viewer.layers)  # layers are added in turns of their own
    assert viewer.layers["mother"].data[3, 20, 36] == second
    annotator.open()
    settle(qtbot, annotator)
    annotator.work.propagate("forward", None)
    settle(qtbot, annotator)
    np.testing.assert_array_equal(
        annotator.workspace.masklets.get(second, 3).to_dense(), disc(20, 36).to_dense()
    )
    assert viewer.layers["Object 1"].data[2, 9, 14] == first


def test_masks_that_do_not_fit_are_not_taken(viewer, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    with pytest.raises(ValueError, match="frame 6 is outside"):
        annotator.work.add_masks({1: {0: disc(9, 12), 6: disc(9, 12)}})
    assert annotator.workspace.masklets.object_ids == ()


def test_other_work_gets_the_network_between_clicks(viewer, qtbot, stub_owner):
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(("cells_nano", "cpu"))
    answers, steps, ends = [], [], []
    annotator.network.submit(lambda owner: (owner.model, owner.session), answers.append)
    annotator.network.stream(lambda owner: iter(owner.model[:3]), steps.append, ends.append)
    settle(qtbot, annotator)
    assert answers == [("cells_nano", stub_owner.sessions[0])]
    assert (steps, ends) == (["c", "e", "l"], [True])


def test_tab_and_undo_by_real_keys(make_napari_viewer, qtbot, stub_owner):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie")
    viewer.dims.set_point(0, 0)
    annotator = annotator_of(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    annotator.open()
    annotator.workspace.prompt_with_points().add((0, 12, 33))
    settle(qtbot, annotator)
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_Tab)
    settle(qtbot, annotator)
    assert annotator.work.edit.undo_text == "choose another mask: Object 1, frame 0, 2 of 3"
    assert "movie alternatives" in viewer.layers
    for _ in range(2):
        qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        settle(qtbot, annotator)
    assert annotator.work.edit.undo_text == ""
    assert len(viewer.layers["movie clicks"].data) == 0
