"""MaskStatistics that follow the masks."""

import numpy as np
import pytest

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets

SHAPE = (40, 60)


@pytest.fixture
def masklets():
    masklets = Masklets(5, SHAPE)
    for object_id, frame, (y, x) in ((2, 1, (10, 20)), (2, 2, (0, 30)), (7, 1, (30, 50))):
        mask = np.zeros(SHAPE, bool)
        mask[y : y + 4, x : x + 6] = True
        masklets.paint(object_id, frame, mask)
    masklets.paint(2, 3, np.zeros(SHAPE))
    return masklets


def test_areas_and_places(masklets):
    table = StatisticsTable(masklets, {(2, 1): Confidence(0.75, 3.0)})
    assert table.set_objects((2, 7)) == [2, 7]
    table.read(2)
    table.read(7)
    statistics = table.statistics
    assert statistics.shape == (2, 5)
    np.testing.assert_array_equal(statistics.known, [[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]])
    np.testing.assert_array_equal(statistics.area, [[0, 24, 24, 0, 0], [0, 24, 0, 0, 0]])
    assert (statistics.row[0, 1], statistics.column[0, 1]) == (11.5, 22.5)
    np.testing.assert_array_equal(statistics.at_border[0], [False, False, True, False, False])
    assert statistics.iou[0, 1] == 0.75
    assert np.isnan(statistics.iou[0, 2])


def test_objects_come_and_go(masklets):
    table = StatisticsTable(masklets, {})
    assert table.set_objects((2,)) == [2]
    assert table.set_objects((2,)) == []
    assert table.set_objects((2, 7)) == [7]
    table.read(7)
    assert table.set_objects((7,)) == []
    assert table.object_ids == (7,)
    assert (table.row(7), table.row(2)) == (0, None)
    np.testing.assert_array_equal(table.statistics.area, [[0, 24, 0, 0, 0]])
    assert table.set_objects((2, 7)) == [2]
    np.testing.assert_array_equal(table.statistics.area, [[0] * 5, [0, 24, 0, 0, 0]])


def test_only_what_is_told_is_read(masklets):
    table = StatisticsTable(masklets, {})
    table.set_objects((2, 7))
    masklets.paint(7, 4, np.ones(SHAPE))
    masklets.remove(2, 1)
    assert table.statistics.area[1, 4] == 0
    table.update(4, (7, 99))
    assert table.statistics.area[1, 4] == 2400
    table.read(2)
    np.testing.assert_array_equal(table.statistics.known[0], [0, 0, 1, 1, 0])


def test_what_the_user_gave_is_marked(masklets):
    table = StatisticsTable(masklets, {})
    table.set_objects((2, 7))
    assert table.set_given([(2, 1), (7, 0), (99, 0)]) == [0, 1]
    assert table.set_given([(7, 1), (2, 1)]) == [1]
    assert table.set_given([(7, 1), (99, 0)]) == [0]
    np.testing.assert_array_equal(table.statistics.given, [[0] * 5, [0, 1, 0, 0, 0]])
