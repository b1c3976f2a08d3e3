from collections.abc import Iterable

import numpy as np
import pytest

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.division_detection import Sign, Signs

SHAPE = (50, 80)
Box = tuple[int, int, int, int]  # y, x, height, width
Life = dict[int, tuple[Box, ...]]  # boxes by frame

ONE: Box = (10, 20, 10, 20)
LEFT, RIGHT = (10, 18, 10, 9), (10, 31, 10, 10)


def life(*stretches: tuple[Iterable[int], tuple[Box, ...]]) -> Life:
    """Put together where an object is in which frames."""
    return {frame: boxes for frames, boxes in stretches for frame in frames}


def signs(lives: dict[int, Life], n: int = 8, given: Iterable[tuple[int, int]] = ()) -> list[Sign]:
    """Look for signs in boxes that are drawn; the best one of each mother and frame."""
    masklets = Masklets(n, SHAPE)
    for object_id, by_frame in lives.items():
        for frame, boxes in by_frame.items():
            image = np.zeros(SHAPE, bool)
            for y, x, h, w in boxes:
                image[y : y + h, x : x + w] = True
            masklets.paint(object_id, frame, image)
    table = StatisticsTable(masklets, {})
    for object_id in table.set_objects(masklets.object_ids):
        table.read(object_id)
    table.set_given(given)
    best: dict[tuple[int, int], Sign] = {}
    for sign in Signs(table).find():
        key = sign.frame, sign.object_ids[0]
        best[key] = max(sign, best.get(key, sign), key=lambda each: each.score)
    return list(best.values())


@pytest.mark.parametrize(("begin", "after"), [(3, ()), (4, ()), (3, (LEFT,)), (3, (LEFT, RIGHT))])
def test_two_that_begin_around_the_mother_are_her_daughters(
    begin: int, after: tuple[Box, ...]
) -> None:
    mother = life((range(3), (ONE,)), (range(3, 8) if after else (), after))
    lives = {4: mother, 7: life((range(begin, 8), (LEFT,))), 9: life((range(begin, 8), (RIGHT,)))}
    assert signs(lives) == [Sign(begin, (4, 7, 9), 0.95)]


def test_two_that_begin_beside_an_object_that_stays_are_others() -> None:
    stays = life((range(8), (ONE,)))
    beside = {
        7: life((range(3, 8), ((10, 8, 10, 10),))),
        9: life((range(3, 8), ((10, 42, 10, 10),))),
    }
    assert signs({4: stays, **beside}) == []


def test_a_mask_that_falls_apart_for_good_divides() -> None:
    for later in ((LEFT, RIGHT), (LEFT,)):  # the mask stays on both, or on one of them
        mother = life((range(3), (ONE,)), ([3], (LEFT, RIGHT)), (range(4, 8), later))
        assert signs({4: mother})[0] == Sign(3, (4,), 0.9)


def test_a_mask_that_falls_apart_for_a_moment_does_not() -> None:
    mother = life((range(8), (ONE,)), ([3], (LEFT, RIGHT)))
    assert signs({4: mother}) == []
    at_the_end = life((range(7), (ONE,)), ([7], (LEFT, RIGHT)))
    assert signs({4: at_the_end}) == []  # nothing is known of what comes then


def test_a_part_that_comes_to_a_whole_mask_is_a_neighbour() -> None:
    leaks = life((range(3), (ONE,)), (range(3, 8), (ONE, (10, 42, 10, 14))))
    assert signs({4: leaks}) == []


def test_a_part_that_is_an_older_object_is_no_daughter() -> None:
    mother = life((range(3), (ONE,)), (range(3, 8), (LEFT, RIGHT)))
    assert signs({4: mother, 5: life((range(8), (RIGHT,)))}) == []


def test_a_condensed_nucleus_is_as_large_as_it_was_before() -> None:
    plate = (12, 26, 6, 6)
    mother = life((range(2), (ONE,)), ([2], (plate,)), (range(3, 8), (LEFT, RIGHT)))
    assert signs({4: mother}) == [Sign(3, (4,), 0.9)]


def test_a_cell_that_has_just_begun_does_not_divide() -> None:
    young = life(([2], (ONE,)), (range(3, 8), (LEFT, RIGHT)))
    assert signs({4: young}) == []
    from_the_start = life(([0], (ONE,)), (range(1, 8), (LEFT, RIGHT)))
    assert signs({4: from_the_start}) == [Sign(1, (4,), 0.9)]


def test_one_that_begins_beside_a_mother_who_became_one_daughter() -> None:
    mother = life((range(3), (ONE,)), (range(3, 8), (LEFT,)))
    assert signs({4: mother, 7: life((range(3, 8), (RIGHT,)))}) == [Sign(3, (4, 7), 0.8)]
    far = life((range(3, 8), ((35, 60, 10, 10),)))
    assert [sign.object_ids for sign in signs({4: mother, 7: far})] == [(4,)]  # halved, no more


def test_an_area_that_halves_for_good_is_a_division() -> None:
    half = (10, 20, 10, 10)
    (sign,) = signs({4: life((range(3), (ONE,)), (range(3, 8), (half,)))})
    assert sign == Sign(3, (4,), 0.7)
    more = life((range(3), (ONE,)), (range(3, 8), ((10, 20, 10, 13),)))
    assert 0 < signs({4: more})[0].score < 0.5
    back = life((range(8), (ONE,)), ([3], (half,)))
    dying = life((range(3), (ONE,)), *(([3 + i], ((10, 20, 10, 10 - 3 * i),)) for i in range(4)))
    leaving = life((range(3), ((10, 0, 10, 20),)), (range(3, 8), ((10, 0, 10, 10),)))
    assert signs({4: back}) == signs({4: dying}) == signs({4: leaving}) == []


def test_a_frame_that_the_user_gave_is_not_doubted() -> None:
    mother = life((range(3), (ONE,)), (range(3, 8), (LEFT, RIGHT)))
    assert signs({4: mother}, given=[(4, 3)]) == []
