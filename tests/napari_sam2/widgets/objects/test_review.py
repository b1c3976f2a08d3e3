"""Keeping up with the masks."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.masks.quality import review_scores
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.objects import review as review_module
from napari_sam2.widgets.objects.review import Review

SHAPE = (30, 50)


@pytest.fixture
def annotator(qtbot, stub_owner):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, *SHAPE), np.uint16), name="movie")
    viewer.add_image(np.zeros((3, *SHAPE), np.uint16), name="other")
    viewer.dims.set_point(0, 0)
    annotator = Annotator(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    yield annotator
    annotator.close()
    viewer.layers.clear()


@pytest.fixture
def review(annotator, qtbot):
    review = Review(annotator)
    review.start()
    qtbot.waitUntil(lambda: review.is_up_to_date)
    yield review
    review.close()


def disc(column, radius=5):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (y - 15) ** 2 + (x - column) ** 2 <= radius**2


def paint(annotator, object_id, frame, mask):
    annotator.workspace.objects.include(object_id)
    annotator.workspace.masklets.paint(object_id, frame, mask)


def test_rows_say_what_there_is(annotator, review, qtbot):
    for frame in range(4):
        paint(annotator, 1, frame, disc(20, 5 if frame != 2 else 10))
    annotator.work.edit.show([1], False)
    qtbot.waitUntil(lambda: review.is_up_to_date)
    (row,) = review.rows()
    assert (row.object_id, row.name, row.n_frames, row.is_visible) == (1, "Object 1", 4, False)
    assert row.lowest == 0  # the area jumps by a factor of four
    assert review.n_low() == 1


def test_a_new_object_is_a_row_at_once(annotator, review):
    annotator.workspace.objects.include(3)
    assert [row.object_id for row in review.rows()] == [1, 3]
    assert review.rows()[1].lowest is None


def test_a_prompted_frame_is_not_doubted(annotator, review, qtbot):
    paint(annotator, 1, 0, disc(10))
    paint(annotator, 1, 1, disc(40))
    annotator.changed.emit()
    qtbot.waitUntil(lambda: review.n_low() == 1)
    assert review.next_place() == (1, 1)
    annotator.workspace.prompt_with_points().add([[0, 15, 10], [1, 15, 40]])
    annotator.changed.emit()
    qtbot.waitUntil(lambda: review.n_low() == 0)
    assert review.next_place() is None


def test_much_is_read_a_little_at_a_time(annotator, review, qtbot, monkeypatch):
    """The GUI is let through between two portions, however many masks come at once."""
    monkeypatch.setattr(review_module, "BUDGET_S", 0)
    monkeypatch.setattr(review_module, "BATCH", 2)
    monkeypatch.setattr(review_module, "WAIT_MS", 0)
    review._timer.setInterval(0)
    updates = []
    review.updated.connect(lambda: updates.append(len(review._changes)))
    for object_id in range(1, 4):
        for frame in range(6):
            paint(annotator, object_id, frame, disc(10 + frame + 5 * object_id))
    annotator.changed.emit()
    qtbot.waitUntil(lambda: bool(updates) and review.is_up_to_date)
    assert len(updates) >= 9
    table = review.table
    np.testing.assert_array_equal(table.scores, review_scores(table.table.statistics)[0])
    assert [row.n_frames for row in review.rows()] == [6, 6, 6]


def test_another_image_has_other_objects(annotator, review, qtbot):
    paint(annotator, 1, 0, disc(10))
    paint(annotator, 2, 0, disc(30))
    annotator.changed.emit()
    qtbot.waitUntil(lambda: [row.n_frames for row in review.rows()] == [1, 1])
    annotator.choose_image(annotator.viewer.layers["other"])
    assert [row.object_id for row in review.rows()] == [1]
    qtbot.waitUntil(lambda: review.is_up_to_date)
    assert review.table.scores.shape == (1, 3)
    annotator.choose_image(None)
    qtbot.waitUntil(lambda: review.is_up_to_date)
    assert (review.rows(), review.table, review.n_low()) == ([], None, 0)


def test_objects_that_are_deleted_leave(annotator, review, qtbot):
    for object_id in (1, 2):
        paint(annotator, object_id, 0, disc(10 * object_id))
    annotator.changed.emit()
    qtbot.waitUntil(lambda: len(review.rows()) == 2 and review.is_up_to_date)
    annotator.work.edit.delete([1])
    assert [row.object_id for row in review.rows()] == [2]
    qtbot.waitUntil(lambda: review.is_up_to_date)
    assert review.table.table.object_ids == (2,)
