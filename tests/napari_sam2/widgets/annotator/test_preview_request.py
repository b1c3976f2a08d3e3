"""The preview of the neighbouring frames, with mouse and keys; the network is a stub."""

from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_sam2.widgets.dock.dock import Sam2Dock

LEFT = Qt.MouseButton.LeftButton
DOCK_WIDTH_PX = 300
MOVIE = np.random.default_rng(0).integers(0, 4000, (9, 60, 100)).astype(np.uint16)


@pytest.fixture
def dock(make_napari_viewer, stub_owner, qtbot):
    """One object, prompted in frame 4."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(MOVIE, name="movie", scale=(1, 0.5, 0.25), translate=(0, 3, 5))
    viewer.dims.set_point(0, 4)
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((4, 30, 50))
    qtbot.waitUntil(lambda: is_idle(dock) and len(shown(dock)) == 5, timeout=20000)
    return dock


def is_idle(dock):
    return dock.annotator.network.is_open and not dock.annotator.worker.is_busy


def shown(dock):
    return dock.heading.strip.frames


def press(qtbot, dock, frame):
    qtbot.mouseClick(dock.heading.strip, LEFT, pos=dock.heading.strip.rect_of(frame).center())


def ghosts(dock, frame):
    layer = dock.annotator.viewer.layers["movie preview"]
    return np.asarray(layer.data[frame]) > 0


def test_after_a_click_the_object_is_shown_in_the_frames_beside_and_kept_nowhere(dock, qtbot):
    workspace = dock.annotator.workspace
    assert shown(dock) == [2, 3, 4, 5, 6]
    assert workspace.masklets.frames(1) == (4,)
    written = {key.frame for key in workspace.history.values if key.frame >= 0}
    assert written == {4}
    assert dock.annotator.work.edit.undo_text.startswith("prompt")
    for frame in (2, 3, 5, 6):
        moved = np.roll(workspace.masklets.get(1, 4).to_dense(), abs(frame - 4), axis=1)
        there = ghosts(dock, frame)
        assert there.any() and not (there & ~moved).any()  # the rim of the mask
        assert not there[30, 50 + abs(frame - 4)]
    assert not ghosts(dock, 4).any() and not ghosts(dock, 7).any()
    assert "movie preview" not in {layer.name for layer in workspace.outputs.layers.values()}


def test_a_picture_goes_to_its_frame_and_the_preview_stays(dock, qtbot):
    press(qtbot, dock, 6)
    assert dock.annotator.workspace.shown_frame == 6
    assert shown(dock) == [2, 3, 4, 5, 6]
    press(qtbot, dock, 3)
    assert dock.annotator.workspace.shown_frame == 3


def test_the_next_prompt_replaces_it(dock, qtbot):
    dock.annotator.viewer.layers["movie clicks"].add((4, 20, 20))
    assert shown(dock) == []
    assert not ghosts(dock, 5).any()
    qtbot.waitUntil(lambda: len(shown(dock)) == 5)
    assert ghosts(dock, 5)[15:25, 10:30].any()


def test_a_click_breaks_off_what_is_being_looked_at(dock, stub_owner, qtbot):
    session = stub_owner.sessions[-1]
    session.delay_s = 0.3
    points = dock.annotator.viewer.layers["movie clicks"]
    points.add((4, 20, 20))
    qtbot.waitUntil(lambda: len(shown(dock)) == 1)  # the first neighbour is on its way
    n_said = sum(entry[0] == "add" for entry in session.log)
    points.add((4, 40, 80))
    qtbot.waitUntil(lambda: sum(entry[0] == "add" for entry in session.log) > n_said)
    looks = [i for i, entry in enumerate(session.log) if entry[0] == "look_around"]
    assert session.log[looks[-1] + 1][0] == "add"
    assert shown(dock) == []
    session.delay_s = 0.0
    qtbot.waitUntil(lambda: len(shown(dock)) == 5)
    assert is_idle(dock) or dock.annotator.worker.is_streaming


def test_propagate_takes_it_up(dock, qtbot):
    qtbot.mouseClick(dock.propagation.run, LEFT)
    assert shown(dock) == []
    qtbot.waitUntil(lambda: not dock.annotator.propagation.is_running)
    assert dock.annotator.workspace.masklets.frames(1) == tuple(range(9))
    assert not ghosts(dock, 5).any()


@pytest.mark.parametrize("how", ["undo", "another object", "new", "another image"])
def test_it_goes_with_what_it_is_of(dock, qtbot, how):
    viewer = dock.annotator.viewer
    if how == "undo":
        qtbot.keyClick(
            viewer.window._qt_viewer.canvas.native,
            Qt.Key.Key_Z,
            Qt.KeyboardModifier.ControlModifier,
        )
    elif how == "another object":
        dock.annotator.work.select_object(7)
    elif how == "new":
        qtbot.mouseClick(dock.objects.new, LEFT)
    else:
        dock.annotator.choose_image(None)
    assert shown(dock) == []
    assert not ghosts(dock, 5).any()


def test_it_can_be_switched_off_and_on(dock, stub_owner, qtbot):
    box = dock.segment.neighbours
    viewer = dock.annotator.viewer
    box.click()
    assert not dock.heading.strip.isVisible()
    assert "movie preview" not in viewer.layers
    assert viewer.layers.selection.active.name == "movie clicks"
    before = len(stub_owner.sessions[-1].log)
    viewer.layers["movie clicks"].add((4, 20, 20))
    qtbot.waitUntil(lambda: is_idle(dock))
    qtbot.wait(600)
    assert not any(e[0] == "look_around" for e in stub_owner.sessions[-1].log[before:])
    box.click()
    qtbot.waitUntil(lambda: len(shown(dock)) == 5)


def test_it_looks_where_a_run_would_go_and_not_beyond_the_movie(dock, stub_owner, qtbot):
    viewer = dock.annotator.viewer
    qtbot.keyClicks(dock.propagation.direction, "Backward")
    dock.propagation.direction.activated.emit(1)
    viewer.dims.set_point(0, 1)
    viewer.layers["movie clicks"].add((1, 20, 20))
    qtbot.waitUntil(lambda: shown(dock) == [0, 1])
    assert stub_owner.sessions[-1].log[-1] == ("look_around", 1, 1, "backward")


def narrow(dock, qtbot):
    window = dock.annotator.viewer.window._qt_window
    window.resizeDocks([dock.parent()], [DOCK_WIDTH_PX], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: dock.width() == DOCK_WIDTH_PX)


def test_the_pictures_fit_into_a_narrow_dock(dock, qtbot):
    narrow(dock, qtbot)
    strip = dock.heading.strip
    rects = [strip.rect_of(frame) for frame in shown(dock)]
    assert all(strip.rect().contains(rect) for rect in rects)
    assert all(not a.intersects(b) for a, b in pairwise(rects))
    assert min(rect.width() for rect in rects) >= 42
    hint = dock.heading.hint  # in one line beside the pictures
    assert hint.heightForWidth(hint.width()) <= hint.fontMetrics().lineSpacing() + 3


def test_pictures_that_come_and_go_move_nothing(dock, qtbot):
    narrow(dock, qtbot)
    below = (dock.image, dock.prompts, dock.objects.new, dock.propagation.run, dock.checking)

    def places():
        return [widget.mapTo(dock, QPoint(0, 0)) for widget in below]

    assert dock.heading.strip.isVisible() and "Continues like this" in dock.heading.hint.text()
    before = places()
    dock.annotator.viewer.layers["movie clicks"].add((4, 20, 20))
    assert not dock.heading.strip.isVisible() and places() == before
    qtbot.waitUntil(lambda: len(shown(dock)) == 5)
    assert dock.heading.strip.isVisible() and places() == before
    dock.segment.neighbours.click()
    assert not dock.heading.strip.isVisible() and places() == before
    assert "Continues like this" not in dock.heading.hint.text()
