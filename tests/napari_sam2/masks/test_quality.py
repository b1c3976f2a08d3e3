"""The rule of doubt, reason by reason, and the way from one doubtful place to the next."""

import numpy as np
import pytest

from napari_sam2.masks.mask_statistics import Figures, FigureTable
from napari_sam2.masks.masklets import Masklets
from napari_sam2.masks.quality import (
    CONTEXT,
    DOUBTFUL,
    DoubtTable,
    Reason,
    doubt,
    doubtful_places,
    next_doubtful,
)

N_FRAMES = 12


def steady(n_objects=1, n_frames=N_FRAMES):
    """Objects of 400 pixels that stand still in the middle, and that the network is sure of."""
    figures = Figures.blank(n_objects, n_frames)
    figures.known[:] = True
    figures.area[:], figures.row[:], figures.column[:] = 400, 50, 80
    figures.iou[:], figures.object_score[:] = 0.95, 8
    return figures


def reasons(figures):
    """Where it is doubtful, and why."""
    doubts, why = doubt(figures)
    rows, frames = np.nonzero(doubts >= DOUBTFUL)
    return [(f, r, Reason(why[r, f])) for f, r in sorted(zip(frames, rows, strict=True))]


def test_a_steady_object_is_not_doubtful():
    doubts, _ = doubt(steady())
    assert doubts.max() < 0.01


def test_what_is_not_known_is_not_doubtful():
    figures = steady()
    figures.known[0, 4:] = False
    figures.area[0, 4:] = 0
    assert reasons(figures) == []


@pytest.mark.parametrize(("iou", "expected"), [(0.9, 0), (0.7, 0.5), (0.5, 1), (0.2, 1)])
def test_a_low_predicted_iou(iou, expected):
    figures = steady()
    figures.iou[0, 3] = iou
    doubts, _ = doubt(figures)
    assert doubts[0, 3] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("score", "expected"), [(0, 1), (1, 0.786), (-1, 0.786), (-9, 0)])
def test_a_network_that_cannot_tell_whether_it_is_there(score, expected):
    figures = steady()
    figures.object_score[0, 3] = score
    doubts, _ = doubt(figures)
    assert doubts[0, 3] == pytest.approx(expected, abs=0.01)


def test_a_mask_without_scores_is_judged_by_its_shape():
    figures = steady()
    figures.iou[:] = figures.object_score[:] = np.nan
    figures.area[0, 6:] = 1200
    assert reasons(figures) == [(6, 0, Reason.AREA)]


def test_growing_slowly_is_not_doubtful_growing_at_once_is():
    figures = steady(2)
    figures.area[0] = 400 * 1.2 ** np.arange(N_FRAMES)
    figures.area[1, 5:] = 150
    assert reasons(figures) == [(5, 1, Reason.AREA)]


def test_a_jump_of_the_place_counts_in_diameters():
    figures = steady(2)  # some 22.6 pixels in diameter
    figures.column[0, 5:] += 10
    figures.column[1, 5:] += 40
    assert reasons(figures) == [(5, 1, Reason.PLACE)]


def test_a_steady_swimmer_is_not_doubtful():
    """It moves two diameters in every frame; only its first step is unheard of."""
    figures = steady()
    figures.column[0] = 45.0 * np.arange(N_FRAMES)
    assert reasons(figures) == [(1, 0, Reason.PLACE)]


def test_vanishing_at_once_is_doubtful_in_both_directions_of_time():
    figures = steady(2)
    figures.area[0, 7:] = 0
    figures.area[1, :3] = 0
    figures.object_score[figures.area == 0] = -8
    assert reasons(figures) == [(2, 1, Reason.VANISHING), (7, 0, Reason.VANISHING)]


def test_leaving_through_the_border_or_shrinking_is_not_doubtful():
    figures = steady(2)
    figures.at_border[0, 6] = True
    figures.area[1, 3:7] = 380, 330, 280, 230
    figures.area[:, 7:] = 0
    figures.object_score[figures.area == 0] = -8
    assert reasons(figures) == []


def test_what_the_user_said_is_not_doubted_but_its_neighbour_is():
    figures = steady()
    figures.given[0, 5] = True
    figures.iou[0, 5] = 0.1
    figures.area[0, 5:] = 1200  # corrected in frame 5: what comes before disagrees
    assert reasons(figures) == [(4, 0, Reason.AREA)]


def test_a_part_of_the_movie_is_judged_as_in_the_whole():
    rng = np.random.default_rng(0)
    figures = Figures.blank(5, 60)
    figures.known[:] = rng.random((5, 60)) < 0.9
    figures.area[:] = rng.choice([0, 200, 260, 500], (5, 60)) * figures.known
    figures.row[:], figures.column[:] = rng.normal(0, 12, (2, 5, 60))
    figures.given[:] = rng.random((5, 60)) < 0.1
    figures.iou[:] = rng.uniform(0.4, 1, (5, 60))
    whole, why = doubt(figures)
    part, why_part = doubt(figures.frames(20 - CONTEXT, 30 + CONTEXT))
    np.testing.assert_array_equal(part[:, CONTEXT:-CONTEXT], whole[:, 20:30])
    np.testing.assert_array_equal(why_part[:, CONTEXT:-CONTEXT], why[:, 20:30])


def test_the_last_plane_of_a_time_is_no_neighbour_of_the_first_of_the_next():
    figures = steady(1, 12)
    figures.area[0] = [400, 500, 600, 700, 800, 950] * 2
    assert reasons(figures) == [(6, 0, Reason.AREA)]
    doubts, _ = doubt(figures, n_planes=6)
    assert doubts.max() < DOUBTFUL
    figures.area[0, 8] = 100
    assert doubt(figures, n_planes=6)[0][0, 8] == 1


@pytest.mark.parametrize("n_planes", [1, 8])
def test_doubts_are_kept_up_with_the_masks_that_change(n_planes):
    rng = np.random.default_rng(1)
    masklets = Masklets(40, (60, 80))
    table = FigureTable(masklets, {})
    doubts = DoubtTable(table, n_planes)
    doubts.set_objects((1, 2))
    for frame in (3, 4, 5, 6, 20, 39, 38, 4):
        for object_id in (1, 2):
            mask = np.zeros((60, 80), bool)
            y, x, size = rng.integers(2, 20, 3)
            mask[y : y + size, x : x + size] = True
            masklets.paint(object_id, frame, mask)
        doubts.update([(1, frame), (2, frame)])
    doubts.set_given([(1, 5)])
    assert doubts.doubts.max() >= DOUBTFUL
    np.testing.assert_array_equal((doubts.doubts, doubts.reasons), doubt(table.figures, n_planes))


def test_objects_that_come_are_read_and_others_keep_their_doubts():
    masklets = Masklets(6, (60, 80))
    for object_id, frame in ((4, 1), (4, 2), (9, 0), (9, 3)):
        masklets.paint(object_id, frame, np.eye(60, 80, 10 * frame))
    doubts = DoubtTable(FigureTable(masklets, {}))
    assert doubts.set_objects((9,)) == [9]
    doubts.read(9)
    doubts.read(4)  # has no row
    assert doubts.set_objects((4, 9)) == [4]
    assert not doubts.doubts[0].any()
    doubts.read(4)
    np.testing.assert_array_equal(doubts.doubts, doubt(doubts.table.figures)[0])
    assert doubts.set_objects((4,)) == []
    assert doubts.doubts.shape == (1, 6)


def test_a_run_of_doubtful_frames_is_one_place():
    doubts = np.zeros((3, 10), np.float32)
    doubts[1, 2:6] = 0.5, 0.9, 0.7, 0.6
    doubts[0, 8:] = 0.8
    doubts[2, 3] = 1
    assert doubtful_places(doubts) == [(3, 1), (3, 2), (8, 0)]


def test_going_from_place_to_place_goes_round():
    doubts = np.zeros((2, 10), np.float32)
    doubts[1, 2] = doubts[0, 7] = 1
    assert next_doubtful(doubts, (0, 0)) == (2, 1)
    assert next_doubtful(doubts, (2, 1)) == (7, 0)
    assert next_doubtful(doubts, (7, 0)) == (2, 1)
    assert next_doubtful(doubts, (7, 0), backward=True) == (2, 1)
    assert next_doubtful(doubts, (2, 1), backward=True) == (7, 0)
    assert next_doubtful(np.zeros((2, 10), np.float32), (0, 0)) is None
    assert next_doubtful(np.zeros((0, 10), np.float32), (0, 0)) is None
