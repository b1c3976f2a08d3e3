"""Undoing, saving, reopening and seeding from the dock, as a person does."""

import os
from datetime import UTC, datetime

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import Fingerprint, Header, write_session
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.segment_dock.many_objects_section import ALL_FOR_CURRENT

MOVIE = np.arange(6 * 30 * 50, dtype=np.uint16).reshape(6, 30, 50)


@pytest.fixture
def dock(make_napari_viewer, stub_owner):
    viewer = make_napari_viewer()
    viewer.add_image(MOVIE, name="movie.tif", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    return widget


@pytest.fixture
def settle(qtbot):
    def settle(dock):
        annotator = dock.annotator
        workers = annotator.worker, annotator.sessions.files
        qtbot.waitUntil(lambda: annotator.network.is_open, timeout=5000)
        qtbot.waitUntil(
            lambda: not any(w.is_busy for w in workers) and not annotator.propagation.is_showing,
            timeout=10_000,
        )

    return settle


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_undo_and_redo_by_button(dock, qtbot, settle):
    viewer = dock.annotator.viewer
    assert not dock.session.undo.isEnabled()
    press(qtbot, dock.prompts.points)
    points = viewer.layers["movie.tif clicks"]
    points.add((0, 12, 33))
    settle(dock)
    assert "prompt: Object 1, frame 0 (Ctrl+Z)" in dock.session.undo.toolTip()
    press(qtbot, dock.session.undo)
    settle(dock)
    assert len(points.data) == 0
    press(qtbot, dock.session.redo)
    settle(dock)
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1


def test_save_and_open(dock, qtbot, settle, tmp_path, monkeypatch):
    path = tmp_path / "cells"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (f"{path}.jsonl", ""))
    viewer = dock.annotator.viewer
    press(qtbot, dock.prompts.points)
    viewer.layers["movie.tif clicks"].add((0, 12, 33))
    settle(dock)
    press(qtbot, dock.session.save)
    settle(dock)
    dock.annotator.work.edit.delete([1])
    settle(dock)
    assert "Object 1" not in viewer.layers
    press(qtbot, dock.session.open)
    settle(dock)
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1
    assert viewer.layers["movie.tif clicks"].data.tolist() == [[0, 12, 33]]


def test_the_last_session_is_offered(dock, qtbot, settle, make_napari_viewer, stub_owner):
    assert not dock.session.reopen.isVisibleTo(dock)
    press(qtbot, dock.prompts.points)
    dock.annotator.viewer.layers["movie.tif clicks"].add((0, 12, 33))
    settle(dock)
    dock.annotator.viewer.close()
    viewer = make_napari_viewer()
    viewer.add_image(MOVIE, name="movie.tif", scale=(1, 0.5, 0.5))
    again = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(again, name="Segment and track")
    qtbot.waitUntil(lambda: again.session.reopen.isVisibleTo(again))
    press(qtbot, again.session.reopen)
    settle(again)
    assert not again.session.reopen.isVisibleTo(again)
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1


def test_a_click_on_the_hint_reopens_it(
    dock, qtbot, settle, make_napari_viewer, stub_owner, messages
):
    press(qtbot, dock.prompts.points)
    dock.annotator.viewer.layers["movie.tif clicks"].add((0, 12, 33))
    settle(dock)
    dock.annotator.viewer.close()
    viewer = make_napari_viewer(show=True)
    again = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(again, name="Segment and track")
    qtbot.waitExposed(again)
    qtbot.wait(50)
    viewer.add_image(MOVIE, name="movie.tif", scale=(1, 0.5, 0.5))
    points, hint = again.prompts.points, again.heading.hint
    # the line of axes and calibration comes with the image
    qtbot.waitUntil(lambda: again.annotator.workspace is not None)
    QApplication.processEvents()
    before = points.mapTo(again, QPoint(0, 0))
    qtbot.waitUntil(lambda: "reopen the last session" in hint.text())
    qtbot.waitUntil(again.session.reopen.isVisible)
    assert points.mapTo(again, QPoint(0, 0)) == before  # nothing moved under the mouse
    assert "movie.tif before" in messages[-1].message
    middle = hint.height() // 2
    for y in (middle - 8, middle, middle + 8):  # somewhere in one of the lines is the link
        for x in range(0, hint.width(), 12):
            qtbot.mouseMove(hint, QPoint(x, y))
            qtbot.mouseClick(hint, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    settle(again)
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1
    assert "reopen" not in hint.text()


def test_saved_sessions_are_deleted_when_the_user_says_so(dock, qtbot, settle, monkeypatch):
    folder = sessions_folder()
    image = Fingerprint.of(MOVIE, "other.tif")
    for days in (1, 100, 200):
        path = folder / f"{days}.jsonl"
        folder.mkdir(exist_ok=True)
        write_session(path, Header(image, "cells_nano", datetime.now(UTC), "tests"), [])
        long_ago = datetime.now(UTC).timestamp() - days * 86400
        os.utime(path, (long_ago, long_ago))
    press(qtbot, dock.prompts.points)
    dock.annotator.viewer.layers["movie.tif clicks"].add((0, 12, 33))
    settle(dock)
    qtbot.waitUntil(lambda: bool(dock.annotator.sessions.own_files), timeout=5000)
    saved = dock.session.window_of_saved
    trash = []
    saved._trash = lambda path: trash.append(path.name) or path.name != "200.jsonl"
    press(qtbot, dock.session.saved)
    qtbot.waitUntil(lambda: saved.list.topLevelItemCount() == 4)
    rows = [saved.list.topLevelItem(i).text(0) for i in range(4)]
    assert rows == ["movie.tif (in use)", "other.tif", "other.tif", "other.tif"]
    assert not saved.delete.isEnabled()
    saved.list.selectAll()
    assert len(saved.list.selectedItems()) == 3  # not the one that is written to
    press(qtbot, saved.select_old)
    assert saved.delete.text() == "Delete 2" and not saved.open.isEnabled()
    told = []
    dock.annotator.noticed.connect(told.append)
    press(qtbot, saved.delete)
    qtbot.waitUntil(lambda: bool(told))
    assert trash == ["100.jsonl", "200.jsonl"]
    assert "There is no trash for 200.jsonl: what is there stays" in told[0]
    qtbot.waitUntil(lambda: not dock.annotator.sessions.files.is_busy)


def test_objects_from_labels(dock, qtbot, settle):
    viewer = dock.annotator.viewer
    labels = np.zeros((6, 30, 50), np.int32)
    labels[2, 3:9, 4:12], labels[2, 20:25, 30:40] = 5, 1
    viewer.add_labels(labels, name="cellpose", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 2)
    assert dock.seeds.labels.currentText() == "cellpose"
    press(qtbot, dock.seeds.take)
    settle(dock)
    assert dock.annotator.workspace.objects.ids == (1, 5)
    np.testing.assert_array_equal(viewer.layers["Object 5"].data[2] == 5, labels[2] == 5)
    dock.annotator.work.propagate("forward", None)
    settle(dock)
    assert viewer.layers["Object 1"].data[4, 22, 33] == 1
    viewer.dims.set_point(0, 2)
    dock.seeds.keep_ids.setChecked(False)
    press(qtbot, dock.seeds.take)
    settle(dock)
    assert dock.annotator.workspace.objects.ids == (1, 5, 6, 7)
    for _ in range(2):
        dock.annotator.work.edit.undo()
        settle(dock)
    assert dock.annotator.workspace.objects.ids == (1, 5)
    viewer.layers.remove("cellpose")
    assert not dock.seeds.take.isEnabled()


def test_boxes_for_one_object(dock, qtbot, settle):
    viewer = dock.annotator.viewer
    dock.seeds.boxes.setCurrentText(ALL_FOR_CURRENT)
    dock.seeds.boxes.activated.emit(1)
    press(qtbot, dock.prompts.shapes)
    for y in (3, 20):
        box = np.array([[0, y, 5], [0, y, 15], [0, y + 6, 15], [0, y + 6, 5]])
        viewer.layers["movie.tif boxes"].add_rectangles(box)
    settle(dock)
    mask = viewer.layers["Object 1"].data[0]
    assert mask[4, 6] == mask[21, 6] == 1
    assert mask[15, 6] == 0
    assert dock.annotator.workspace.objects.ids == (1,)


def test_the_sections_fit_a_narrow_screen(dock):
    dock.resize(300, 900)
    for push in (dock.session.undo, dock.session.save, dock.session.open, dock.seeds.take):
        assert push.width() >= push.minimumSizeHint().width(), push.text()
        assert push.toolTip()
