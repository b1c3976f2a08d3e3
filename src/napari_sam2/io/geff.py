"""GEFF, the Graph Exchange File Format: one node for each object and frame, with its mask."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sam2.images import Calibration
from napari_sam2.io.files import replacing_folder
from napari_sam2.io.ome_zarr import SHORT_UNITS
from napari_sam2.io.ome_zarr_labels import (
    MARK,
    axis_scales,
    axis_unit,
    fill_label_group,
)
from napari_sam2.io.optional import library
from napari_sam2.io.progress import Progress, silent
from napari_sam2.lineage import Lineage, Track
from napari_sam2.masklets import Masklets
from napari_sam2.tracked import Tracked
from sam2_torch.predictions import SparseMask

LABELS = "labels"
"""Where in the folder the label movie is."""

_BOX = ("mask_y", "mask_x", "mask_height", "mask_width")
_BITS = "mask_bits"
_ID = "track_id"
_OWN = "napari-sam2"  # key of what the format has no place for


class _Node(NamedTuple):
    """One object in one frame."""

    object_id: int
    frame: int
    mask: SparseMask


def write_geff(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a graph of the objects, their masks and the label movie.

    Nodes lie at the masks' centroids, in pixels and frames, with the scale of each axis beside
    them. Each holds its object's id, its area and its mask (bounding box and packed bits), so
    that masks which overlap come back whole; `labels` has the label movie for other programs.

    Parameters
    ----------
    path
        A folder; replaced when the new one is whole.
    tracked
        What to write.
    progress
        Called after each frame; may raise to stop.

    Raises
    ------
    ImportError
        If geff is not there.
    ValueError
        If there is nothing to write.
    FileExistsError
        If something else is at the path.
    """
    library("geff", "geff", "a .geff")
    tracked.require_flat("GEFF")
    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    from geff.core_io import construct_var_len_props, write_arrays

    nodes = _nodes(tracked)
    columns = _columns(tracked, nodes)
    properties: dict[str, Any] = {
        name: {"values": values, "missing": None} for name, values in columns.items()
    }
    properties[_BITS] = construct_var_len_props([node.mask.bits for node in nodes])
    with replacing_folder(path, MARK) as folder:
        write_arrays(
            folder,
            np.arange(len(nodes), dtype=np.uint64),
            properties,
            _edges(tracked.tracks, nodes).astype(np.uint64),
            {},
            _metadata(tracked),
            overwrite=True,  # of the folder, which is there and empty
        )
        fill_label_group(folder / LABELS, LABELS, tracked, progress)


def read_geff(path: Path) -> Tracked:
    """Read objects, masks and lineage.

    Raises
    ------
    ImportError
        If geff is not there.
    ValueError
        If it is no valid GEFF, or one without masks and without a label movie.
    """
    library("geff", "geff", "a .geff")
    from geff.core_io import read_to_memory

    try:
        graph = read_to_memory(path)
    except Exception as error:  # the library raises what pydantic and zarr raise
        raise ValueError(f"{path.name}: expected a valid GEFF, found {error}") from error
    names = [axis.name for axis in graph["metadata"].axes or ()]
    axes = "ZYX" if "z" in names and "t" not in names else "TYX"
    values = {name: prop["values"] for name, prop in graph["node_props"].items()}
    missing = {_ID, _BITS, *_BOX, axes[0].lower()} - set(values)
    if missing:
        raise ValueError(
            f"{path.name}: expected the node properties that napari-sam2 writes, found no "
            f"{', '.join(sorted(missing))}; open its label movie instead"
        )
    own = (graph["metadata"].extra or {}).get(_OWN, {})
    masklets = _masklets(values, axes[0].lower(), own)
    parents = _parents(graph, values[_ID])
    lineage = Lineage([Track(i, parent=0) for i in masklets.object_ids]).resolved(
        {i: masklets.frames(i) for i in masklets.object_ids}
    )
    lineage = Lineage(
        Track(t.object_id, t.begin, t.end, parents.get(t.object_id, 0)) for t in lineage
    )
    names_of = {int(key): str(name) for key, name in own.get("names", {}).items()}
    return Tracked(masklets, lineage, axes, _calibration(graph["metadata"].axes), names_of)


def _nodes(tracked: Tracked) -> list[_Node]:
    return [
        _Node(object_id, frame, mask)
        for frame in range(tracked.n_frames)
        for object_id, mask in tracked.objects_in(frame)
    ]


def _columns(tracked: Tracked, nodes: list[_Node]) -> dict[str, NDArray[Any]]:
    places = np.array([_centroid(node.mask) for node in nodes]).reshape(-1, 2)
    boxes = np.array([(*n.mask.origin_yx, *n.mask.extent_yx) for n in nodes], np.int64)
    families = _families(tracked.tracks)
    columns: dict[str, NDArray[Any]] = {
        tracked.axes[0].lower() if len(tracked.axes) == 3 else "t": np.array(
            [node.frame for node in nodes], np.float64
        ),
        "y": places[:, 0],
        "x": places[:, 1],
        _ID: np.array([node.object_id for node in nodes], np.uint64),
        "lineage_id": np.array([families[node.object_id] for node in nodes], np.uint64),
        "area": np.array([node.mask.area for node in nodes], np.int64),
    }
    return columns | dict(zip(_BOX, boxes.T, strict=True))


def _centroid(mask: SparseMask) -> NDArray[np.float64]:
    return np.argwhere(mask.window()).mean(axis=0) + mask.origin_yx


def _families(lineage: Lineage) -> dict[int, int]:
    """Name each object's family after its founder."""
    founders: dict[int, int] = {}
    for track in sorted(lineage, key=lambda t: t.begin or 0):
        founders[track.object_id] = founders.get(track.parent, track.object_id)
    return founders


def _edges(lineage: Lineage, nodes: list[_Node]) -> NDArray[np.int64]:
    """Link each object's nodes in turn, and a mother's last one to each daughter's first."""
    edges = []
    last: dict[int, int] = {}
    for number, node in enumerate(nodes):  # by ascending frame
        before = last.get(node.object_id, last.get(lineage[node.object_id].parent))
        if before is not None:
            edges.append((before, number))
        last[node.object_id] = number
    return np.array(edges, np.int64).reshape(-1, 2)


def _metadata(tracked: Tracked) -> Any:
    from geff import GeffMetadata

    axes = tracked.axes if len(tracked.axes) == 3 else "TYX"
    scales = axis_scales(axes, tracked.calibration)
    described = []
    for letter, scale in zip(axes, scales, strict=True):
        kind = "time" if letter == "T" else "space"
        axis: dict[str, Any] = {"name": letter.lower(), "type": kind}
        axis["unit"] = "frame" if letter == "T" else "pixel"
        if unit := axis_unit(letter, tracked.calibration):
            axis |= {"scale": scale, "scaled_unit": unit}
        described.append(axis)
    # an only daughter would be one tracklet with its mother for the format
    single = any(len(tracked.tracks.daughters(i)) == 1 for i in tracked.tracks.object_ids)
    return GeffMetadata(
        geff_version="1.2",
        directed=True,
        axes=described,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"lineage": "lineage_id"} | ({} if single else {"tracklet": _ID}),
        related_objects=[{"type": "labels", "path": LABELS, "node_prop": _ID}],
        extra={
            _OWN: {
                "n_frames": tracked.n_frames,
                "frame_shape": list(tracked.masklets.frame_shape),
                "names": {str(key): name for key, name in tracked.names.items()},
            }
        },
    )


def _masklets(values: dict[str, NDArray[Any]], axis: str, own: dict[str, Any]) -> Masklets:
    boxes = np.column_stack([values[name] for name in _BOX]).astype(int)
    frames = values[axis].astype(int)
    ends = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    shape = own.get("frame_shape", ends.tolist())
    masklets = Masklets(own.get("n_frames", int(frames.max()) + 1), (shape[0], shape[1]))
    for row, (y, x, height, width) in enumerate(boxes.tolist()):
        bits = np.asarray(values[_BITS][row], np.uint8)
        mask = SparseMask(masklets.frame_shape, (y, x), (height, width), bits)
        masklets.set(int(values[_ID][row]), int(frames[row]), mask)
    return masklets


def _parents(graph: Any, object_ids: NDArray[Any]) -> dict[int, int]:
    places = {int(node): row for row, node in enumerate(graph["node_ids"])}
    parents = {}
    for source, target in graph["edge_ids"].tolist():
        mother, daughter = (int(object_ids[places[node]]) for node in (source, target))
        if mother != daughter:
            parents[daughter] = mother
    return parents


def _calibration(axes: Any) -> Calibration:
    by_name = {axis.name: axis for axis in axes or ()}

    def step(name: str) -> float | None:
        axis = by_name.get(name)
        return axis.scale if axis is not None else None

    def unit(name: str, otherwise: str) -> str:
        axis = by_name.get(name)
        long = axis.scaled_unit if axis is not None else None
        return SHORT_UNITS.get(long, long) if long else otherwise

    y, x = step("y"), step("x")
    return Calibration(
        pixel_size_yx=(y, x) if y and x else None,
        unit=unit("y", "um"),
        z_step=step("z"),
        time_interval=step("t"),
        time_unit=unit("t", "s"),
    )
