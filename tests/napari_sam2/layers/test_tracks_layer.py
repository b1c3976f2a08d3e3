from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Tracks

from napari_sam2.layers.tracks_layer import TracksLayer, track_at, track_data
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.measurements import collect, outline_numbers
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

SHAPE = (40, 56)


def tracked(divided: bool = True) -> Tracked:
    masklets = Masklets(6, SHAPE)
    frames = {1: range(3), 2: range(3, 6), 3: range(3, 5), 7: range(5, 6)}
    for object_id, own in frames.items():
        for frame in own:
            mask = SparseMask.from_window(SHAPE, np.ones((3, 5)), (4 * object_id, 2 * frame))
            masklets.set(object_id, frame, mask)
    lineage = lineage_operations.divide(Lineage(), 1, 3, (2, 3)).lineage if divided else Lineage()
    return Tracked(masklets, lineage)


@pytest.fixture
def scene() -> tuple[ViewerModel, Image, list[int]]:
    """An image with a channel axis, scale and translation, and where clicks are told."""
    viewer = ViewerModel()
    settings = {"scale": (1, 1, 0.5, 0.25), "translate": (0, 0, 10, 20)}
    image = viewer.add_image(np.zeros((2, 6, *SHAPE)), name="cells", **settings)
    return viewer, image, []


def make(scene: Any) -> TracksLayer:
    viewer, image, clicked = scene
    return TracksLayer(viewer, image, FrameGeometry.of(image, frame_axis=1), clicked.append)


def show(layer: TracksLayer, of: Tracked) -> Tracks:
    layer.show(*outline_numbers(of), of.tracks)
    assert layer.layer is not None
    return layer.layer


def test_tracks_lie_on_the_masks_with_graph_and_features(scene: Any) -> None:
    layer = show(make(scene), tracked())
    assert set(layer.data[:, 0]) == {1, 2, 3}  # 7 is in one frame only
    assert layer.data[0].tolist() == [1, 0, 0, 5, 2]  # id, channel, frame, y, x
    assert {d: list(m) for d, m in layer.graph.items()} == {2: [1], 3: [1]}
    assert layer.features["area_px2"].tolist() == [15] * 8
    assert layer.scale.tolist() == [1, 1, 0.5, 0.25]
    assert layer.translate.tolist() == [0, 0, 10, 20]


def test_tracks_follow_the_masks_in_the_same_layer(scene: Any) -> None:
    tracks = make(scene)
    before = show(tracks, tracked())
    after = show(tracks, tracked(divided=False))
    assert before is after and after.graph == {} and scene[0].layers.index(after) == 1
    tracks.show(collect(()), np.zeros((0, 2)), Lineage())
    assert tracks.layer is None and len(scene[0].layers) == 1


def brightness(layer: Tracks) -> dict[int, float]:
    """Mean of the drawn colours of each track."""
    ids = layer.data[:, 0].astype(int)
    return {i: float(layer.track_colors[ids == i, :3].mean()) for i in set(ids.tolist())}


def test_the_track_of_the_selected_object_is_brighter_than_the_others(scene: Any) -> None:
    tracks = make(scene)
    layer = show(tracks, tracked())
    plain = brightness(layer)
    tracks.highlight(3)
    now = brightness(layer)
    assert now[3] > plain[3] and all(now[i] < 0.5 * plain[i] for i in (1, 2))
    tracks.highlight(1)
    now = brightness(layer)
    assert now[1] > plain[1] and all(now[i] < 0.5 * plain[i] for i in (2, 3))
    tracks.highlight(7)  # has no track: in one frame only
    assert brightness(layer) == pytest.approx(plain)


def test_the_highlight_outlasts_other_colours_and_other_tracks(scene: Any) -> None:
    tracks = make(scene)
    layer = show(tracks, tracked())
    tracks.highlight(2)
    layer.colormap = "viridis"
    layer.color_by = "frame"
    now = brightness(layer)
    show(tracks, tracked(divided=False))
    assert layer.color_by == "frame"  # what the user chose stays
    assert brightness(layer) == pytest.approx(now) and now[2] > 1.5 * max(now[1], now[3])


def test_a_layer_that_was_deleted_is_made_anew(scene: Any) -> None:
    tracks = make(scene)
    before = show(tracks, tracked())
    scene[0].layers.remove(before)
    assert tracks.layer is None
    assert show(tracks, tracked()) is not before


def test_the_layer_that_the_user_works_in_stays_active(scene: Any) -> None:
    viewer, image, _ = scene
    viewer.layers.selection.active = image
    show(make(scene), tracked())
    assert viewer.layers.selection.active is image


def test_tracks_of_a_movie_of_stacks_go_through_the_centres() -> None:
    masklets = Masklets(6, SHAPE)
    for time in range(2):
        for plane in range(3):
            mask = SparseMask.from_window(SHAPE, np.ones((1, 1)), (2 * plane, 10 * time))
            masklets.set(4, 3 * time + plane, mask)
    stacks = Tracked(masklets, axes="TZYX", n_planes=3)
    geometry = FrameGeometry((2, 3, *SHAPE), 0, (0, 0), 1)
    data, rows = track_data(*outline_numbers(stacks), geometry)
    assert data.tolist() == [[4, 0, 1, 2, 0], [4, 1, 1, 2, 10]] and rows.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("frame", "place_yx", "found"),
    [
        (2, (5, 3), 1),  # between two places of it
        (4, (9, 9), 2),
        (4, (13, 8), 3),
        (0, (9, 9), None),  # it comes later
        (4, (11, 25), None),  # beside all
    ],
)
def test_a_track_is_found_where_it_is_drawn(
    scene: Any, frame: int, place_yx: tuple[float, float], found: int | None
) -> None:
    layer = show(make(scene), tracked())
    y, x = place_yx
    world = layer.data_to_world((0, frame, y, x))
    assert track_at(layer, world, 1.0, axis=1) == found
