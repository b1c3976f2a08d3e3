"""GEFF, the Graph Exchange File Format: one node for each object and frame, with its mask.

In a movie of stacks a node is an object at a point in time, with all its planes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing_folder
from napari_sam2.io.images.ome_zarr import SHORT_UNITS
from napari_sam2.io.optional import library
from napari_sam2.io.tracks.ome_zarr_labels import (
    MARK,
    axis_scales,
    axis_unit,
    fill_label_group,
)
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

LABELS = "labels"
"""Where in the folder the label movie is."""

_BOX = ("mask_y", "mask_x", "mask_height", "mask_width")
_BOX_Z = ("mask_z", "mask_depth")
"""Of movies of stacks, beside the others."""
_BITS = "mask_bits"
_ID = "track_id"
_OWN = "napari-sam2"  # key of what the format has no place for


class _Node(NamedTuple):
    """One object in one frame, or with all planes at one point in time.

    The box is (plane, row, column) and (planes, rows, columns); `bits` are those of its pixels.
    """

    object_id: int
    frame: int
    origin: tuple[int, int, int]
    extent: tuple[int, int, int]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, object_id: int, frame: int, planes: dict[int, SparseMask]) -> "_Node":
        """Put the masks of an object into one box."""
        first, last = min(planes), max(planes)
        corners = np.array([mask.origin_yx for mask in planes.values()])
        ends = corners + [mask.extent_yx for mask in planes.values()]
        (y, x), (bottom, right) = corners.min(axis=0).tolist(), ends.max(axis=0).tolist()
        pixels = np.zeros((last + 1 - first, bottom - y, right - x), bool)
        for plane, mask in planes.items():
            (top, left), (height, width) = mask.origin_yx, mask.extent_yx
            inside = (slice(top - y, top - y + height), slice(left - x, left - x + width))
            pixels[plane - first][inside] = mask.window()
        return cls(object_id, frame, (first, y, x), pixels.shape, np.packbits(pixels))

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """The pixels in the box, (planes, rows, columns)."""
        n = int(np.prod(self.extent))
        return np.unpackbits(self.bits, count=n).reshape(self.extent).astype(bool)

    def planes(self, shape: tuple[int, int]) -> Iterator[tuple[int, SparseMask]]:
        """List the planes with pixels, and the mask in each."""
        for plane, pixels in enumerate(self.pixels, start=self.origin[0]):
            if pixels.any():
                yield plane, SparseMask.from_window(shape, pixels, self.origin[1:])


def write_geff(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a graph of the objects, their masks and the label movie.

    Nodes lie at the masks' centroids, in pixels and frames, with the scale of each axis beside
    them. Each holds its object's id, its area (of a movie of stacks its voxels) and its mask
    (bounding box and packed bits), so that masks which overlap come back whole; `labels` has the
    label movie for other programs.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.

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
    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    from geff.core_io import construct_var_len_props, write_arrays

    nodes = _nodes(tracked)
    columns = _columns(tracked, nodes)
    properties: dict[str, Any] = {
        name: {"values": values, "missing": None} for name, values in columns.items()
    }
    properties[_BITS] = construct_var_len_props([node.bits for node in nodes])
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
    axes = "".join(letter for letter in "TZ" if letter.lower() in names) + "YX"
    axes = axes if len(axes) > 2 else "TYX"
    values = {name: prop["values"] for name, prop in graph["node_props"].items()}
    boxes = {*_BOX, *(_BOX_Z if axes == "TZYX" else ())}
    missing = {_ID, _BITS, *boxes, axes[0].lower()} - set(values)
    if missing:
        raise ValueError(
            f"{path.name}: expected the node properties that napari-sam2 writes, found no "
            f"{', '.join(sorted(missing))}; open its label movie instead"
        )
    own = (graph["metadata"].extra or {}).get(_OWN, {})
    n_planes = int(own.get("n_planes", 1))
    if axes == "TZYX" and "n_planes" not in own:
        raise ValueError(
            f"{path.name}: expected the number of planes that napari-sam2 writes of a movie of "
            "stacks, found none; open its label movie instead"
        )
    masklets = _masklets(values, axes, own, n_planes)
    parents = _parents(graph, values[_ID])
    lineage = Lineage([Track(i, parent=0) for i in masklets.object_ids]).resolved(
        {i: masklets.frames(i) for i in masklets.object_ids}
    )
    lineage = Lineage(
        Track(t.object_id, t.begin, t.end, parents.get(t.object_id, 0)) for t in lineage
    )
    names_of = {int(key): str(name) for key, name in own.get("names", {}).items()}
    calibration = _calibration(graph["metadata"].axes)
    return Tracked(masklets, lineage, axes, calibration, names_of, n_planes=n_planes)


def _nodes(tracked: Tracked) -> list[_Node]:
    if tracked.axes == "TZYX":
        return [
            _Node.of(object_id, time, planes)
            for time in range(tracked.n_times)
            for object_id, planes in tracked.volumes_in(time).items()
        ]
    return [
        _Node.of(object_id, frame, {0: mask})
        for frame in range(tracked.n_frames)
        for object_id, mask in tracked.objects_in(frame)
    ]


def _columns(tracked: Tracked, nodes: list[_Node]) -> dict[str, NDArray[Any]]:
    pixels = [np.argwhere(node.pixels) for node in nodes]
    places = np.array(
        [inside.mean(axis=0) + node.origin for inside, node in zip(pixels, nodes, strict=True)]
    )
    boxes = np.array([(*node.origin, *node.extent) for node in nodes], np.int64)
    families = _families(tracked.tracks)
    columns: dict[str, NDArray[Any]] = {
        "z" if tracked.is_stack else "t": np.array([node.frame for node in nodes], np.float64),
        **({"z": places[:, 0]} if tracked.axes == "TZYX" else {}),
        "y": places[:, 1],
        "x": places[:, 2],
        _ID: np.array([node.object_id for node in nodes], np.uint64),
        "lineage_id": np.array([families[node.object_id] for node in nodes], np.uint64),
        "area": np.array([len(inside) for inside in pixels], np.int64),
    }
    z, y, x, depth, height, width = boxes.T
    if tracked.axes == "TZYX":
        columns |= dict(zip(_BOX_Z, (z, depth), strict=True))
    return columns | dict(zip(_BOX, (y, x, height, width), strict=True))


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

    axes = tracked.axes if len(tracked.axes) > 2 else "TYX"
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
                "n_planes": tracked.n_planes,
                "frame_shape": list(tracked.masklets.frame_shape),
                "names": {str(key): name for key, name in tracked.names.items()},
            }
        },
    )


def _masklets(
    values: dict[str, NDArray[Any]], axes: str, own: dict[str, Any], n_planes: int
) -> Masklets:
    flat = np.zeros(len(values[_ID]), int), np.ones(len(values[_ID]), int)
    z, depth = (values[name] for name in _BOX_Z) if axes == "TZYX" else flat
    y, x, height, width = (values[name] for name in _BOX)
    origins = np.column_stack([z, y, x]).astype(int)
    extents = np.column_stack([depth, height, width]).astype(int)
    frames = values[axes[0].lower()].astype(int)
    _, bottom, right = (origins + extents).max(axis=0).tolist()
    shape = own.get("frame_shape", (bottom, right))
    masklets = Masklets(own.get("n_frames", int(frames.max()) + 1), (shape[0], shape[1]))
    for row, (origin, extent) in enumerate(zip(origins.tolist(), extents.tolist(), strict=True)):
        bits = np.asarray(values[_BITS][row], np.uint8)
        node = _Node(int(values[_ID][row]), int(frames[row]), tuple(origin), tuple(extent), bits)
        for plane, mask in node.planes(masklets.frame_shape):
            masklets.set(node.object_id, node.frame * n_planes + plane, mask)
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
