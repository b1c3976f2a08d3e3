"""The dock *SAM 2* in a window: its tabs, and what opens them."""

import gc
import weakref

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari._app_model import get_app_model
from qtpy.QtCore import QCoreApplication, Qt

from napari_sam2.movies.background_threads import freeze, thaw
from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of
from napari_sam2.widgets.dock.dock import ALL_CELLS, SEGMENT, TRACKS, TUNE, Sam2Dock
from napari_sam2.widgets.dock.opening import open_at
from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers
from napari_sam2.widgets.tuning_dock.dock import TuneToMyData
from sam2_torch.masks import SparseMask

LEFT, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
MENU = {
    "napari-sam2.segment_and_track": SEGMENT,
    "napari-sam2.segment_everything": ALL_CELLS,
    "napari-sam2.tracks": TRACKS,
    "napari-sam2.tune": TUNE,
}


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((5, 20, 40), np.uint16), name="other")
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.layers["movie"].axis_labels = ("t", "y", "x")
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def dock(viewer, stub_owner):
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="SAM 2")
    return dock


def shown(dock):
    return dock.tabs.tabText(dock.tabs.currentIndex())


def docks_of(viewer):
    return [w for w in viewer.window._qt_window.findChildren(Sam2Dock) if not w.is_released]


def test_every_entry_of_the_menus_opens_the_one_dock_at_its_tab(dock, viewer):
    for command, title in MENU.items():
        dock.parent().hide()
        get_app_model().commands.execute_command(command).result()
        assert shown(dock) == title and dock.isVisible()
    assert docks_of(viewer) == [dock]


def test_the_menu_of_plugins_opens_the_dock_that_the_entries_raise(viewer, stub_owner, qtbot):
    annotator = annotator_of(viewer, stub_owner)
    get_app_model().commands.execute_command("napari-sam2.dock").result()
    (dock,) = docks_of(viewer)
    assert open_at(TUNE, viewer) is dock and shown(dock) == TUNE
    _, again = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    assert docks_of(viewer) == [again]  # by another name: it takes the place of the first one
    assert again.annotator is annotator
    qtbot.waitUntil(lambda: annotator.network.device != "")


def test_a_closed_dock_is_found_by_the_next_collection(viewer, stub_owner):
    dock = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(dock, name="SAM 2")
    gone = weakref.ref(dock)
    dock.annotator.work.workspace.prompt_with_points()
    freeze()  # as it is once PyTorch is imported
    try:
        viewer.window.remove_dock_widget(dock)
        del dock
        viewer.layers.remove("movie clicks")  # napari collects
        gc.collect()
        assert gone() is None
        QCoreApplication.processEvents()
        assert gc.get_freeze_count() > 0
    finally:
        thaw()


def test_a_key_of_the_tab_tracks_works_before_it_is_built(dock, viewer):
    assert dock.findChildren(TracksAndNumbers) == []
    viewer.keymap[KeyBinding.from_str("W")](viewer)
    assert dock.findChildren(TracksAndNumbers) == [dock.tracks]
    bound = set(viewer.keymap)
    viewer.window.remove_dock_widget(dock)
    assert bound.difference(viewer.keymap) == bound


def test_tabs_are_built_when_they_are_shown(dock):
    assert dock.findChildren(TracksAndNumbers) == []
    dock.show_tab(TRACKS)
    (tracks,) = dock.findChildren(TracksAndNumbers)
    assert tracks is dock.tracks and dock.tabs.currentWidget().isAncestorOf(tracks)
    assert dock.findChildren(TuneToMyData) == []
    dock.release()
    dock.show_tab(TUNE)
    assert dock.findChildren(TuneToMyData) == []
    assert tracks.is_released


def test_it_takes_the_selected_image_and_loads_the_network(viewer, stub_owner, qtbot):
    viewer.layers.selection.active = viewer.layers["other"]
    dock = Sam2Dock(viewer, stub_owner)
    assert not dock.annotator.network.is_open  # it was not seen yet
    viewer.window.add_dock_widget(dock, name="SAM 2")
    assert dock.annotator.workspace.image is viewer.layers["other"]
    qtbot.waitUntil(lambda: dock.annotator.network.device != "")
    assert [layer.name for layer in viewer.layers] == ["other", "movie"]  # no layer of its own
    for tab in (dock.everything.segment.run, dock.everything.track.run, dock.tracks.tabs):
        assert tab.isEnabled()


@pytest.mark.parametrize("title", [TRACKS, TUNE])
def test_keys_undo_in_every_tab(dock, viewer, qtbot, title):
    dock.annotator.work.edit.new("a cell")
    dock.show_tab(title)
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_Z, CTRL)
    assert dock.annotator.workspace.objects.ids == (1,)
    qtbot.mouseClick(dock.session.redo, LEFT)
    assert dock.annotator.workspace.objects.ids == (1, 2)


@pytest.mark.parametrize("size", [(1280, 720), (1024, 560)])
def test_the_window_stays_as_high_as_it_is(dock, viewer, qtbot, size):
    window = viewer.window._qt_window
    window.resize(*size)
    window.resizeDocks([dock.parent()], [300], Qt.Orientation.Horizontal)
    dock.model.expand(animate=False)
    for title in MENU.values():
        dock.show_tab(title)
        qtbot.wait(30)
        assert (window.width(), window.height()) == size
        assert dock.minimumSizeHint().height() <= 250
        assert not dock.heading.hint.visibleRegion().isEmpty()
    bar = dock.tabs.tabBar()
    assert bar.tabRect(bar.count() - 1).right() <= 300


def test_a_single_image_has_no_controls_for_movies(dock, viewer):
    tab, of_movies = dock.segment, (dock.segment.propagating, dock.segment.checked)
    assert all(each.isVisibleTo(tab) for each in (*of_movies, dock.propagation.progress))
    assert dock.everything.track.isVisibleTo(dock.everything)
    dock.annotator.choose_image(viewer.add_image(np.zeros((30, 50), np.uint8), name="one"))
    assert not any(each.isVisibleTo(tab) for each in (*of_movies, dock.propagation.progress))
    assert not dock.everything.track.isVisibleTo(dock.everything)


def test_objects_made_elsewhere_are_in_the_list_and_the_hint_at_once(dock, viewer, qtbot):
    mask = SparseMask.from_dense(np.arange(1500).reshape(30, 50) < 90)
    dock.annotator.work.add_masks({1: {0: mask}, 2: {0: mask, 1: mask}})
    assert dock.heading.hint.text().startswith("2 objects. To correct one")
    qtbot.waitUntil(lambda: [row.n_frames for row in dock.segment.review.rows()] == [1, 2])
