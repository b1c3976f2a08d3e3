"""The list of objects, the timeline and the keys in the dock, used as a person uses them."""

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_sam2.widgets.keys import KEYS, KeyOverlay
from napari_sam2.widgets.object_table import Column
from napari_sam2.widgets.segment_and_track import SegmentAndTrack

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer, stub_owner, qtbot):
    """Two objects, prompted in frame 0, one above the other; the network is a stub."""
    viewer.add_image(np.zeros((8, 60, 100), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    dock = SegmentAndTrack(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    dock.prompts.points.click()
    points = viewer.layers["movie clicks"]
    points.add((0, 15, 33))
    dock.objects.new.click()
    points.add((0, 45, 10))
    qtbot.waitUntil(lambda: is_idle(dock))
    return dock


def is_idle(dock):
    annotator = dock.annotator
    opened = annotator.network.is_open
    return (
        opened
        and annotator.worker._open == 0
        and not annotator.propagation.is_showing
        and dock.review.is_up_to_date
    )


def propagate(dock, qtbot):
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: is_idle(dock))


def cell(dock, row, column=Column.NAME):
    table = dock.objects.table
    return table.visualRect(table.objects.index(row, int(column))).center()


def press_row(qtbot, dock, row, column=Column.NAME, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.mouseClick(dock.objects.table.viewport(), LEFT, modifier, cell(dock, row, column))


def press_key(qtbot, viewer, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key, modifier)


def texts(dock, column):
    model = dock.objects.table.objects
    return [model.index(row, int(column)).data() for row in range(model.rowCount())]


def test_choosing_a_row_goes_to_the_object(dock, viewer, qtbot):
    propagate(dock, qtbot)
    viewer.scene.camera.zoom = 40
    viewer.scene.camera.center = (29, 49)
    press_row(qtbot, dock, 0)
    assert dock.annotator.workspace.current_object == 1
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (7.5, 20), atol=1)
    assert texts(dock, Column.FRAMES) == ["8", "8"]


def test_renaming_in_place_renames_the_layer(dock, viewer, qtbot):
    press_row(qtbot, dock, 1)
    qtbot.mouseDClick(dock.objects.table.viewport(), LEFT, pos=cell(dock, 1))
    editor = dock.objects.table.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "daughter")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "daughter" in viewer.layers)
    assert texts(dock, Column.NAME) == ["Object 1", "daughter"]


def test_an_eye_hides_an_object(dock, viewer, qtbot):
    press_row(qtbot, dock, 0, Column.VISIBLE)
    assert not viewer.layers["Object 1"].visible
    assert dock.annotator.workspace.current_object == 2
    press_key(qtbot, viewer, Qt.Key.Key_H)
    assert not viewer.layers["Object 2"].visible
    press_key(qtbot, viewer, Qt.Key.Key_H)
    assert viewer.layers["Object 2"].visible


def test_deleting_all_selected_objects(dock, viewer, qtbot):
    dock.objects.new.click()
    press_row(qtbot, dock, 0)
    press_row(qtbot, dock, 1, modifier=SHIFT)
    qtbot.mouseClick(dock.objects.delete, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert dock.annotator.workspace.objects.ids == (3,)
    assert "Object 1" not in viewer.layers


def test_only_selected_objects_are_propagated(dock, qtbot, stub_owner):
    press_row(qtbot, dock, 0)
    dock.propagation.which.setCurrentText("Selected objects")
    propagate(dock, qtbot)
    masklets = dock.annotator.workspace.masklets
    assert (len(masklets.frames(1)), len(masklets.frames(2))) == (8, 1)
    press_row(qtbot, dock, 1)
    dock.propagation.which.setCurrentText("Current object")
    propagate(dock, qtbot)
    assert len(masklets.frames(2)) == 8


def test_from_here_on_leaves_the_frames_before(dock, viewer, qtbot, stub_owner):
    propagate(dock, qtbot)
    viewer.dims.set_point(0, 5)
    press_row(qtbot, dock, 0)
    log = stub_owner.sessions[0].log
    qtbot.mouseClick(dock.propagation.from_here, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert log[-1] == ("propagate", "forward", (5, 8), (1,))


def test_everywhere_runs_only_what_was_corrected(dock, viewer, qtbot, stub_owner):
    propagate(dock, qtbot)
    press_row(qtbot, dock, 0)
    viewer.dims.set_point(0, 4)
    viewer.layers["movie clicks"].add((4, 30, 60))
    qtbot.mouseClick(dock.propagation.everywhere, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert stub_owner.sessions[0].log[-1] == ("propagate_changes",)
    assert dock.annotator.workspace.masklets.get(1, 6).to_dense()[30, 62]
    assert dock.propagation.status.text() == "Done."


def test_a_run_is_paused_resumed_and_stopped_by_key(dock, viewer, qtbot, stub_owner):
    stub_owner.sessions[0].delay_s = 0.05
    press_key(qtbot, viewer, Qt.Key.Key_Q)
    qtbot.waitUntil(lambda: "2 objects" in dock.propagation.status.text())
    press_key(qtbot, viewer, Qt.Key.Key_Q)
    assert dock.propagation.pause.text() == "Resume"
    viewer.layers["movie clicks"].add((0, 50, 10))  # answered after the step that it was in
    qtbot.waitUntil(lambda: dock.annotator.workspace.masklets.get(2, 0).to_dense()[50, 10])
    QApplication.processEvents()  # which is told here
    qtbot.waitUntil(lambda: not dock.annotator.propagation.is_showing)
    done = dock.propagation.bar.value()
    qtbot.wait(150)
    assert dock.propagation.bar.value() == done < 8
    press_key(qtbot, viewer, Qt.Key.Key_Q)
    assert dock.propagation.pause.text() == "Pause"
    qtbot.waitUntil(lambda: dock.propagation.bar.value() > done)
    qtbot.mouseClick(dock.propagation.cancel, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert "Stopped" in dock.propagation.status.text()


def test_the_time_is_told_before_a_run_once_it_is_known(dock, qtbot, stub_owner):
    assert "2 objects in up to 8 frames" in dock.propagation.estimate.text()
    assert "known after a first run" in dock.propagation.estimate.text()
    stub_owner.sessions[0].delay_s = 0.2
    dock.propagation.range.setValue((0, 2))
    propagate(dock, qtbot)
    stub_owner.sessions[0].delay_s = 0
    dock.propagation.range.setValue((0, 7))
    assert dock.propagation.estimate.text() == "2 objects in up to 8 frames, 2 s"
    dock.propagation.which.setCurrentText("Current object")
    dock.propagation.which.activated.emit(2)
    assert dock.propagation.estimate.text() == "1 object in up to 8 frames, less than 1 s"


def test_a_click_in_the_timeline_goes_there(dock, viewer, qtbot):
    propagate(dock, qtbot)
    timeline = dock.checking.timeline
    qtbot.mouseClick(timeline.viewport(), LEFT, pos=timeline.position_of(1, 6))
    assert dock.annotator.workspace.current_object == 1
    assert viewer.dims.current_step[0] == 6
    assert dock.objects.table.selected_ids == [1]
    viewer.dims.set_point(0, 3)
    assert timeline._current == (1, 3)


def test_keys_go_from_doubt_to_doubt(dock, viewer, qtbot):
    propagate(dock, qtbot)
    assert dock.checking.count.text() == "no doubts"
    masklets = dock.annotator.workspace.masklets
    big = np.zeros((60, 100), bool)
    big[10:50, 20:60] = True
    masklets.paint(1, 5, big)  # as a propagation that went wrong would
    masklets.paint(2, 3, big)
    dock.annotator.changed.emit()
    qtbot.waitUntil(lambda: dock.checking.count.text() == "2 doubtful")
    viewer.dims.set_point(0, 0)
    places = []
    for key, modifier in ((Qt.Key.Key_J, None), (Qt.Key.Key_J, None), (Qt.Key.Key_J, SHIFT)):
        press_key(qtbot, viewer, key, modifier or Qt.KeyboardModifier.NoModifier)
        places.append((dock.annotator.workspace.current_object, viewer.dims.current_step[0]))
    assert places == [(2, 3), (1, 5), (2, 3)]
    qtbot.mouseClick(dock.checking.next, LEFT)
    assert viewer.dims.current_step[0] == 5


def test_the_object_under_the_mouse_is_picked(dock, viewer, qtbot):
    viewer.reset_view()
    qtbot.wait(50)
    native, camera = viewer.window._qt_viewer.canvas.native, viewer.scene.camera
    for (y, x), expected in (((15, 33), 1), ((45, 10), 2), ((3, 90), 2)):
        at = QPoint(
            round(native.width() / 2 + (x / 2 - camera.center[-1]) * camera.zoom),
            round(native.height() / 2 + (y / 2 - camera.center[-2]) * camera.zoom),
        )
        qtbot.mouseMove(native, at)
        qtbot.wait(20)
        press_key(qtbot, viewer, Qt.Key.Key_K)
        assert dock.annotator.workspace.current_object == expected


def test_keys_are_explained(dock, viewer, qtbot):
    qtbot.mouseClick(dock.help, LEFT)
    overlay = QApplication.activePopupWidget()
    assert isinstance(overlay, KeyOverlay)
    words = " ".join(label.text() for label in overlay.findChildren(type(dock.hint)))
    assert all(key.does in words for key in KEYS)
    with qtbot.waitSignal(overlay.destroyed):
        qtbot.keyClick(overlay, Qt.Key.Key_Escape)


def test_keys_work_in_the_dock_but_not_in_a_field(dock, viewer, qtbot):
    propagate(dock, qtbot)
    with qtbot.waitActive(viewer.window._qt_window):
        viewer.window._qt_window.activateWindow()
    dock.objects.table.setFocus()
    qtbot.keyClick(dock.objects.table, Qt.Key.Key_H)
    assert not viewer.layers["Object 2"].visible
    press_row(qtbot, dock, 0)
    qtbot.mouseDClick(dock.objects.table.viewport(), LEFT, pos=cell(dock, 0))
    editor = dock.objects.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "h")
    assert viewer.layers["Object 1"].visible
    assert "h" in editor.text()


def test_keys_are_not_napari_s():
    """Viewer and layers have keys of their own, which must go on working."""
    from napari.layers import Image, Labels, Points, Shapes
    from napari.utils.key_bindings import coerce_keybinding
    from napari.viewer import Viewer

    # undo is meant to be the same key; a Labels layer of other work keeps its own
    ours = {coerce_keybinding(k.napari) for k in KEYS if k.action not in ("", "undo", "redo")}
    for owner in (Viewer, Image, Labels, Points, Shapes):
        assert not ours.intersection(owner.class_keymap), owner
    from napari.utils.shortcuts import default_shortcuts

    taken = {coerce_keybinding(key) for keys in default_shortcuts.values() for key in keys}
    assert not ours & taken


def test_a_closed_dock_leaves_the_keys(dock, viewer):
    bound = set(viewer.keymap)
    viewer.window.remove_dock_widget(dock)
    assert len(bound) - len(set(viewer.keymap)) == sum(bool(key.action) for key in KEYS)
    viewer.dims.set_point(0, 3)


def test_nothing_under_the_mouse_is_told(dock, viewer, qtbot):
    told = []
    notification_manager.notification_ready.connect(told.append)
    dock.actions_of_objects.go_to_doubtful()
    notification_manager.notification_ready.disconnect(told.append)
    assert "No mask is doubtful" in told[0].message


def test_a_padlock_protects_an_object(dock, viewer, qtbot):
    press_row(qtbot, dock, 0, Column.LOCKED)
    propagate(dock, qtbot)
    masklets = dock.annotator.workspace.masklets
    assert (len(masklets.frames(1)), len(masklets.frames(2))) == (1, 8)
    press_row(qtbot, dock, 0)
    qtbot.mouseClick(dock.objects.delete, LEFT)
    assert dock.annotator.workspace.objects.ids == (1, 2)
    press_row(qtbot, dock, 0, Column.LOCKED)
    qtbot.mouseClick(dock.objects.delete, LEFT)
    qtbot.waitUntil(lambda: dock.annotator.workspace.objects.ids == (2,))


def test_a_frame_is_locked_by_key_and_marked_in_the_timeline(dock, viewer, qtbot):
    propagate(dock, qtbot)
    viewer.dims.set_point(0, 4)
    press_key(qtbot, viewer, Qt.Key.Key_U)
    assert dock.annotator.workspace.locks == {(2, 4)}
    qtbot.waitUntil(lambda: "by you" in dock.checking.timeline.describe(2, 4))
    assert dock.checking.timeline._locked == {(2, 4)}
    press_key(qtbot, viewer, Qt.Key.Key_U)
    assert dock.annotator.workspace.locks == set()


def test_a_frame_without_a_mask_cannot_be_locked(dock, viewer, qtbot):
    told = []
    notification_manager.notification_ready.connect(told.append)
    viewer.dims.set_point(0, 6)
    press_key(qtbot, viewer, Qt.Key.Key_U)
    notification_manager.notification_ready.disconnect(told.append)
    assert "has no mask in frame 6" in told[0].message


def test_merging_and_copying_and_undoing_both(dock, viewer, qtbot):
    propagate(dock, qtbot)
    workspace = dock.annotator.workspace
    assert not dock.objects.merge.isEnabled()
    press_row(qtbot, dock, 0)
    press_row(qtbot, dock, 1, modifier=SHIFT)
    qtbot.mouseClick(dock.objects.merge, LEFT)
    qtbot.waitUntil(lambda: workspace.objects.ids in ((1,), (2,)) and is_idle(dock))
    (kept,) = workspace.objects.ids
    mask = workspace.masklets.get(kept, 5).to_dense()
    assert mask[15, 38]
    assert mask[45, 15]
    qtbot.mouseClick(dock.objects.copy, LEFT)
    qtbot.waitUntil(lambda: texts(dock, Column.FRAMES) == ["8", "8"] and is_idle(dock))
    assert texts(dock, Column.NAME)[1].endswith("copy")
    press_key(qtbot, viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    press_key(qtbot, viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: workspace.objects.ids == (1, 2))
    qtbot.waitUntil(lambda: texts(dock, Column.FRAMES) == ["8", "8"])


def test_a_class_is_written_in_place(dock, qtbot):
    model = dock.objects.table.objects
    model.setData(model.index(1, int(Column.CATEGORY)), "mitotic")
    assert texts(dock, Column.CATEGORY) == ["", "mitotic"]
    assert dock.annotator.workspace.objects.record(2).category == "mitotic"


def test_the_gui_does_not_follow_every_frame_of_a_fast_run(viewer, stub_owner, qtbot):
    """However fast frames are done: they are shown a few times a second, and none is left out."""
    viewer.add_image(np.zeros((300, 60, 100), np.uint16), name="movie")
    viewer.dims.set_point(0, 0)
    dock = SegmentAndTrack(viewer, stub_owner)
    viewer.window.add_dock_widget(dock)
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 15, 33))
    qtbot.waitUntil(lambda: is_idle(dock))
    shown, drawn, steps = [], [], []
    dock.annotator.progressed.connect(shown.append)
    dock.review.updated.connect(lambda: drawn.append(1))
    viewer.dims.events.current_step.connect(lambda: steps.append(1))
    propagate(dock, qtbot)
    assert len(dock.annotator.workspace.masklets.frames(1)) == 300
    assert texts(dock, Column.FRAMES) == ["300"]
    assert 1 <= len(shown) < 150
    assert len(steps) < 150
    assert len(drawn) < 150
