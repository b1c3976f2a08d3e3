"""Which memories an object attends to, as tables of cases: frames alone, no tensors."""

import pytest

from sam2_torch.memory.selection import (
    Entry,
    nearest_frames,
    select_memories,
    select_plane_memories,
)


@pytest.mark.parametrize(
    ("prompted", "tracked", "frame", "direction", "spatial", "pointers"),
    [
        # the frame after the prompt
        ([0], [], 1, "forward", [(0, 0)], [(0, 1)]),
        # the 6 frames just passed, the oldest first; pointers of 15
        (
            [0],
            range(1, 30),
            30,
            "forward",
            [(0, 0), (24, 6), (25, 5), (26, 4), (27, 3), (28, 2), (29, 1)],
            [(0, 30), *((30 - age, age) for age in range(1, 16))],
        ),
        # a prompt that lies ahead is a memory, not a pointer; what lies ahead is not passed
        ([9], [3, 4, 6], 5, "forward", [(9, 0), (3, 2), (4, 1)], [(4, 1), (3, 2)]),
        # backward, what lies behind comes after
        ([9], [3, 6, 7], 5, "backward", [(9, 0), (7, 2), (6, 1)], [(9, 4), (6, 1), (7, 2)]),
        # at the ends of the movie
        ([0], [1], 99, "forward", [(0, 0)], [(0, 99)]),
        ([99], [], 0, "backward", [(99, 0)], [(99, 99)]),
        # nothing at all
        ([], [], 5, "forward", [], []),
        # after a division: memories without a prompt
        ([], [3, 4], 5, "forward", [(3, 2), (4, 1)], [(4, 1), (3, 2)]),
    ],
)
def test_one_axis(prompted, tracked, frame, direction, spatial, pointers):
    selection = select_memories(frame, direction, 100, prompted, {*prompted, *tracked})
    assert list(selection.spatial) == spatial
    assert list(selection.pointers) == pointers


def test_a_short_movie_has_as_many_ages_as_frames():
    selection = select_memories(3, "forward", 4, [0], {0, 1, 2})
    assert selection.spatial == ((0, 0), (1, 2), (2, 1))


def test_a_prompted_frame_beyond_the_limit_is_an_ordinary_recent_frame():
    selection = select_memories(10, "forward", 100, [0, 8, 9], {0, 7, 8, 9}, max_prompted=1)
    assert selection.spatial == ((9, 0), (7, 3), (8, 2))
    assert selection.pointers == ((9, 1), (8, 2), (7, 3), (0, 10))


@pytest.mark.parametrize(
    ("frame", "candidates", "limit", "chosen"),
    [
        (5, [1, 2, 9], None, [1, 2, 9]),
        (5, [1, 2, 9], 2, [2, 9]),
        (5, [1, 2, 9, 20], 3, [2, 9, 1]),
        (5, [1, 2, 9], 1, [2]),
        (0, [3, 1, 2], 2, [1, 2]),
    ],
)
def test_nearest_frames(frame, candidates, limit, chosen):
    assert nearest_frames(frame, candidates, limit) == chosen


@pytest.mark.parametrize(
    ("frame", "direction", "entry", "spatial"),
    [
        # three times five planes, prompted in plane 2 of time 0
        (3, "forward", None, [(2, 0)]),  # the next plane of the prompted time
        (12, "forward", Entry(1, 2), [(2, 0), (7, 1)]),  # the entry plane: itself at times before
        (13, "forward", Entry(1, 2), [(12, 0), (8, 0)]),  # the next: entry plane, itself before
        (11, "backward", Entry(1, 2), [(12, 0), (6, 0)]),
        (14, "forward", Entry(1, 2), [(12, 0), (9, 0), (13, 1)]),  # and the planes just passed
        (2, "forward", Entry(1, 2), [(2, 0)]),  # a prompted plane counts where it is
    ],
)
def test_depth_and_time(frame, direction, entry, spatial):
    known = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, *([13] if frame == 14 else [])}
    if frame in (2, 3):
        known = {2}
    selection = select_plane_memories(frame, direction, 15, [2], known, 5, entry)
    assert list(selection.spatial) == spatial
    assert {f for f, _ in selection.spatial} <= {f for f, _ in selection.pointers}


def test_planes_of_other_times_are_not_passed():
    selection = select_plane_memories(6, "forward", 15, [5], {3, 4, 5}, 5, None)
    assert selection.spatial == ((5, 0),)
