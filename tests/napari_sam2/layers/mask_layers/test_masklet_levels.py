"""Masks of frames larger than a screen: levels, of which what is seen is made."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.mask_layers import masklet_levels
from napari_sam2.layers.mask_layers.masklet_levels import MaskletLevel, is_own, layer_data
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.mask_layers.output_layers import Hooks, OutputLayers
from napari_sam2.layers.navigation import object_at
from napari_sam2.layers.prompt_layers.seed_layers import is_seeds
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.masks.masklets import Masklets

SHAPE = (5, 40, 60)  # of the movie in conftest.py


class MeasuringMasklets(Masklets):
    """Notes how many pixels are drawn."""

    largest = 0

    def draw(self, frame, where, out, object_ids=None):
        self.largest = max(self.largest, out.size)
        return super().draw(frame, where, out, object_ids)


@pytest.fixture
def limit(monkeypatch):
    """Let the movie count as large: its levels have 40 x 60 to 2 x 2 pixels."""
    monkeypatch.setattr(masklet_levels, "MAX_WHOLE_PX", 24)


def random_masks(seed, shape):
    """Make blobs that overlap, and what they look like."""
    rng = np.random.default_rng(seed)
    masklets, dense = MeasuringMasklets(shape[0], shape[1:]), np.zeros(shape, np.uint16)
    for object_id in range(1, 5):
        for frame in range(shape[0]):
            y, x = rng.integers(0, shape[1]), rng.integers(0, shape[2])
            mask = np.zeros(shape[1:], bool)
            mask[y : y + rng.integers(0, 12), x : x + rng.integers(0, 12)] = True
            mask &= rng.random(shape[1:]) < 0.8
            masklets.paint(object_id, frame, mask)
            dense[frame][mask] = object_id
    return masklets, dense


@given(st.data())
def test_each_level_is_every_nth_pixel(data):
    shape = (3, data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30)))
    masklets, dense = random_masks(data.draw(st.integers(0, 99)), shape)
    step = data.draw(st.integers(1, 9))
    level = MaskletLevel.of(MaskletView(masklets, FrameGeometry(shape, 0, (0,))), step)
    wanted = dense[:, ::step, ::step]
    assert (level.shape, level.ndim, level.size) == (wanted.shape, 3, wanted.size)
    np.testing.assert_array_equal(level, wanted)
    place = st.integers(0, 35)
    crop = tuple(slice(*sorted((data.draw(place), data.draw(place)))) for _ in range(2))
    seen, frame = level[(slice(None), *crop)], data.draw(st.integers(-3, 2))
    assert isinstance(seen, MaskletLevel)
    np.testing.assert_array_equal(seen[frame], wanted[(frame, *crop)])
    np.testing.assert_array_equal(
        seen[::2, :, ::3], wanted[(slice(None, None, 2), *crop)][..., ::3]
    )


def test_only_what_is_seen_of_one_frame_is_drawn():
    masklets, dense = random_masks(0, SHAPE)
    level = MaskletLevel.of(MaskletView(masklets, FrameGeometry(SHAPE, 0, (0,))), 2)
    np.testing.assert_array_equal(level[:, 4:9, 10:20][2], dense[2, 8:18:2, 20:40:2])
    assert masklets.largest == 5 * 10
    np.testing.assert_array_equal(level[3, -1], dense[3, 38, ::2])
    np.testing.assert_array_equal(level[[1, 2]], dense[[1, 2], ::2, ::2])
    assert (level == 0).sum() == (dense[:, ::2, ::2] == 0).sum()


def test_frames_are_whole_up_to_a_limit(limit):
    view = MaskletView(Masklets(1, (24, 20)), FrameGeometry((24, 20), None, ()))
    assert layer_data(view) is view
    larger = MaskletView(Masklets(1, (25, 2)), FrameGeometry((25, 2), None, ()))
    assert [level.shape for level in layer_data(larger)] == [
        (25, 2),
        (13, 1),
        (7, 1),
        (4, 1),
        (2, 1),
    ]


# in napari


@pytest.fixture
def outputs(limit, viewer, movie):
    masklets, objects = MeasuringMasklets(SHAPE[0], SHAPE[1:]), Objects()
    outputs = OutputLayers(
        viewer, movie, FrameGeometry.of(movie), masklets, objects, Hooks(lambda *key: None)
    )
    objects.include(1)
    outputs.show([1])
    return outputs


def look(layer, corners):
    """Show a part of the layer, (y, x) to (y, x), at full resolution, as the canvas would."""
    layer._update_level_and_corners(np.array(corners), np.array([10, 10]), [1, 2])


def test_the_layer_shows_what_is_looked_at(viewer, movie, outputs):
    layer, masklets = outputs.layers[1], outputs._masklets
    assert layer.multiscale and not layer.editable and not outputs.is_paintable
    np.testing.assert_array_equal(layer.extent.world, movie.extent.world)
    viewer.dims.set_point(0, 4)  # frame 2
    mask = np.zeros(SHAPE[1:], bool)
    mask[20:26, 31:37] = True
    look(layer, [[18, 28], [28, 40]])
    masklets.paint(1, 2, mask)
    masklets.largest = 0
    outputs.refresh([1])  # a new mask came
    assert masklets.largest <= 13 * 15
    for (y, x), value in (((20, 31), 1), ((25, 36), 1), ((19, 31), 0), ((22, 38), 0)):
        found = layer.get_value(movie.data_to_world((2, y, x)), world=True)
        assert found == (0, value), (y, x)
    look(layer, [[0, 0], [40, 60]])
    assert layer.data_level == 1
    assert layer.get_value(movie.data_to_world((2, 22, 34)), world=True) == (1, 1)
    viewer.dims.set_point(0, 6)
    assert layer.get_value(movie.data_to_world((3, 22, 34)), world=True)[1] == 0


def test_a_single_large_image_is_drawn_anew(limit, viewer):
    image = viewer.add_image(np.zeros((40, 60)))
    masklets, objects = Masklets(1, (40, 60)), Objects()
    objects.include(1)
    hooks = Hooks(lambda *key: None)
    outputs = OutputLayers(viewer, image, FrameGeometry.of(image), masklets, objects, hooks)
    outputs.show([1])
    masklets.paint(1, 0, np.ones((40, 60)))
    outputs.refresh()
    layer = outputs.layers[1]
    assert layer.get_value((8, 8), world=True)[1] == 1
    assert layer.thumbnail[..., :3].any()


def test_a_duplicate_is_independent_and_no_frame_is_made(outputs):
    masklets, layer = outputs._masklets, outputs.layers[1]
    masklets.paint(1, 2, np.ones(SHAPE[1:]))
    masklets.largest = 0
    copied = deepcopy(layer.data)
    masklets.remove(1)
    assert masklets.largest == 0
    assert np.asarray(copied[0][2]).all()
    assert is_own(layer) and not is_seeds(layer)


def test_the_object_under_the_mouse_of_a_large_frame(limit, viewer, movie):
    workspace = Workspace(viewer, movie, FrameGeometry.of(movie), Listener(lambda *_: None))
    mask = np.zeros(SHAPE[1:], bool)
    mask[5:8, 11:14] = True
    workspace.masklets.paint(1, 1, mask)
    workspace.objects.include(1)
    workspace.outputs.show([1])
    workspace.go_to(1)
    assert object_at(workspace, movie.data_to_world((1, 7, 13))) == 1
    assert object_at(workspace, movie.data_to_world((1, 8, 13))) is None
    workspace.ghosts.show([workspace.masklets.get(1, 1)], 1)
    assert workspace.ghosts.is_shown
    workspace.close()
