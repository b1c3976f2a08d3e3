"""Objects and lineage of a graph of detections: the edges decide who is who."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.label_images import LARGEST_ID
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage


def objects_of_graph(
    name: str,
    node_ids: Iterable[int],
    edges: Iterable[tuple[int, int]],
    frames: NDArray[np.integer],
    wanted: Iterable[int] | None,
) -> tuple[list[int], dict[int, int]]:
    """Join the nodes of a graph to objects.

    An object continues along edges to nodes of the same wanted id. Where an edge was cut, a new
    object begins; where a node has several edges to later ones, each is a new object.

    Parameters
    ----------
    name
        Of the file, for errors.
    node_ids
        N ids of nodes.
    edges
        Pairs of node ids, in either direction.
    frames
        (N,) frame of each node.
    wanted
        N object ids; those that cannot be kept are replaced. None if there are none.

    Returns
    -------
    The object id of each node, and the parent of each object, 0 for none.

    Raises
    ------
    ValueError
        If objects merge, nodes share an id, or an edge has a node that is not there.
    """
    rows = {int(node): row for row, node in enumerate(node_ids)}
    if len(rows) < len(frames):
        raise ValueError(f"{name}: expected each node once, found {len(frames) - len(rows)} again")
    edges = list(edges)
    unknown = {int(node) for edge in edges for node in edge} - rows.keys()
    if unknown:
        raise ValueError(f"{name}: expected edges between its nodes, found no node {min(unknown)}")
    pairs = [sorted((rows[a], rows[b]), key=lambda r: frames[r]) for a, b in edges]
    before = {later: earlier for earlier, later in pairs}
    if len(before) < len(pairs) or any(frames[a] == frames[b] for a, b in pairs):
        raise ValueError(
            f"{name}: expected at most one edge from before to each node, found objects that "
            "merge; take one of these edges out"
        )
    n_after = Counter(earlier for earlier, _ in pairs)
    ids_wanted = [0] * len(rows) if wanted is None else [int(i) for i in wanted]
    unused = count(max([0, *(i for i in ids_wanted if i <= LARGEST_ID)]) + 1)
    ids, parents = [0] * len(rows), dict[int, int]()
    for row in np.argsort(frames, kind="stable").tolist():
        mother = before.get(row)
        if mother is not None and n_after[mother] == 1 and ids_wanted[mother] == ids_wanted[row]:
            ids[row] = ids[mother]
            continue
        is_free = 1 <= ids_wanted[row] <= LARGEST_ID and ids_wanted[row] not in parents
        ids[row] = ids_wanted[row] if is_free else next(unused)
        parents[ids[row]] = 0 if mother is None else ids[mother]
    return ids, parents


def lineage_of_parents(masklets: Masklets, parents: Mapping[int, int]) -> Lineage:
    """Return the lineage of objects with masks; a parent without one is none."""
    known = Lineage().resolved({i: masklets.frames(i) for i in masklets.object_ids})
    return Lineage(
        replace(t, parent=parent if (parent := parents.get(t.object_id, 0)) in known else 0)
        for t in known
    )
