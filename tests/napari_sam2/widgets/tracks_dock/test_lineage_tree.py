"""The lineage tree, driven as a user does."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt

from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.measurements import outline_numbers
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.tracks_dock.lineage_tree import LineageTree
from napari_sam2.widgets.tracks_dock.tree_dock import TITLE, TreeDock
from sam2_torch.masks import SparseMask

SHAPE = (30, 44)
LEFT = Qt.MouseButton.LeftButton


def tracked(axes: str = "TYX", n_planes: int = 1) -> Tracked:
    """Object 4 divides into 2 and 7 at time 3 of 6; 2 is missing at time 4."""
    masklets = Masklets(6 * n_planes, SHAPE)
    lifetimes = {4: range(3), 2: (3, 5), 7: range(3, 6)}
    for object_id, times in lifetimes.items():
        for frame in (n_planes * t + p for t in times for p in range(n_planes)):
            window = np.ones((2 + object_id, 3 + frame // 4), bool)
            masklets.set(object_id, frame, SparseMask.from_window(SHAPE, window, (3, object_id)))
    end, begin = 3 * n_planes - 1, 3 * n_planes
    lineage = Lineage([Track(4, 0, end), Track(2, begin, parent=4), Track(7, begin, parent=4)])
    return Tracked(masklets, lineage, axes, n_planes=n_planes, names={7: "a cell of a long name"})


@pytest.fixture
def tree(qtbot: Any) -> LineageTree:
    tree = LineageTree()
    qtbot.addWidget(tree)
    tree.resize(700, 260)
    with qtbot.waitExposed(tree):
        tree.show()
    return tree


def click(qtbot: Any, tree: LineageTree, row: int, time: float) -> None:
    at = tree.plot.mapFromScene(tree.view.mapViewToScene(QPointF(time, row)))
    qtbot.mouseMove(tree.plot.viewport(), at)
    qtbot.mouseClick(tree.plot.viewport(), LEFT, pos=at)


@pytest.mark.parametrize(("axes", "n_planes"), [("TYX", 1), ("TZYX", 3)])
def test_a_click_selects_a_track_where_it_is(
    qtbot: Any, tree: LineageTree, axes: str, n_planes: int
) -> None:
    movie = tracked(axes, n_planes)
    tree.show_tracks(movie, outline_numbers(movie)[0])
    assert tree.rows.object_ids == (2, 4, 7)
    with qtbot.waitSignal(tree.place_selected) as selected:
        click(qtbot, tree, 1, 1.9)
    assert selected.args == [4, 2]
    with qtbot.waitSignal(tree.place_selected) as selected:
        click(qtbot, tree, 2, 0)  # left of where it begins
    assert selected.args == [7, 3]


def colours_of(tree: LineageTree, row: int) -> set[tuple[int, ...]]:
    """Return the colours along the middle of a row."""
    image = tree.plot.grab().toImage()
    ratio = image.width() / tree.plot.width()
    start, end = (tree.view.mapViewToScene(QPointF(time, row)) for time in (-0.4, 5.4))
    xs = np.linspace(start.x(), end.x(), 60) * ratio
    colours = (image.pixelColor(int(x), int(start.y() * ratio)) for x in xs)
    return {colour.getRgb() for colour in colours}


def test_tracks_are_coloured_by_a_measurement(qtbot: Any, tree: LineageTree) -> None:
    movie = tracked()
    tree.show_tracks(movie, outline_numbers(movie)[0])
    by_object = colours_of(tree, 1)
    tree.colour.setCurrentText("area_px2")
    assert colours_of(tree, 1) != by_object
    assert tree.legend.text().startswith("12 ") and tree.legend.text().endswith(" 36")
    without = Tracked(Masklets(6, SHAPE))
    tree.show_tracks(without, outline_numbers(without)[0])  # all was undone
    assert tree.rows.object_ids == () and tree.colour.currentText() == "object"


def test_what_is_shown_is_written(tree: LineageTree, tmp_path: Path) -> None:
    movie = tracked()
    tree.show_tracks(movie, outline_numbers(movie)[0])
    tree.write(tmp_path / "tree.svg")
    text = "".join(ElementTree.parse(tmp_path / "tree.svg").getroot().itertext())
    assert "Object 4" in text and "a cell…ng name" in text
    tree.write(tmp_path / "tree.png")
    assert (tmp_path / "tree.png").stat().st_size > 1000
    with pytest.raises(OSError, match="can be written"):
        tree.write(tmp_path / "missing" / "tree.png")


def test_the_tree_opens_below_the_image_and_again_after_it_was_closed(
    make_napari_viewer: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    dock, movie = TreeDock(viewer), tracked()
    dock.show_tracks(movie, outline_numbers(movie)[0])
    dock.select(7, 4)
    dock.open()
    first = dock.tree
    assert first is not None and first.rows.object_ids == (2, 4, 7)
    assert first.marker.value() == 4
    viewer.window.remove_dock_widget(first)
    assert dock.tree is None
    dock.open()
    assert dock.tree is not None and TITLE in viewer.window.dock_widgets
    dock.close()
    assert dock.tree is None and TITLE not in viewer.window.dock_widgets
