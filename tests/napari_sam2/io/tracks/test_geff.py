import warnings
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geff
import networkx
import numpy as np
import pytest
import zarr
from geff.core_io import read_to_memory
from geff.validate.data import ValidationConfig
from hypothesis import given, settings
from random_tracks import CALIBRATION, SHAPE, same_masks, tracked_movies, tracked_stacks

from napari_sam2.io.tracks.formats import read_tracked
from napari_sam2.io.tracks.geff import read_geff, write_geff
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

ALL_CHECKS = ValidationConfig(graph=True, tracklet=True, lineage=True)


def round_trip(path: Path, tracked: Tracked) -> Tracked:
    """Write, validate and read objects; the lineage and the masks are the same."""
    write_geff(path, tracked)
    read_to_memory(path, structure_validation=True, data_validation=ALL_CHECKS)
    read = read_geff(path)
    assert read.lineage == tracked.tracks
    assert same_masks(read.masklets, tracked.masklets)
    return read


@settings(max_examples=8, deadline=None)
@given(tracked_movies(overlapping=True))
def test_a_round_trip_loses_nothing_and_geff_finds_it_valid(tracked: Tracked) -> None:
    with TemporaryDirectory() as folder:
        read = round_trip(Path(folder) / "x.geff", tracked)
    assert read.calibration == CALIBRATION
    assert (read.n_frames, read.masklets.frame_shape) == (6, SHAPE)


@settings(max_examples=8, deadline=None)
@given(tracked_stacks())
def test_a_movie_of_stacks_loses_nothing_and_geff_finds_it_valid(tracked: Tracked) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.geff"
        read = round_trip(path, tracked)
        graph, metadata = geff.read(path)
    assert (read.axes, read.n_planes, read.grid) == ("TZYX", 4, (3, 4))
    assert read.calibration == tracked.calibration
    assert [axis.name for axis in metadata.axes] == ["t", "z", "y", "x"]
    assert [axis.scale for axis in metadata.axes] == [30, 2, 0.5, 0.25]
    # a node for each object at each point in time, at the centre of its volume
    assert graph.number_of_nodes() == sum(len(tracked.volumes_in(time)) for time in range(3))
    node = dict(graph.nodes[1])
    planes = tracked.volumes_in(int(node["t"]))[int(node["track_id"])]
    depths = np.repeat(list(planes), [mask.area for mask in planes.values()])
    assert node["z"] == pytest.approx(depths.mean()) and node["area"] == len(depths)


def test_other_programs_find_places_scales_and_labels(tmp_path: Path) -> None:
    masklets = Masklets(3, SHAPE)
    masklets.set(4, 0, SparseMask.from_window(SHAPE, np.ones((3, 5)), (2, 6)))
    masklets.set(5, 1, SparseMask.from_window(SHAPE, np.ones((2, 2)), (2, 6)))
    masklets.set(6, 2, SparseMask.from_window(SHAPE, np.ones((1, 1)), (9, 9)))
    lineage = Lineage([Track(4, 0, 0), Track(5, 1, 1, 4), Track(6, 2, 2, 4)])
    tracked = Tracked(masklets, lineage, calibration=CALIBRATION, names={4: "mother"})
    write_geff(tmp_path / "x.geff", tracked)
    graph, metadata = geff.read(tmp_path / "x.geff")
    first = dict(graph.nodes[1])  # 0 is background where nodes are labels
    assert first["y"] == 3 and first["x"] == 8
    # tracksdata and funtracks draw the segmentation of these
    assert list(first["bbox"]) == [2, 6, 5, 11] and np.shape(first["mask"]) == (3, 5)
    assert metadata.extra["tracksdata"]["shape"] == [3, *SHAPE]
    assert set(graph.edges) == {(1, 2), (1, 3)}
    assert [axis.name for axis in metadata.axes] == ["t", "y", "x"]
    assert [axis.scale for axis in metadata.axes] == [30, 0.5, 0.25]
    assert [axis.scaled_unit for axis in metadata.axes] == ["second", "micrometer", "micrometer"]
    (related,) = metadata.related_objects
    labels = zarr.open(tmp_path / "x.geff" / related.path / "0", mode="r")
    assert labels.shape == (3, *SHAPE) and labels[0, 3, 8] == 4
    assert read_geff(tmp_path / "x.geff").name(4) == "mother"


def test_a_stack_keeps_its_planes(tmp_path: Path) -> None:
    masklets = Masklets(4, SHAPE)
    for plane in (1, 3):
        masklets.set(2, plane, SparseMask.from_window(SHAPE, [[1]], (3, 3)))
    step = Calibration((0.2, 0.1), "um", 1.5)
    write_geff(tmp_path / "x.geff", Tracked(masklets, axes="ZYX", calibration=step))
    read = read_geff(tmp_path / "x.geff")
    assert (read.axes, read.calibration) == ("ZYX", step)
    assert read.masklets.frames(2) == (1, 3)


def test_what_is_no_geff_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.geff").mkdir()
    with pytest.raises(ValueError, match=r"x\.geff: expected a valid GEFF"):
        read_geff(tmp_path / "x.geff")
    with pytest.raises(ValueError, match="at least one object"):
        write_geff(tmp_path / "y.geff", Tracked(Masklets(2, SHAPE)))
    assert not (tmp_path / "y.geff").exists()


def written(tmp_path: Path) -> tuple[networkx.DiGraph, geff.GeffMetadata]:
    """Write object 1 in frames 0..4 and object 2 beside it, and read it as other programs do."""
    masklets = Masklets(5, SHAPE)
    for frame in range(5):
        masklets.set(1, frame, SparseMask.from_window(SHAPE, np.ones((3, 5)), (2, 2)))
        masklets.set(2, frame, SparseMask.from_window(SHAPE, np.ones((2, 2)), (10, 12)))
    write_geff(tmp_path / "own.geff", Tracked(masklets))
    return geff.read(tmp_path / "own.geff")


def node(graph: networkx.DiGraph, track: int, frame: int) -> int:
    return next(
        n for n, of in graph.nodes(data=True) if (of["track_id"], of["t"]) == (track, frame)
    )


def save(graph: networkx.DiGraph, path: Path, **options: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geff.write(graph, path, **options)
    return path


def test_an_edge_that_was_cut_ends_a_track(tmp_path: Path) -> None:
    graph, metadata = written(tmp_path)
    graph.remove_edge(node(graph, 1, 2), node(graph, 1, 3))
    read = read_geff(save(graph, tmp_path / "cut.geff", metadata=metadata))
    assert read.lineage == Lineage([Track(1, 0, 2), Track(2, 0, 4), Track(3, 3, 4)])


def test_an_edge_that_was_added_makes_daughters(tmp_path: Path) -> None:
    graph, metadata = written(tmp_path)
    graph.remove_edge(node(graph, 2, 2), node(graph, 2, 3))
    graph.add_edge(node(graph, 1, 2), node(graph, 2, 3))
    read = read_geff(save(graph, tmp_path / "divided.geff", metadata=metadata))
    rows = [Track(1, 0, 2), Track(2, 0, 2), Track(3, 3, 4, 1), Track(4, 3, 4, 1)]
    assert read.lineage == Lineage(rows)


@pytest.mark.parametrize(
    "own", [[], "x", 1, {"names": ["x"]}, {"names": 1}, {"names": {"1": []}}, {"names": None}]
)
def test_own_metadata_of_another_type_are_refused_or_left_out(tmp_path: Path, own: Any) -> None:
    written(tmp_path)
    group = zarr.open_group(tmp_path / "own.geff", mode="r+")
    metadata = dict(group.attrs["geff"])
    metadata["extra"] = {**metadata["extra"], "napari-sam2": own}
    group.attrs["geff"] = metadata
    with suppress(ValueError):
        assert read_geff(tmp_path / "own.geff").masklets.object_ids


def test_objects_that_merge_are_refused(tmp_path: Path) -> None:
    graph, metadata = written(tmp_path)
    graph.add_edge(node(graph, 1, 2), node(graph, 2, 3))
    with pytest.raises(ValueError, match="found objects that merge"):
        read_geff(save(graph, tmp_path / "merged.geff", metadata=metadata))


def test_masks_outside_of_the_frames_and_unknown_nodes_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    store = zarr.open_group(tmp_path / "own.geff", mode="r+")
    boxes, edges = store["nodes/props/bbox/values"], store["edges/ids"]
    before = boxes[...]
    for change in ((-3, 0), (0, 40)):
        boxes[...] = before + np.repeat(change, 2)
        with pytest.raises(ValueError, match="expected masks within frames of"):
            read_tracked(tmp_path / "own.geff")
    boxes[...] = before
    edges[0, 0] = 999
    with pytest.raises(ValueError, match="expected edges between its nodes, found no node 999"):
        read_tracked(tmp_path / "own.geff")
    store["nodes/ids"][0] = 2
    with pytest.raises(ValueError, match="expected each node once, found 1 again"):
        read_tracked(tmp_path / "own.geff")


def test_without_our_own_metadata_frames_keep_their_size(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph, _ = written(tmp_path)
    axes = {"axis_names": ["t", "y", "x"], "axis_types": ["time", "space", "space"]}
    read = read_geff(save(graph, tmp_path / "bare.geff", **axes))
    assert (read.n_frames, read.masklets.frame_shape) == (5, SHAPE)
    for _, of in graph.nodes(data=True):
        del of["frame_height"], of["frame_width"]
    read = read_geff(save(graph, tmp_path / "barer.geff", **axes))
    assert read.masklets.frame_shape == (12, 14)
    assert "the size of the frames is not in the file; 12 x 14 pixels hold all" in caplog.text


def test_a_graph_of_other_programs_is_read_with_its_label_image(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = np.zeros((3, *SHAPE), np.uint16)
    graph = networkx.DiGraph()
    for frame in range(3):
        labels[frame, 2:5, 3 + frame : 7 + frame] = 40 + frame  # numbered anew in each frame
        graph.add_node(frame, t=frame, y=3.0, x=5.0 + frame, label=40 + frame)
    graph.add_edges_from([(0, 1), (1, 2)])
    store = tmp_path / "tracks.zarr"
    zarr.open_group(store, mode="w", zarr_format=2).create_array("segmentation", data=labels)
    axes = [{"name": "t", "type": "time"}, *({"name": n, "type": "space"} for n in "yx")]
    metadata = geff.GeffMetadata(
        geff_version="1.1",
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        related_objects=[{"type": "labels", "path": "../segmentation", "node_prop": "label"}],
    )
    if "node_prop" not in type(metadata.related_objects[0]).model_fields:
        pytest.skip("this geff knows label_prop alone")
    read = read_tracked(save(graph, store / "graph", metadata=metadata))
    assert read.lineage == Lineage([Track(1, 0, 2)])
    np.testing.assert_array_equal(read.labels(2) > 0, labels[2] > 0)
    named = {"type": "labels", "path": "../segmentation", "label_prop": "label"}  # until 1.2
    metadata.related_objects[0] = type(metadata.related_objects[0])(**named)
    graph.nodes[2]["label"] = 7
    read = read_tracked(save(graph, store / "old", metadata=metadata))
    assert read.masklets.frames(1) == (0, 1)
    assert "1 of 3 nodes have no pixels, and 1 labels of the image have no node" in caplog.text
    graph.add_edge(2, 3)
    graph.add_node(3, t=3, y=3.0, x=5.0, label=43)
    with pytest.raises(ValueError, match=r"expected nodes in the 3 time points .* found one in 3"):
        read_tracked(save(graph, store / "longer", metadata=metadata))
    del metadata.related_objects[0]
    with pytest.raises(ValueError, match=r"expected masks, .* found a graph without"):
        read_tracked(save(graph, tmp_path / "none.geff", metadata=metadata))
