"""The review queue, and what the user reviewed."""

import numpy as np
import pytest
from scipy.stats import binomtest

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.tracks.review_queue import Check, ReviewItem, decided, review_queue
from napari_sam2.tracks.reviews import (
    WHOLE_TRACK,
    Review,
    Reviews,
    draw_sample,
    error_rate,
    unreviewed_masks,
)
from napari_sam2.tracks.suggestions import Kind, Suggestion
from sam2_torch.masks import SparseMask

SHAPE = (30, 60)


def name(object_id: int) -> str:
    return f"Cell {object_id}"


def table_of(
    boxes: dict[int, dict[int, tuple[int, int, int, int]]],
    low: tuple[tuple[int, int], ...] = (),
    n_frames: int = 8,
) -> StatisticsTable:
    """Objects with boxes (y, x, height, width) by frame; `low` have low confidence."""
    masklets, confidence = Masklets(n_frames, SHAPE), {}
    for object_id, by_frame in boxes.items():
        for frame, (y, x, h, w) in by_frame.items():
            mask = SparseMask.from_window(SHAPE, np.ones((h, w), bool), (y, x))
            masklets.set(object_id, frame, mask)
            iou = 0.4 if (object_id, frame) in low else 0.95
            confidence[object_id, frame] = Confidence(iou, 9.0)
    table = StatisticsTable(masklets, confidence)
    for object_id in table.set_objects(masklets.object_ids):
        table.read(object_id)
    return table


STILL = dict.fromkeys(range(8), (10, 20, 6, 5))


def words(table: StatisticsTable, reviews: Reviews | None = None) -> list[str]:
    return [item.in_words(name) for item in review_queue(table, [], reviews or {})]


@pytest.mark.parametrize(
    ("boxes", "low", "said"),
    [
        (STILL, (), []),
        (STILL, ((1, 2),), ["Cell 1: low confidence in frame 2"]),
        (STILL, ((1, 2), (1, 6), (1, 3)), ["Cell 1: low confidence in 3 frames, from frame 2 on"]),
        (STILL | {5: (10, 20, 6, 14), 6: (10, 20, 6, 14), 7: (10, 20, 6, 14)}, (), "2.8 x"),
        (STILL | dict.fromkeys((5, 6, 7), (10, 45, 6, 5)), (), "moves 4.0 diameters in frame 5"),
        ({f: STILL[f] for f in range(5)} | {5: (0, 0, 0, 0)}, (), "vanishes in frame 5"),
    ],
)
def test_checks_are_told_in_words(
    boxes: dict[int, tuple[int, int, int, int]],
    low: tuple[tuple[int, int], ...],
    said: str | list[str],
) -> None:
    found = words(table_of({1: boxes}, low))
    if isinstance(said, list):
        assert found == said
    else:
        assert len(found) == 1 and said in found[0]


def test_the_worst_is_first_and_events_explain_masks_to_check() -> None:
    grown = STILL | dict.fromkeys((5, 6, 7), (10, 20, 6, 14))
    table = table_of({1: grown, 2: STILL, 3: STILL}, low=((2, 4),))
    events = [
        Suggestion(5, Kind.DIVISION, (1, 3), 0.62),
        Suggestion(7, Kind.DOUBLE, (2, 3), 0.3),
        Suggestion(5, Kind.DOUBLE, (1, 3), 1.0),  # a mother's mask on her daughter
    ]
    found = [item.in_words(name) for item in review_queue(table, events, {})]
    assert found == [
        "Cell 2: low confidence in frame 4",
        "Cell 1: may divide in frame 5 into Cell 3, 62%",  # and its area jumps therefore
        "Cell 2: covers the same cell as Cell 3 from frame 7 on, 30%",
    ]


def test_what_was_decided_on_is_left_out() -> None:
    table = table_of({1: STILL, 2: STILL}, low=((1, 2), (1, 6), (2, 7)))
    event = Suggestion(4, Kind.EXIT, (2,), 0.9)
    first, second, third = review_queue(table, [event], {})
    assert (first.object_ids, second.object_ids, third.suggestion) == ((1,), (2,), event)
    reviews = decided(first, {(1, 2): Review(("area",))})
    assert reviews == {(1, 2): Review(("area", "confidence")), (1, 6): Review(("confidence",))}
    assert review_queue(table, [event], reviews) == [second, third]
    assert review_queue(table, [event], reviews | decided(third, {})) == [second]
    assert review_queue(table, [event], reviews | {(2, WHOLE_TRACK): Review()}) == []


def test_a_sample_is_of_masks_that_nobody_reviewed() -> None:
    table = table_of({1: STILL, 2: STILL, 5: STILL, 6: STILL | {3: (0, 0, 0, 0)}})
    reviewed = {(2, WHOLE_TRACK), (6, 0)}
    masks = unreviewed_masks(table.masklets, reviewed, left_out={1})
    assert masks == [(5, f) for f in range(8)] + [(6, f) for f in (1, 2, 4, 5, 6, 7)]
    sample = draw_sample(masks, np.random.default_rng(0), 5)
    assert len(set(sample)) == 5 and set(sample) <= set(masks)
    assert draw_sample(masks, np.random.default_rng(0), 100) == masks
    assert draw_sample([], np.random.default_rng(0)) == []


@pytest.mark.parametrize(("n_wrong", "n"), [(0, 20), (1, 20), (7, 20), (20, 20), (1, 1)])
def test_the_error_rate_has_the_exact_interval(n_wrong: int, n: int) -> None:
    exact = binomtest(n_wrong, n).proportion_ci(method="exact")
    assert error_rate(n_wrong, n) == pytest.approx((n_wrong / n, exact.low, exact.high))


def test_a_random_check_is_no_event() -> None:
    item = ReviewItem(Check.SAMPLE, (4,), (3,), 0.0)
    assert item.suggestion is None and item.in_words(name) == "Cell 3: random check, frame 4"
