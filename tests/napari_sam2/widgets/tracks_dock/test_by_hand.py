"""The dock "Tracks and numbers" in a window, driven with keys and the mouse on the canvas."""

import numpy as np
import pytest
from canvas_mouse import canvas_position, drag, tap
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QContextMenuEvent
from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QMenu
from settling import settle

from napari_sam2.annotation.track_edits import lineage_of
from napari_sam2.tracks.suggestions import of_divisions
from napari_sam2.widgets.dock.dock import SEGMENT, TRACKS, Sam2Dock
from sam2_torch.automatic import Division

SCALE, TRANSLATE = (1, 0.5, 0.25), (0, 3, 7)
DOCK_WIDTH_PX = 300
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer, qtbot):
    """A window with a movie that is not square, and has no square pixels."""
    viewer = make_napari_viewer(show=True)
    movie = np.zeros((6, 30, 90), np.uint16)
    viewer.add_image(movie, name="movie", scale=SCALE, translate=TRANSLATE)
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def docks(viewer, stub_owner, qtbot):
    """The dock at its tab *Tracks*, and that tab; the network is a stub."""
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="SAM 2").setFixedWidth(DOCK_WIDTH_PX)
    dock.show_tab(TRACKS)
    qtbot.wait(50)  # the canvas gets its size
    viewer.reset_view()
    return dock, dock.tracks


def at(viewer, y, x):
    """Where a pixel of the movie is on the canvas: (x, y)."""
    _, where = canvas_position(viewer, TRANSLATE[1] + SCALE[1] * y, TRANSLATE[2] + SCALE[2] * x)
    return where.x(), where.y()


@pytest.fixture
def cells(qtbot, viewer, docks):
    """Two cells, clicked with the mouse and followed to the end."""
    dock, tracks = docks
    annotator = dock.annotator
    dock.show_tab(SEGMENT)
    for y, x in ((8, 12), (22, 50)):
        qtbot.mouseClick(dock.prompts.points, LEFT)
        annotator.work.new_object()
        tap(qtbot, viewer, at(viewer, y, x))
        settle(qtbot, tracks, timeout_ms=20_000)
    annotator.work.propagate("forward", None)
    settle(qtbot, tracks, timeout_ms=20_000)
    assert annotator.workspace.objects.ids == (1, 2)
    dock.show_tab(TRACKS)
    return dock, tracks


def parents(tracks):
    return lineage_of(tracks.annotator.workspace.history.values).parents


def test_the_key_in_the_canvas_divides_and_the_tracks_layer_leads_to_objects(qtbot, viewer, cells):
    _, tracks = cells
    annotator = tracks.annotator
    annotator.work.select_object(1)
    viewer.dims.set_point(0, 3)
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_D)
    settle(qtbot, tracks, timeout_ms=20_000)
    assert parents(tracks) == {3: 1, 4: 1} and annotator.workspace.current_object == 3
    qtbot.mouseClick(
        tracks.lineage.tracks, LEFT, pos=QPoint(8, tracks.lineage.tracks.height() // 2)
    )
    settle(qtbot, tracks, timeout_ms=20_000)
    layer = viewer.layers["movie tracks"]
    viewer.layers.selection.active = layer
    viewer.dims.set_point(0, 5)
    row = layer.data[layer.data[:, 0] == 2][-1]
    tap(qtbot, viewer, at(viewer, *row[-2:]))
    assert annotator.workspace.current_object == 2
    own = layer.data[:, 0] == 2
    assert layer.track_colors[own, :3].mean() > 2 * layer.track_colors[~own, :3].mean()
    # beside all tracks, and where the view is dragged along, nobody is chosen
    tap(qtbot, viewer, at(viewer, 27, 80))
    row = layer.data[layer.data[:, 0] == 1][-1]
    x, y = at(viewer, *row[-2:])
    drag(qtbot, viewer, (x, y), (x + 20, y + 10), (x + 40, y + 20))
    assert annotator.workspace.current_object == 2


def test_a_diamond_of_the_timeline_is_accepted_or_dismissed_with_the_mouse(qtbot, viewer, cells):
    segment, tracks = cells
    workspace, timeline = tracks.annotator.workspace, segment.checking.timeline
    proposed = of_divisions([Division(2, 1, (2,), 0.6), Division(3, 2, (1,), 0.5)])
    workspace.proposed.extend(proposed)
    tracks.annotator.changed.emit()
    qtbot.waitUntil(lambda: {(1, 3), (2, 4)} <= set(timeline._suggested), timeout=5000)

    def choose(place, word):
        where = timeline.position_of(*place)
        event = QContextMenuEvent(
            QContextMenuEvent.Reason.Mouse, where, timeline.viewport().mapToGlobal(where)
        )
        QApplication.sendEvent(timeline.viewport(), event)
        menu = next(m for m in timeline.findChildren(QMenu) if m.isVisible())
        action = next(a for a in menu.actions() if a.text().startswith(word))
        qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
        settle(qtbot, tracks, timeout_ms=20_000)

    choose((2, 4), "Dismiss")
    assert set(timeline._suggested) == {(1, 3)} and parents(tracks) == {}
    assert [item.place for item in tracks.review.items if item.suggestion] == [(1, 3)]
    choose((1, 3), "Accept")
    assert parents(tracks) == {2: 1, 3: 1}
    assert timeline._suggested == {}


@pytest.mark.parametrize("tab", ["Lineage", "Review", "Numbers", "Files"])
def test_nothing_is_cut_off_in_a_narrow_and_low_dock(qtbot, viewer, docks, tab):
    _, tracks = docks
    tracks.parent().raise_()  # both docks are tabs of one place
    index = next(i for i in range(4) if tracks.tabs.tabText(i) == tab)
    tracks.tabs.setCurrentIndex(index)
    qtbot.wait(20)
    page = tracks.tabs.currentWidget()
    widgets = [*page.findChildren(QLabel), *page.findChildren(QAbstractButton)]
    shown = [widget for widget in widgets if widget.isVisible() and widget.text()]
    assert shown
    for widget in shown:
        least = widget.minimumSizeHint()
        assert widget.height() >= least.height(), (tab, widget.text())
        assert widget.width() >= least.width(), (tab, widget.text())
    right = page.mapToGlobal(page.rect().topRight()).x()
    assert right <= tracks.mapToGlobal(tracks.rect().topRight()).x()
