"""The dock where there is little room: narrow, low, or with large letters."""

from itertools import combinations

import napari.settings
import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import QAbstractButton, QLabel, QPushButton, QSizePolicy, QWidget

from napari_sam2.widgets.controls.collapsible import Fold
from napari_sam2.widgets.controls.flow_row import SPACING_PX, WrappingRow
from napari_sam2.widgets.dock.dock import Sam2Dock

LEFT = Qt.MouseButton.LeftButton
DOCK_WIDTH_PX = 300
USUAL_LETTERS, LARGE_LETTERS = 9, 18
FULL_HD_PX, LAPTOP_PX = 935, 650  # of the dock in napari's window on 1080 and on 720 lines
TALL_PX = 1200  # where nothing is scrolled


@pytest.fixture
def letters():
    """Sets the size of napari's letters."""
    appearance = napari.settings.get_settings().appearance
    before = appearance.font_size
    yield lambda size: setattr(appearance, "font_size", size)
    appearance.font_size = before


@pytest.fixture
def dock(make_napari_viewer, stub_owner, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((8, 60, 100), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    return dock


def fit(dock, qtbot, height):
    """Make the dock as narrow as it gets, and so high; with large letters napari is higher."""
    window = dock.annotator.viewer.window._qt_window
    for _ in range(2):
        qtbot.wait(50)
        window.resize(900, window.height() + height - dock.height())
        window.resizeDocks([dock.parent()], [DOCK_WIDTH_PX], Qt.Orientation.Horizontal)
    qtbot.wait(50)


def cut_off(dock):
    """List the texts that are not seen whole."""
    widgets = (*dock.findChildren(QAbstractButton), *dock.findChildren(QLabel))
    shown = [widget for widget in widgets if widget.isVisible() and widget.text()]
    return [
        widget.text()
        for widget in shown
        if widget.width() < widget.minimumSizeHint().width()
        or widget.mapTo(dock, QPoint(widget.width(), 0)).x() > dock.width()
    ]


def is_folded(widget, dock):
    """Tell whether it is in something that is folded away."""
    while (widget := widget.parent()) is not dock:
        if widget.height() == 0:
            return True
    return False


def overlapping(dock):
    """List pairs of buttons of which one hides the other."""
    buttons = dock.segment.content.findChildren(QAbstractButton)
    shown = [button for button in buttons if button.isVisible() and not is_folded(button, dock)]
    places = {b: QRect(b.mapTo(dock.segment.content, QPoint(0, 0)), b.size()) for b in shown}
    pairs = combinations(places.items(), 2)
    return [(a.text(), b.text()) for (a, at), (b, there) in pairs if at.intersects(there)]


@pytest.mark.parametrize("size", [USUAL_LETTERS])
def test_nothing_is_cut_off_in_a_narrow_dock(dock, letters, qtbot, size):
    letters(size)
    fit(dock, qtbot, LAPTOP_PX)
    assert dock.width() <= DOCK_WIDTH_PX + 3
    assert cut_off(dock) == []
    assert overlapping(dock) == []
    for title in ("Boxes and labels", "Contrast and detail"):
        fold = next(fold for fold in dock.findChildren(Fold) if fold.text() == title)
        fold.expand(animate=False)
    qtbot.waitUntil(lambda: overlapping(dock) == [])


def test_on_a_full_hd_screen_what_is_used_daily_is_seen(dock, qtbot):
    fit(dock, qtbot, FULL_HD_PX)
    daily = (dock.image, dock.model, dock.prompts, dock.objects, dock.propagation, dock.checking)
    for widget in daily:
        assert widget.visibleRegion().boundingRect() == widget.rect(), widget


@pytest.mark.parametrize("size", [USUAL_LETTERS, LARGE_LETTERS])
def test_on_a_laptop_s_screen_the_timeline_is_always_seen(dock, letters, qtbot, size):
    letters(size)
    fit(dock, qtbot, LAPTOP_PX)
    bar, timeline = dock.segment.scrolled.verticalScrollBar(), dock.checking.timeline
    for place in (0, bar.maximum()):
        bar.setValue(place)
        for widget in (dock.heading, timeline, dock.checking.next):
            assert widget.visibleRegion().boundingRect().height() == widget.height()
    if size == USUAL_LETTERS:
        bar.setValue(0)
        for widget in (dock.prompts.points, dock.objects.new, dock.propagation.run):
            assert widget.visibleRegion().boundingRect() == widget.rect()


def test_the_list_of_objects_takes_the_room_that_there_is(dock, qtbot):
    heights = []
    for height in (LAPTOP_PX, TALL_PX, LAPTOP_PX):
        fit(dock, qtbot, height)
        heights.append(dock.objects.table.height())
    assert heights[0] == heights[2] < heights[1]


def test_folding_moves_nothing_above_it(dock, qtbot):
    fit(dock, qtbot, TALL_PX)
    above = (dock.objects.table, dock.objects.new, dock.propagation.run)

    def places():
        return [(widget.mapTo(dock, QPoint(0, 0)).y(), widget.height()) for widget in above]

    before = places()
    for fold in (dock.session.parent().parent(), dock.segment.checked):
        title = fold.toggleButton()
        for _ in range(2):
            at = title.mapTo(dock, QPoint(0, 0))
            qtbot.mouseClick(title, LEFT)
            qtbot.wait(10)
            assert places() == before
            if fold is not dock.segment.checked:  # which is at the bottom, and folds downwards
                assert title.mapTo(dock, QPoint(0, 0)) == at


def test_what_a_run_tells_moves_no_button(dock, qtbot):
    fit(dock, qtbot, LAPTOP_PX)
    dock.prompts.points.click()
    dock.annotator.viewer.layers["movie clicks"].add((0, 15, 33))
    annotator, seen = dock.annotator, {}
    qtbot.waitUntil(lambda: "Object 1" in annotator.viewer.layers and not annotator.worker.is_busy)
    below = (dock.propagation.from_here, dock.propagation.which, dock.propagation.show_frames)

    def places():
        qtbot.wait(5)
        return [widget.mapTo(dock, QPoint(0, 0)).y() for widget in below]

    dock.propagation.show_estimate("1 object in up to 8 frames: 2 s")
    before = places()
    dock.propagation.show_running(True, False)
    dock.propagation.progress.show_progress(34, 960, "Frame 3: 12 objects; 34 of 960 frames", 600)
    assert dock.propagation.bar.text() == "3 %, 10 min left"
    seen["running"] = places()
    for told in ("Done.", "Stopped; what was done is kept.", ""):
        dock.propagation.show_end(told)
        seen[told] = places()
    dock.propagation.show_end("Done.")
    dock.propagation.show_estimate("12 objects in up to 100 frames: 10 min")
    seen["estimated"] = places()
    dock.propagation.run.setFocus()  # as after a click; then the bar takes its place
    dock.propagation.show_running(True, False)
    seen["pressed"] = places()
    assert seen == dict.fromkeys(seen, before)
    qtbot.wait(250)  # the estimate is asked for, which imports PyTorch the first time
    qtbot.waitUntil(lambda: not annotator.worker.is_busy, timeout=60_000)


@pytest.mark.parametrize(("width", "lines"), [(400, 1), (230, 2), (110, 4)])
def test_a_row_takes_as_many_lines_as_it_needs(qtbot, width, lines):
    box, buttons = QWidget(), [QPushButton(text) for text in ("New", "Copy", "Merge", "Delete")]
    qtbot.addWidget(box)
    for button in buttons:
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setMinimumSize(90, 20)
        button.setMaximumHeight(20)
    box.setLayout(WrappingRow(*buttons))
    box.resize(width, box.heightForWidth(width))
    box.show()
    qtbot.waitExposed(box)
    assert box.height() == lines * 20 + (lines - 1) * SPACING_PX
    assert len({button.y() for button in buttons}) == lines
    assert max(b.width() for b in buttons) - min(b.width() for b in buttons) <= 1
    assert all(box.rect().contains(button.geometry()) for button in buttons)
    buttons[1].hide()
    qtbot.waitUntil(lambda: box.layout().minimumSize().width() == 90)
    assert box.heightForWidth(400) == 20
    assert box.layout().itemAt(4) is None and box.layout().count() == 4
