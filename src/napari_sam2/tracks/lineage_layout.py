"""Place the tracks of a lineage in rows, as a tree with time from left to right."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_sam2.tracks.lineage import Lineage, Track


@dataclass(frozen=True)
class LineageLayout:
    """Rows of a lineage tree.

    Parameters
    ----------
    object_ids
        The object of each row, from the top.
    links
        (M, 4) integers, one row for each daughter: her mother's row, her mother's last time point,
        her own row, her first time point.
    """

    object_ids: tuple[int, ...]
    links: NDArray[np.intp]

    @cached_property
    def rows(self) -> dict[int, int]:
        """Return the row of each object."""
        return {object_id: row for row, object_id in enumerate(self.object_ids)}


def layout_lineage(tracks: Lineage, n_planes: int = 1) -> LineageLayout:
    """Place each track in a row of its own; a mother lies between her daughters.

    Parameters
    ----------
    tracks
        Tracks with first and last frame, as `Tracked.tracks` returns them.
    n_planes
        In a movie of stacks, the number of planes of each time point, through all of which frames
        are counted.

    Returns
    -------
    Families in the order of their first frames, daughters in that of their own. The first half
    of the daughters, rounded down, is above their mother.
    """
    daughters: dict[int, list[Track]] = {}
    for track in sorted(tracks, key=lambda track: (track.begin or 0, track.object_id)):
        daughters.setdefault(track.parent, []).append(track)
    order: list[int] = []
    waiting = [(track.object_id, False) for track in reversed(daughters.get(0, []))]
    while waiting:  # a stack, since lineages may be deeper than Python's recursion
        object_id, is_placed = waiting.pop()
        if is_placed:
            order.append(object_id)
            continue
        own = [(daughter.object_id, False) for daughter in daughters.get(object_id, [])]
        half = len(own) // 2
        waiting += reversed([*own[:half], (object_id, True), *own[half:]])
    rows = {object_id: row for row, object_id in enumerate(order)}
    links = np.array(
        [
            (rows[each.parent], tracks[each.parent].end or 0, rows[each.object_id], each.begin or 0)
            for each in tracks
            if each.parent
        ],
        np.intp,
    ).reshape(-1, 4)
    links[:, [1, 3]] //= n_planes
    return LineageLayout(tuple(order), links)


def runs_of(
    rows: NDArray[np.intp], times: NDArray[np.intp], colours: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Join consecutive time points of a row that have the same colour.

    Parameters
    ----------
    rows, times, colours
        (N,) of each object and time point, in any order.

    Returns
    -------
    (M, 4) row, first and last time point, colour; by row and time.
    """
    order = np.lexsort((times, rows))
    cells = np.stack([rows[order], times[order], colours[order]], axis=1)
    if not len(cells):
        return np.zeros((0, 4), np.intp)
    step = np.diff(cells, axis=0)
    begins = np.flatnonzero([True, *((step[:, 0] != 0) | (step[:, 1] > 1) | (step[:, 2] != 0))])
    ends = [*(begins[1:] - 1), len(cells) - 1]
    return np.stack([cells[begins, 0], cells[begins, 1], cells[ends, 1], cells[begins, 2]], axis=1)
