"""The list of objects, the timeline and the keys in the dock, used as a person uses them."""

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit

from napari_sam2.widgets.controls.key_bindings import KeyOverlay
from napari_sam2.widgets.controls.key_table import KEYS, Where, with_written
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.objects.object_table import Column

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
    dock = Sam2Dock(viewer, stub_owner)
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
        and not annotator.worker.is_busy
        and not annotator.propagation.is_showing
        and dock.segment.review.is_up_to_date
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
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (7.5, 16.5), atol=1)
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
    log = stub_owner.sessions[0].log  # the preview may look around afterwards
    assert [call for call in log if "propagate" in call[0]][-1] == ("propagate_changes",)
    assert dock.annotator.workspace.masklets.get(1, 6).to_dense()[30, 62]
    assert dock.propagation.status.text() == "Done."


def test_a_run_is_paused_resumed_and_stopped_by_key(dock, viewer, qtbot, stub_owner):
    stub_owner.sessions[0].delay_s = 0.5
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
    stub_owner.sessions[0].delay_s = 0.3  # however slowly the bar is looked at
    press_key(qtbot, viewer, Qt.Key.Key_Q)
    assert dock.propagation.pause.text() == "Pause"
    qtbot.waitUntil(lambda: dock.propagation.bar.value() > done)
    qtbot.mouseClick(dock.propagation.cancel, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert "Stopped" in dock.propagation.status.text()


def test_what_was_propagated_until_it_failed_is_one_step(
    dock, viewer, qtbot, stub_owner, messages, monkeypatch
):
    session = stub_owner.sessions[0]
    propagate_all = session.propagate

    def failing(*arguments, **options):
        for result in propagate_all(*arguments, **options):
            if result.frame == 4:
                raise OSError("frame 4 cannot be read")
            yield result

    monkeypatch.setattr(session, "propagate", failing)
    before = dock.annotator.work.edit.undo_text
    propagate(dock, qtbot)
    masklets = dock.annotator.workspace.masklets
    assert masklets.frames(1) == masklets.frames(2) == (0, 1, 2, 3)
    assert dock.propagation.status.text() == "Stopped; what was done is kept."
    assert "frame 4 cannot be read" in messages[-1].message
    assert dock.propagation.run.isEnabled() and not dock.propagation.cancel.isEnabled()
    press_key(qtbot, viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert masklets.frames(1) == masklets.frames(2) == (0,)
    assert dock.annotator.work.edit.undo_text == before
    monkeypatch.undo()
    propagate(dock, qtbot)
    assert masklets.frames(2) == tuple(range(8))


def test_a_click_that_fails_leaves_the_run_alone(
    dock, viewer, qtbot, stub_owner, messages, monkeypatch
):
    session = stub_owner.sessions[0]
    session.delay_s = 0.2
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: "2 objects" in dock.propagation.status.text())

    def failing(*arguments, **options):
        raise ValueError("this prompt is one too many")

    monkeypatch.setattr(session, "set_prompts", failing)
    viewer.layers["movie clicks"].add((0, 50, 10))
    qtbot.waitUntil(lambda: any("one too many" in told.message for told in messages))
    assert dock.annotator.propagation.is_running and dock.propagation.cancel.isEnabled()
    qtbot.waitUntil(lambda: is_idle(dock))
    assert dock.propagation.status.text() == "Done."
    assert len(dock.annotator.workspace.masklets.frames(2)) == 8


def test_the_time_is_told_before_a_run_once_it_is_known(dock, qtbot, stub_owner):
    assert "2 objects in up to 8 frames" in dock.propagation.estimate.text()
    assert "time unknown" in dock.propagation.estimate.text()
    stub_owner.sessions[0].delay_s = 0.2
    dock.propagation.range.setValue((0, 2))
    propagate(dock, qtbot)
    stub_owner.sessions[0].delay_s = 0
    dock.propagation.range.setValue((0, 7))
    assert dock.propagation.estimate.text() == "2 objects in up to 8 frames: 2 s"
    dock.propagation.which.setCurrentText("Current object")
    dock.propagation.which.activated.emit(2)
    assert dock.propagation.estimate.text() == "1 object in up to 8 frames: time unknown"


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
    assert dock.checking.count.text() == "none low"
    masklets = dock.annotator.workspace.masklets
    big = np.zeros((60, 100), bool)
    big[10:50, 20:60] = True
    masklets.paint(1, 5, big)  # as a propagation that went wrong would
    masklets.paint(2, 3, big)
    dock.annotator.changed.emit()
    qtbot.waitUntil(lambda: dock.checking.count.text() == "2 low")
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
    qtbot.mouseClick(dock.heading.help, LEFT)
    overlay = QApplication.activePopupWidget()
    assert isinstance(overlay, KeyOverlay)
    said = [label.text() for label in overlay.findChildren(QLabel)]
    assert all(key.does in said and f"<b>{key.shown}</b>" in said for key in KEYS)
    with qtbot.waitSignal(overlay.destroyed):
        qtbot.keyClick(overlay, Qt.Key.Key_Escape)


def test_a_question_mark_lists_the_keys_and_another_puts_them_away(dock, viewer, qtbot):
    canvas = viewer.window._qt_viewer.canvas.native
    question = Qt.Key.Key_Question
    # as keyboards send it: of the key, Qt tells the character
    QApplication.sendEvent(canvas, QKeyEvent(QEvent.Type.KeyPress, question, SHIFT, "?"))
    overlay = QApplication.activePopupWidget()
    assert isinstance(overlay, KeyOverlay)
    qtbot.keyPress(overlay, Qt.Key.Key_Shift)
    assert overlay.isVisible()
    with qtbot.waitSignal(overlay.destroyed):
        QApplication.sendEvent(overlay, QKeyEvent(QEvent.Type.KeyPress, question, SHIFT, "?"))
    assert QApplication.activePopupWidget() is None


def test_the_list_of_keys_is_no_larger_than_the_window(dock, viewer, qtbot):
    window = viewer.window._qt_window
    window.resize(window.minimumSizeHint())
    overlay = KeyOverlay(dock)
    for low in (window.height(), 150):
        dock.resize(dock.width(), low)
        overlay.show_over(dock if low == 150 else window)
        assert overlay.width() <= window.width() and overlay.height() <= low
    overlay.close()


def test_every_key_that_is_bound_is_in_the_list(dock, viewer):
    listed = {coerce_keybinding(key.name) for key in KEYS}
    layers = [viewer.layers["movie clicks"], viewer.layers["Object 1"]]
    for owner in (viewer, *layers):
        assert set(owner.keymap) <= listed, owner
    here = {coerce_keybinding(k.name) for k in KEYS if k.where is Where.ANYWHERE}
    assert here <= set(viewer.keymap)
    prompts = {coerce_keybinding(k.name) for k in KEYS if k.where is Where.PROMPTS}
    own = set(viewer.layers["movie clicks"].keymap)
    assert prompts - own == {coerce_keybinding("Delete")}  # which is napari's


def test_keys_can_be_chosen():
    def chosen(**written):
        usual = {key.action: key.name for key in KEYS}
        names = {key.action: key.name for key in with_written(written)}
        return {action: name for action, name in names.items() if name != usual[action]}

    assert chosen(pick="Ctrl+Shift+P") == {"pick": "Control-Shift-P"}
    assert chosen(pick="g", go_to_current="K") == {"pick": "G", "go_to_current": "K"}
    assert chosen(pick="J") == {}  # another action has it
    assert chosen(pick="D", show_or_hide="Tab", lock_frame="Control-Z") == {}
    assert chosen(pick="two", lock_frame="", undo="F5") == {}  # no keys; and undo is undo
    assert chosen(pick="F2", lock_frame="F2") == {}


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
    from napari.viewer import Viewer

    # undo is meant to be the same key; a Labels layer of other work keeps its own
    ours = {coerce_keybinding(k.name) for k in KEYS if k.where is Where.ANYWHERE}
    ours -= {coerce_keybinding(k.name) for k in KEYS if k.action in ("undo", "redo")}
    for owner in (Viewer, Image, Labels, Points, Shapes):
        assert not ours.intersection(owner.class_keymap), owner
    from napari.utils.shortcuts import default_shortcuts

    taken = {coerce_keybinding(key) for keys in default_shortcuts.values() for key in keys}
    assert not ours & taken


def test_a_closed_dock_leaves_the_keys(dock, viewer):
    bound = set(viewer.keymap)
    viewer.window.remove_dock_widget(dock)
    ours = [key for key in KEYS if key.where is not Where.PROMPTS]
    assert len(bound) - len(set(viewer.keymap)) == len(ours)
    viewer.dims.set_point(0, 3)


def test_nothing_under_the_mouse_is_told(dock, viewer, qtbot):
    told = []
    notification_manager.notification_ready.connect(told.append)
    dock.segment.actions_of_objects.go_to_low_confidence()
    notification_manager.notification_ready.disconnect(told.append)
    assert "No mask has low confidence" in told[0].message


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
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock)
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 15, 33))
    qtbot.waitUntil(lambda: is_idle(dock))
    shown, drawn, steps = [], [], []
    dock.annotator.progressed.connect(shown.append)
    dock.segment.review.updated.connect(lambda: drawn.append(1))
    viewer.dims.events.current_step.connect(lambda: steps.append(1))
    propagate(dock, qtbot)
    assert len(dock.annotator.workspace.masklets.frames(1)) == 300
    assert texts(dock, Column.FRAMES) == ["300"]
    assert 1 <= len(shown) < 150
    assert len(steps) < 150
    assert len(drawn) < 150


def test_the_heading_says_where_the_current_object_is_locked(dock, viewer, qtbot, messages):
    propagate(dock, qtbot)
    viewer.dims.set_point(0, 3)
    press_key(qtbot, viewer, Qt.Key.Key_U)
    assert "<b>Locked</b> here" in dock.heading.hint.text()
    viewer.layers["movie clicks"].add((3, 50, 50))
    assert "Object 2 is locked in this frame: unlock it first (key U)." in messages[-1].message
    viewer.dims.set_point(0, 4)
    assert "Locked" not in dock.heading.hint.text()
    press_row(qtbot, dock, 0, Column.LOCKED)
    press_row(qtbot, dock, 0)
    assert "<b>Locked</b> here" in dock.heading.hint.text()


def test_tab_says_which_mask_of_the_click_it_is(dock, viewer, qtbot):
    press_key(qtbot, viewer, Qt.Key.Key_Tab)
    qtbot.waitUntil(lambda: "2 of 3" in dock.heading.hint.text())
    assert "movie alternatives" in viewer.layers
    press_key(qtbot, viewer, Qt.Key.Key_Tab)
    qtbot.waitUntil(lambda: "3 of 3" in dock.heading.hint.text())
    dock.annotator.candidates.hide()  # as after some seconds
    assert "of 3" not in dock.heading.hint.text()
    assert "movie alternatives" not in viewer.layers


def test_merging_tells_where_a_locked_mask_stayed(dock, viewer, qtbot, messages):
    propagate(dock, qtbot)
    masklets = dock.annotator.workspace.masklets
    before = masklets.get(2, 3).to_dense()
    viewer.dims.set_point(0, 3)
    press_key(qtbot, viewer, Qt.Key.Key_U)
    press_row(qtbot, dock, 0)
    press_row(qtbot, dock, 1, modifier=SHIFT)  # the last one is the current one
    qtbot.mouseClick(dock.objects.merge, LEFT)
    qtbot.waitUntil(lambda: is_idle(dock))
    assert "Object 2 is locked in frame 3: its mask stayed" in messages[-1].message
    np.testing.assert_array_equal(masklets.get(2, 3).to_dense(), before)
    assert masklets.get(2, 4).to_dense()[15, 37] and masklets.get(2, 4).to_dense()[45, 14]


def white_pixels(viewer):
    """Where the canvas is white: (N, 2) world coordinates (y, x)."""
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    places = np.argwhere((shot > 250).all(-1)).astype(float)
    camera = viewer.scene.camera
    return (places - np.array(shot.shape[:2]) / 2) / camera.zoom + camera.center[-2:]


def test_the_current_object_is_outlined_where_it_is_drawn(dock, viewer, qtbot):
    workspace = dock.annotator.workspace
    workspace.remove_previews()
    workspace.points.visible = False
    viewer.scene.camera.center, viewer.scene.camera.zoom = (15, 25), 12
    press_row(qtbot, dock, 1)
    press_row(qtbot, dock, 0)  # around (15, 33) in pixels of 0.5
    viewer.scene.camera.center, viewer.scene.camera.zoom = (15, 25), 12
    qtbot.wait(100)
    found = white_pixels(viewer)
    assert len(found)
    y, x = found[found[:, 0] > 7.5 - 2.4].T  # above it is its name
    np.testing.assert_allclose((y.mean(), x.mean()), (7.5, 16.5), atol=0.3)
    assert np.hypot(y - 7.5, x - 16.5).min() > 1.5  # the outline alone
    assert "movie clicks" in viewer.layers
    viewer.dims.set_point(0, 5)
    qtbot.wait(100)
    assert not len(white_pixels(viewer))
