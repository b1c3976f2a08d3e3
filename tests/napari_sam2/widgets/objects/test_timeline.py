"""The timeline: what is drawn where, and what a click there says."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QColor, QHelpEvent
from qtpy.QtWidgets import QToolTip

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.masks.quality import ReviewTable
from napari_sam2.widgets.objects.timeline import GUTTER_PX, LINE, ConfidenceTimeline
from napari_sam2.widgets.objects.timeline_cells import (
    ABSENT,
    CERTAIN,
    ROW_PX,
    SHADES,
    UNKNOWN,
    cell_codes,
    cell_image,
)

LEFT = Qt.MouseButton.LeftButton
N_FRAMES = 20
WORST = CERTAIN + SHADES - 1


def make_table(object_ids=(1, 2, 5), n_frames=N_FRAMES):
    """Object 1 is sure; 2 leaves at the border after frame 9; 5 is doubtful in frame 7."""
    masklets, confidence = Masklets(n_frames, (40, 60)), {}
    cell = np.zeros((40, 60), bool)
    cell[0:10, 20:30] = True
    for object_id in object_ids:
        for frame in range(n_frames - 2):
            gone = object_id == 2 and frame > 9
            masklets.paint(object_id, frame, cell & (not gone))
            confidence[object_id, frame] = Confidence(0.95, -9.0 if gone else 9.0)
    confidence[5, 7] = Confidence(0.4, 9.0)
    table = ReviewTable(StatisticsTable(masklets, confidence))
    for object_id in table.set_objects(object_ids):
        table.read(object_id)
    table.set_given([(1, 0), (5, 3)])
    return table


@pytest.fixture
def timeline(qtbot):
    timeline = ConfidenceTimeline()
    qtbot.addWidget(timeline)
    timeline.resize(GUTTER_PX + 10 * N_FRAMES + 3, 60)
    timeline.show_table(make_table(), {1: "Object 1", 2: "mother", 5: "Object 5"})
    timeline.show()
    qtbot.waitExposed(timeline)
    timeline.told = []
    timeline.pointed.connect(lambda *cell: timeline.told.append(cell))
    return timeline


def colour(timeline, object_id, frame, dx=3, dy=0):
    """What is seen in a cell, beside its middle."""
    image = timeline.viewport().grab().toImage()
    at = timeline.position_of(object_id, frame) + QPoint(dx, dy)
    ratio = image.devicePixelRatio()
    return QColor(image.pixel(int(at.x() * ratio), int(at.y() * ratio)))


def alike(one, other):
    """Compare colours; virtual screens may have 16 bits for them."""
    pairs = zip(one.getRgb(), QColor(other).getRgb(), strict=True)
    return all(abs(a - b) <= 8 for a, b in pairs)


def test_codes_of_cells():
    table = make_table()
    codes = cell_codes(table.table.statistics, table.scores, N_FRAMES)
    assert codes[0, 0] == CERTAIN
    assert codes[1, 9] < CERTAIN + SHADES // 4
    assert (codes[1, 10:18] == ABSENT).all()
    assert (codes[:, 18:] == UNKNOWN).all()
    assert codes[2, 7] == WORST


@pytest.mark.parametrize("n_columns", [7, 20, 50])
def test_the_most_doubtful_frame_is_seen_at_any_width(n_columns):
    table = make_table()
    codes = cell_codes(table.table.statistics, table.scores, n_columns)
    assert codes.shape == (3, n_columns)
    assert (codes == WORST).any(1).tolist() == [False, False, True]


def test_marks_are_drawn_over_the_cells():
    codes = np.full((1, 6), WORST, np.uint8)
    marked = np.zeros((1, 6), bool)
    marked[0, 2] = True
    plain = cell_image(codes, ~codes.astype(bool), ~codes.astype(bool))
    prompted = cell_image(codes, marked, ~codes.astype(bool))
    locked = cell_image(codes, ~codes.astype(bool), marked)
    assert plain.shape == (ROW_PX, 6)
    assert set(np.nonzero(prompted != plain)[1]) == set(np.nonzero(locked != plain)[1]) == {2}
    assert (locked != prompted).any()


def test_sure_doubtful_absent_and_unknown_look_different(timeline):
    sure, doubtful = colour(timeline, 1, 5), colour(timeline, 5, 7)
    absent, unknown = colour(timeline, 2, 14), colour(timeline, 1, 19)
    assert sure.blue() > sure.red()
    assert doubtful.red() > 2 * doubtful.blue()
    assert len({c.name() for c in (sure, doubtful, absent, unknown)}) == 4
    assert colour(timeline, 2, 14, dy=3).name() == unknown.name()  # absent is a thin line
    assert colour(timeline, 5, 3, dx=0).name() == "#ffffff"  # a prompt is a tick


def test_the_current_frame_is_a_line(timeline):
    assert not alike(colour(timeline, 2, 12, dx=0), LINE)
    timeline.show_current(1, 12)
    assert alike(colour(timeline, 2, 12, dx=0), LINE)


def test_a_click_goes_there(timeline, qtbot):
    for cell in ((1, 0), (5, 7), (2, 19)):
        qtbot.mouseClick(timeline.viewport(), LEFT, pos=timeline.position_of(*cell))
        assert timeline.told[-1] == cell


def test_a_drag_goes_along(timeline, qtbot):
    view = timeline.viewport()
    qtbot.mousePress(view, LEFT, pos=timeline.position_of(2, 3))
    qtbot.mouseMove(view, timeline.position_of(2, 8))
    qtbot.mouseRelease(view, LEFT, pos=timeline.position_of(2, 8))
    assert timeline.told[0] == (2, 3)
    assert timeline.told[-1] == (2, 8)


def test_beside_the_cells_there_is_nothing_to_go_to(timeline, qtbot):
    qtbot.mouseClick(timeline.viewport(), LEFT, pos=QPoint(3, 5))
    qtbot.mouseClick(timeline.viewport(), LEFT, pos=QPoint(GUTTER_PX + 50, 3 * ROW_PX + 5))
    assert timeline.told == []
    with pytest.raises(KeyError, match="object 9"):
        timeline.position_of(9, 0)


def test_hovering_tells_the_numbers(timeline, qtbot):
    at = timeline.position_of(5, 7)
    event = QHelpEvent(QEvent.Type.ToolTip, at, timeline.viewport().mapToGlobal(at))
    timeline.viewportEvent(event)
    assert "predicted IoU 0.40" in QToolTip.text()
    QToolTip.hideText()
    told = timeline.describe(5, 7)
    assert told.startswith("Object 5, frame 7")
    assert "area 100 pixels" in told
    assert "confidence 0 % (poor mask expected)" in told
    assert "absent" in timeline.describe(2, 14)
    assert "not segmented yet" in timeline.describe(1, 19)
    assert "by you" in timeline.describe(1, 0)


def test_many_objects_are_scrolled_to(timeline):
    timeline.show_table(make_table(tuple(range(1, 41))), {})
    assert timeline.verticalScrollBar().maximum() > 20
    timeline.show_current(38, 0)
    assert timeline.viewport().rect().contains(timeline.position_of(38, 0))
    assert timeline.cell_at(timeline.position_of(38, 4)) == (38, 4)


def test_only_the_rows_that_are_seen_are_painted(timeline, monkeypatch):
    timeline.show_table(make_table(tuple(range(1, 41))), {})
    painted = []
    monkeypatch.setattr(
        "napari_sam2.widgets.objects.timeline.cell_image",
        lambda codes, *rest: painted.append(len(codes)) or cell_image(codes, *rest),
    )
    timeline.viewport().grab()
    assert max(painted) <= timeline.viewport().height() // ROW_PX + 1


def test_without_masks_it_says_so(timeline):
    with_cells = timeline.viewport().grab().toImage()
    timeline.show_table(None, {})
    assert timeline.viewport().grab().toImage() != with_cells
    assert timeline.cell_at(QPoint(GUTTER_PX + 5, 5)) is None


def test_what_is_suggested_is_marked_and_decided_on_in_a_menu(timeline, qtbot):
    decided = []
    timeline.decided.connect(lambda *said: decided.append(said))
    at = timeline.position_of(2, 9)
    plain = colour(timeline, 2, 9, dx=0)
    timeline.show_suggested({(2, 9): "mother divides (80%)", (99, 3): "somebody leaves (50%)"})
    assert colour(timeline, 2, 9, dx=0) != plain
    assert "suggested: mother divides (80%)" in timeline.describe(2, 9)
    assert timeline.menu_at(timeline.position_of(5, 9)) is None
    assert timeline.menu_at(timeline.position_of(2, 4)) is None
    for text, accepted in (("Accept: mother divides (80%)", True), ("Dismiss: ", False)):
        menu = timeline.menu_at(at + QPoint(5, 1))  # a click beside it is meant for it, too
        (action,) = [each for each in menu.actions() if each.text().startswith(text)]
        action.trigger()
        assert decided[-1] == (2, 9, accepted)
    timeline.show_suggested({})
    assert colour(timeline, 2, 9, dx=0) == plain and timeline.menu_at(at) is None
