"""Rows of the lineage tree."""

import numpy as np
import pytest

from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.lineage_layout import layout_lineage, runs_of


@pytest.mark.parametrize(
    ("tracks", "rows", "links"),
    [
        ([], (), []),
        ([Track(7, 4, 9), Track(2, 0, 3)], (2, 7), []),
        (
            [Track(1, 0, 2), Track(2, 3, 5, 1), Track(3, 3, 9, 1)],
            (2, 1, 3),
            [(1, 2, 0, 3), (1, 2, 2, 3)],
        ),
        (  # two generations; one daughter is below her mother
            [Track(1, 0, 2), Track(2, 3, 5, 1), Track(3, 3, 9, 1), Track(9, 7, 8, 2)],
            (2, 9, 1, 3),
            [(2, 2, 0, 3), (2, 2, 3, 3), (0, 5, 1, 7)],
        ),
        (  # a family begins where its first cell does
            [Track(1, 5, 6), Track(2, 7, 8, 1), Track(3, 7, 8, 1), Track(4, 1, 8)],
            (4, 2, 1, 3),
            [(2, 6, 1, 7), (2, 6, 3, 7)],
        ),
    ],
)
def test_a_mother_lies_between_her_daughters(
    tracks: list[Track], rows: tuple[int, ...], links: list[tuple[int, ...]]
) -> None:
    layout = layout_lineage(Lineage(tracks))
    assert layout.object_ids == rows
    assert [tuple(link) for link in layout.links.tolist()] == links
    assert layout.rows == {object_id: row for row, object_id in enumerate(rows)}


def test_a_lineage_may_be_deep() -> None:
    n = 3000
    chain = [Track(i, i, i, i - 1) for i in range(1, n + 1)]
    assert layout_lineage(Lineage(chain)).object_ids == tuple(range(1, n + 1))


def test_runs_end_at_gaps_rows_and_colours() -> None:
    rows = np.array([1, 0, 0, 0, 0, 0, 1])
    times = np.array([4, 0, 1, 2, 5, 6, 5])
    colours = np.array([3, 7, 7, 8, 8, 8, 3])
    assert runs_of(rows, times, colours).tolist() == [
        [0, 0, 1, 7],
        [0, 2, 2, 8],
        [0, 5, 6, 8],
        [1, 4, 5, 3],
    ]
    empty = np.zeros(0, np.intp)
    assert runs_of(empty, empty, empty).shape == (0, 4)
