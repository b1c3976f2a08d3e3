"""GEFF, the Graph Exchange File Format: one node for each object and frame, with its mask.

In a movie of stacks a node is an object at a point in time, with all its planes.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.images.zarr_store import read_zarr, understood
from napari_sam2.io.optional import library
from napari_sam2.io.outputs import SIGNATURE, replacing_folder
from napari_sam2.io.tracks.graphs import lineage_of_parents, objects_of_graph
from napari_sam2.io.tracks.ome_zarr_labels import fill_label_group
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.movies.units import unit_name
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.label_images import masks_of_labels
from sam2_torch.masks import SparseMask

_LOG = logging.getLogger(__name__)

LABELS = "labels"
"""Where in the folder the label movie is."""

_MASK, _BBOX = "mask", "bbox"
"""Pixels in the bounding box, and its first and last corner, as tracksdata and funtracks have them;
`_TRACKSDATA` in `extra` has the shape of the label movie."""
_TRACKSDATA = "tracksdata"
_FRAME = ("frame_height", "frame_width")
"""Shape of the frames, beside each mask: programs that drop `extra` keep node properties."""
_ID = "track_id"
_OWN = "napari-sam2"  # key of what the format has no place for


class _Node(NamedTuple):
    """One object in one frame, or with all planes at one point in time.

    The box begins at (plane, row, column); `pixels` are those in it, (planes, rows, columns).
    """

    object_id: int
    frame: int
    origin: tuple[int, int, int]
    pixels: NDArray[np.bool_]

    @classmethod
    def of(cls, object_id: int, frame: int, planes: dict[int, SparseMask]) -> "_Node":
        """Create a node with the masks of an object in one box."""
        first, last = min(planes), max(planes)
        corners = np.array([mask.origin_yx for mask in planes.values()])
        ends = corners + [mask.extent_yx for mask in planes.values()]
        (y, x), (bottom, right) = corners.min(axis=0).tolist(), ends.max(axis=0).tolist()
        pixels = np.zeros((last + 1 - first, bottom - y, right - x), bool)
        for plane, mask in planes.items():
            (top, left), (height, width) = mask.origin_yx, mask.extent_yx
            inside = (slice(top - y, top - y + height), slice(left - x, left - x + width))
            pixels[plane - first][inside] = mask.window()
        return cls(object_id, frame, (first, y, x), pixels)

    def planes(self, shape: tuple[int, int]) -> Iterator[tuple[int, SparseMask]]:
        """Yield the planes with pixels, and the mask in each."""
        for plane, pixels in enumerate(self.pixels, start=self.origin[0]):
            if pixels.any():
                yield plane, SparseMask.from_window(shape, pixels, self.origin[1:])


def write_geff(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a graph of the objects, their masks and the label movie.

    Nodes lie at the masks' centroids, in pixels and frames, with the scale of each axis beside
    them. Each holds its object's id, its area (of a movie of stacks its voxels) and its mask
    (bounding box and pixels, where tracksdata and funtracks look for them), so that masks which
    overlap come back whole; `labels` has the label movie for other programs.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.

    Raises
    ------
    ValueError
        If there is no object to write.
    """
    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    from geff.core_io import construct_var_len_props, write_arrays

    nodes = _nodes(tracked)
    columns = _columns(tracked, nodes)
    properties: dict[str, Any] = {
        name: {"values": values, "missing": None} for name, values in columns.items()
    }
    is_stacks = tracked.axes == "TZYX"
    properties[_MASK] = construct_var_len_props(
        [(node.pixels if is_stacks else node.pixels[0]).astype(np.uint8) for node in nodes]
    )
    with replacing_folder(path) as folder:
        write_arrays(
            folder,
            np.arange(1, len(nodes) + 1, dtype=np.uint64),  # 0 is background for funtracks
            properties,
            _edges(tracked.tracks, nodes).astype(np.uint64),
            {},
            _metadata(tracked),
            overwrite=True,  # of the folder, which is there and empty
        )
        fill_label_group(folder / LABELS, LABELS, tracked, progress)


def read_geff(path: Path) -> Tracked:
    """Read objects, masks and lineage; the edges decide who is who.

    An object continues along edges to nodes of its `track_id`; see `objects_of_graph`.

    Parameters
    ----------
    path
        The GEFF, also as a group within a Zarr store. Masks are those that napari-sam2 writes, or
        those of the label image that the graph names as a related object.

    Raises
    ------
    ImportError
        If geff is not there.
    ValueError
        If it is no valid GEFF, has no masks, or objects that merge.
    """
    library("geff", "geff", "a .geff")
    from geff.core_io import read_to_memory

    try:
        graph = read_to_memory(path)
    except Exception as error:  # the library raises what pydantic and zarr raise
        raise ValueError(f"{path.name}: expected a valid GEFF, found {error}") from error
    with understood(path, "a GEFF"):
        return _objects(path, graph)


def _objects(path: Path, graph: Any) -> Tracked:
    metadata = graph["metadata"]
    names = [axis.name for axis in metadata.axes or ()]
    axes = "".join(letter for letter in "TZ" if letter.lower() in names) + "YX"
    axes = axes if len(axes) > 2 else "TYX"
    values = {name: prop["values"] for name, prop in graph["node_props"].items()}
    own = (metadata.extra or {}).get(_OWN, {})
    frames = _frames(path, values, axes)
    ids, parents = objects_of_graph(
        path.name, graph["node_ids"], graph["edge_ids"], frames, values.get(_ID)
    )
    shape = _written_shape(metadata.extra or {})
    if {_MASK, _BBOX} <= set(values) and (axes != "TZYX" or shape is not None):
        n_planes = shape[1] if shape is not None and axes == "TZYX" else 1
        masklets = _masklets(path, values, ids, frames, n_planes, shape)
    else:
        masklets, axes, n_planes = _masks_of_labels(path, graph, axes, ids, frames)
    lineage = lineage_of_parents(masklets, parents)
    names_of = {int(key): str(name) for key, name in own.get("names", {}).items()}
    calibration = _calibration(metadata.axes)
    return Tracked(masklets, lineage, axes, calibration, names_of, n_planes=n_planes)


def _frames(path: Path, values: dict[str, NDArray[Any]], axes: str) -> NDArray[np.int64]:
    name = axes[0].lower()
    if name not in values:
        raise ValueError(
            f"{path.name}: expected the node property {name}, found {', '.join(sorted(values))}"
        )
    frames = np.asarray(values[name], np.float64)
    if not (frames == np.rint(frames)).all() or (frames < 0).any():
        raise ValueError(f"{path.name}: expected frames 0, 1, 2 … as {name}, found others")
    return frames.astype(np.int64)


def _masks_of_labels(
    path: Path, graph: Any, axes: str, ids: list[int], frames: NDArray[np.int64]
) -> tuple[Masklets, str, int]:
    """Read the masks out of the label image that a graph of another program names."""
    known = [r.model_dump() for r in graph["metadata"].related_objects or ()]
    related: dict[str, Any] = next((r for r in known if r["type"] == "labels"), {})
    # label_prop: its name before version 1.2.1
    prop = graph["node_props"].get(related.get("node_prop") or related.get("label_prop"))
    if prop is None:
        raise ValueError(
            f"{path.name}: expected masks, as napari-sam2 writes them or in a label image that the "
            "GEFF names (related_objects, with node_prop), found a graph without; open its label "
            "image instead"
        )
    labels = read_zarr((path / related["path"]).resolve())
    n_planes = labels.layout.n_planes
    n_times = labels.n_frames // n_planes
    if len(frames) and frames.max() >= n_times:
        raise ValueError(
            f"{path.name}: expected nodes in the {n_times} time points of its label image "
            f"{related['path']}, found one in {frames.max()}; the image is incomplete"
        )
    missing = np.zeros(len(ids), bool) if prop["missing"] is None else prop["missing"]
    rows = zip(frames.tolist(), prop["values"].tolist(), missing, ids, strict=True)
    nodes = {(frame, int(value)): i for frame, value, gone, i in rows if not gone}
    masklets, seen = Masklets(labels.n_frames, labels.frame_shape), set[tuple[int, int]]()
    for frame in range(labels.n_frames):
        for value, mask in masks_of_labels(labels[frame]).items():
            place = frame // n_planes, value
            seen.add(place)
            if place in nodes:
                masklets.set(nodes[place], frame, mask)
    n_empty, n_left_out = len(ids) - len(seen & nodes.keys()), len(seen - nodes.keys())
    if n_empty or n_left_out:
        about = "%s: %d of %d nodes have no pixels, and %d labels of the image have no node"
        _LOG.warning(f"{about}; they are left out", path.name, n_empty, len(ids), n_left_out)
    return masklets, labels.layout.label_axes, n_planes


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
    origins = np.array([node.origin for node in nodes], np.int64)
    boxes = np.hstack([origins, origins + [node.pixels.shape for node in nodes]])
    families = _families(tracked.tracks)
    columns: dict[str, NDArray[Any]] = {
        "z" if tracked.is_stack else "t": np.array([node.frame for node in nodes], np.int64),
        **({"z": places[:, 0]} if tracked.axes == "TZYX" else {}),
        "y": places[:, 1],
        "x": places[:, 2],
        _ID: np.array([node.object_id for node in nodes], np.uint64),
        "lineage_id": np.array([families[node.object_id] for node in nodes], np.uint64),
        "area": np.array([len(inside) for inside in pixels], np.int64),
    }
    shape = tracked.masklets.frame_shape
    columns |= {name: np.full(len(nodes), n) for name, n in zip(_FRAME, shape, strict=True)}
    return columns | {_BBOX: boxes if tracked.axes == "TZYX" else boxes[:, [1, 2, 4, 5]]}


def _families(lineage: Lineage) -> dict[int, int]:
    """Return the founder of each object's family."""
    founders: dict[int, int] = {}
    for track in sorted(lineage, key=lambda t: t.begin or 0):
        founders[track.object_id] = founders.get(track.parent, track.object_id)
    return founders


def _edges(lineage: Lineage, nodes: list[_Node]) -> NDArray[np.int64]:
    """Return edges along each object, and from a mother's last node to her daughters' first."""
    edges = []
    last: dict[int, int] = {}
    for number, node in enumerate(nodes, start=1):  # by ascending frame
        before = last.get(node.object_id, last.get(lineage[node.object_id].parent))
        if before is not None:
            edges.append((before, number))
        last[node.object_id] = number
    return np.array(edges, np.int64).reshape(-1, 2)


def _metadata(tracked: Tracked) -> Any:
    from geff import GeffMetadata

    axes = tracked.axes if len(tracked.axes) > 2 else "TYX"
    described = []
    for letter in axes:
        known = tracked.calibration.axis(letter)
        axis: dict[str, Any] = {
            "name": letter.lower(),
            "type": "time" if letter == "T" else "space",
            "unit": "frame" if letter == "T" else "pixel",
        }
        if known.step is not None:
            axis |= {"scale": known.step, "offset": known.origin}
            axis |= {"scaled_unit": unit_name(known.unit)} if known.unit else {}
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
                "names": {str(key): name for key, name in tracked.names.items()},
                "software": SIGNATURE,
            },
            _TRACKSDATA: {"shape": [*tracked.grid, *tracked.masklets.frame_shape]},
        },
    )


def _written_shape(extra: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the shape of the label movie as tracksdata writes it; None if it is not there."""
    shape = extra.get(_TRACKSDATA, {}).get("shape")
    return None if shape is None else tuple(int(n) for n in shape)


def _masklets(
    path: Path,
    values: dict[str, NDArray[Any]],
    ids: list[int],
    frames: NDArray[np.int64],
    n_planes: int,
    shape: tuple[int, ...] | None,
) -> Masklets:
    """Read the masks that are in the nodes."""
    boxes = np.asarray(values[_BBOX]).astype(int)
    origins, ends = np.split(boxes, 2, axis=1)
    n_frames = (int(frames.max()) + 1) * n_planes if shape is None else int(np.prod(shape[:-2]))
    masklets = Masklets(n_frames, _frame_shape(path, values, shape, ends[:, -2:]))
    if (origins < 0).any() or (ends[:, -2:] > masklets.frame_shape).any():
        height, width = masklets.frame_shape
        raise ValueError(
            f"{path.name}: expected masks within frames of {height} x {width}, found boxes outside"
        )
    for object_id, frame, origin, mask in zip(ids, frames, origins, values[_MASK], strict=True):
        pixels = np.atleast_3d(np.asarray(mask, bool).T).T  # (planes, rows, columns)
        place = (0, *origin.tolist())[-3:]
        node = _Node(object_id, int(frame), place, pixels)
        for plane, found in node.planes(masklets.frame_shape):
            masklets.set(object_id, node.frame * n_planes + plane, found)
    return masklets


def _frame_shape(
    path: Path,
    values: dict[str, NDArray[Any]],
    shape: tuple[int, ...] | None,
    ends_yx: NDArray[np.int_],
) -> tuple[int, int]:
    """Return the (H, W) of the frames; if no metadata has it, that of the objects."""
    if shape is not None:
        height, width = shape[-2:]
    elif set(_FRAME) <= set(values):
        height, width = (int(values[name].max()) for name in _FRAME)
    else:
        height, width = ends_yx.max(axis=0).tolist()
        _LOG.warning(
            "%s: the size of the frames is not in the file; %d x %d pixels hold all objects",
            path.name,
            height,
            width,
        )
    return height, width


def _calibration(axes: Any) -> Calibration:
    return Calibration.of_axes(
        {
            axis.name.upper(): AxisScale(axis.scale, axis.scaled_unit or "", axis.offset or 0.0)
            for axis in axes or ()
        }
    )
