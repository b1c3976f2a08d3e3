"""The rule of doubt, reason by reason, and the way from one doubtful place to the next."""

import numpy as np
import pytest

from napari_sam2.masks.mask_statistics import MaskStatistics, StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.masks.quality import (
    CONTEXT,
    NEEDS_REVIEW,
    Reason,
    ReviewTable,
    next_to_review,
    places_to_review,
    review_scores,
)

N_FRAMES = 12


def steady(n_objects=1, n_frames=N_FRAMES):
    """Objects of 400 pixels that stand still in the middle, and that the network is sure of."""
    statistics = MaskStatistics.blank(n_objects, n_frames)
    statistics.known[:] = True
    statistics.area[:], statistics.row[:], statistics.column[:] = 400, 50, 80
    statistics.iou[:], statistics.object_score[:] = 0.95, 8
    return statistics


def reasons(statistics):
    """Where it is doubtful, and why."""
    scores, why = review_scores(statistics)
    rows, frames = np.nonzero(scores >= NEEDS_REVIEW)
    return [(f, r, Reason(why[r, f])) for f, r in sorted(zip(frames, rows, strict=True))]


def test_a_steady_object_is_not_doubtful():
    scores, _ = review_scores(steady())
    assert scores.max() < 0.01


def test_what_is_not_known_is_not_doubtful():
    statistics = steady()
    statistics.known[0, 4:] = False
    statistics.area[0, 4:] = 0
    assert reasons(statistics) == []


@pytest.mark.parametrize(("iou", "expected"), [(0.9, 0), (0.7, 0.5), (0.5, 1), (0.2, 1)])
def test_a_low_predicted_iou(iou, expected):
    statistics = steady()
    statistics.iou[0, 3] = iou
    scores, _ = review_scores(statistics)
    assert scores[0, 3] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("score", "expected"), [(0, 1), (1, 0.786), (-1, 0.786), (-9, 0)])
def test_a_network_that_cannot_tell_whether_it_is_there(score, expected):
    statistics = steady()
    statistics.object_score[0, 3] = score
    scores, _ = review_scores(statistics)
    assert scores[0, 3] == pytest.approx(expected, abs=0.01)


def test_a_mask_without_scores_is_judged_by_its_shape():
    statistics = steady()
    statistics.iou[:] = statistics.object_score[:] = np.nan
    statistics.area[0, 6:] = 1200
    assert reasons(statistics) == [(6, 0, Reason.AREA)]


def test_growing_slowly_is_not_doubtful_growing_at_once_is():
    statistics = steady(2)
    statistics.area[0] = 400 * 1.2 ** np.arange(N_FRAMES)
    statistics.area[1, 5:] = 150
    assert reasons(statistics) == [(5, 1, Reason.AREA)]


def test_a_jump_of_the_place_counts_in_diameters():
    statistics = steady(2)  # some 22.6 pixels in diameter
    statistics.column[0, 5:] += 10
    statistics.column[1, 5:] += 40
    assert reasons(statistics) == [(5, 1, Reason.PLACE)]


def test_a_steady_swimmer_is_not_doubtful():
    """It moves two diameters in every frame; only its first step is unheard of."""
    statistics = steady()
    statistics.column[0] = 45.0 * np.arange(N_FRAMES)
    assert reasons(statistics) == [(1, 0, Reason.PLACE)]


def test_vanishing_at_once_is_doubtful_in_both_directions_of_time():
    statistics = steady(2)
    statistics.area[0, 7:] = 0
    statistics.area[1, :3] = 0
    statistics.object_score[statistics.area == 0] = -8
    assert reasons(statistics) == [(2, 1, Reason.VANISHING), (7, 0, Reason.VANISHING)]


def test_leaving_through_the_border_or_shrinking_is_not_doubtful():
    statistics = steady(2)
    statistics.at_border[0, 6] = True
    statistics.area[1, 3:7] = 380, 330, 280, 230
    statistics.area[:, 7:] = 0
    statistics.object_score[statistics.area == 0] = -8
    assert reasons(statistics) == []


def test_what_the_user_said_is_not_doubted_but_its_neighbour_is():
    statistics = steady()
    statistics.given[0, 5] = True
    statistics.iou[0, 5] = 0.1
    statistics.area[0, 5:] = 1200  # corrected in frame 5: what comes before disagrees
    assert reasons(statistics) == [(4, 0, Reason.AREA)]


def test_a_part_of_the_movie_is_judged_as_in_the_whole():
    rng = np.random.default_rng(0)
    statistics = MaskStatistics.blank(5, 60)
    statistics.known[:] = rng.random((5, 60)) < 0.9
    statistics.area[:] = rng.choice([0, 200, 260, 500], (5, 60)) * statistics.known
    statistics.row[:], statistics.column[:] = rng.normal(0, 12, (2, 5, 60))
    statistics.given[:] = rng.random((5, 60)) < 0.1
    statistics.iou[:] = rng.uniform(0.4, 1, (5, 60))
    whole, why = review_scores(statistics)
    part, why_part = review_scores(statistics.frames(20 - CONTEXT, 30 + CONTEXT))
    np.testing.assert_array_equal(part[:, CONTEXT:-CONTEXT], whole[:, 20:30])
    np.testing.assert_array_equal(why_part[:, CONTEXT:-CONTEXT], why[:, 20:30])


def test_the_last_plane_of_a_time_is_no_neighbour_of_the_first_of_the_next():
    statistics = steady(1, 12)
    statistics.area[0] = [400, 500, 600, 700, 800, 950] * 2
    assert reasons(statistics) == [(6, 0, Reason.AREA)]
    scores, _ = review_scores(statistics, n_planes=6)
    assert scores.max() < NEEDS_REVIEW
    statistics.area[0, 8] = 100
    assert review_scores(statistics, n_planes=6)[0][0, 8] == 1


@pytest.mark.parametrize("n_planes", [1, 8])
def test_doubts_are_kept_up_with_the_masks_that_change(n_planes):
    rng = np.random.default_rng(1)
    masklets = Masklets(40, (60, 80))
    table = StatisticsTable(masklets, {})
    scores = ReviewTable(table, n_planes)
    scores.set_objects((1, 2))
    for frame in (3, 4, 5, 6, 20, 39, 38, 4):
        for object_id in (1, 2):
            mask = np.zeros((60, 80), bool)
            y, x, size = rng.integers(2, 20, 3)
            mask[y : y + size, x : x + size] = True
            masklets.paint(object_id, frame, mask)
        scores.update([(1, frame), (2, frame)])
    scores.set_given([(1, 5)])
    assert scores.scores.max() >= NEEDS_REVIEW
    np.testing.assert_array_equal(
        (scores.scores, scores.reasons), review_scores(table.statistics, n_planes)
    )


def test_objects_that_come_are_read_and_others_keep_their_doubts():
    masklets = Masklets(6, (60, 80))
    for object_id, frame in ((4, 1), (4, 2), (9, 0), (9, 3)):
        masklets.paint(object_id, frame, np.eye(60, 80, 10 * frame))
    scores = ReviewTable(StatisticsTable(masklets, {}))
    assert scores.set_objects((9,)) == [9]
    scores.read(9)
    scores.read(4)  # has no row
    assert scores.set_objects((4, 9)) == [4]
    assert not scores.scores[0].any()
    scores.read(4)
    np.testing.assert_array_equal(scores.scores, review_scores(scores.table.statistics)[0])
    assert scores.set_objects((4,)) == []
    assert scores.scores.shape == (1, 6)


def test_the_confidence_of_a_prompted_frame_is_its_expected_iou():
    masklets = Masklets(4, (60, 80))
    for frame in (0, 1, 2):
        masklets.paint(7, frame, np.eye(60, 80))
    scores = {(7, 0): Confidence(0.5, 9.0), (7, 1): Confidence(0.95, 9.0), (7, 2): Confidence(1, 9)}
    table = ReviewTable(StatisticsTable(masklets, scores))
    table.set_objects((7,))
    table.read(7)
    table.set_given([(7, 0), (7, 2)])
    assert table.confidence[0, :3] == pytest.approx([0.5, 0.95, 1])
    table.calibration = 0.4, 0.5
    assert table.confidence[0, :3] == pytest.approx([0.65, 0.875, 1])  # the last is the user's
    assert not table.scores[0, 0]  # the user has seen it


def test_a_run_of_doubtful_frames_is_one_place():
    scores = np.zeros((3, 10), np.float32)
    scores[1, 2:6] = 0.5, 0.9, 0.7, 0.6
    scores[0, 8:] = 0.8
    scores[2, 3] = 1
    assert places_to_review(scores) == [(3, 1), (3, 2), (8, 0)]


def test_going_from_place_to_place_goes_round():
    scores = np.zeros((2, 10), np.float32)
    scores[1, 2] = scores[0, 7] = 1
    assert next_to_review(scores, (0, 0)) == (2, 1)
    assert next_to_review(scores, (2, 1)) == (7, 0)
    assert next_to_review(scores, (7, 0)) == (2, 1)
    assert next_to_review(scores, (7, 0), backward=True) == (2, 1)
    assert next_to_review(scores, (2, 1), backward=True) == (7, 0)
    assert next_to_review(np.zeros((2, 10), np.float32), (0, 0)) is None
    assert next_to_review(np.zeros((0, 10), np.float32), (0, 0)) is None
