"""Seeds and label images from layers of other programs."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.prompt_layers.seed_layers import (
    is_seeds,
    labels_of_frame,
    point_seeds,
)
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets

GEOMETRY = FrameGeometry((3, 4, 30, 50), 0, (0, 2))


@pytest.fixture
def image(viewer):
    place = {"scale": (1, 0.5, 0.25), "translate": (0, 10, 20)}
    return viewer.add_image(np.zeros((3, 20, 30), np.uint16), name="cells", **place)


def test_points_in_other_coordinates_are_seeds(viewer, image):
    geometry = FrameGeometry.of(image)
    world = [(1, 10 + 0.5 * 4, 20 + 0.25 * 12), (2, 10, 20), (1, 0, 0)]
    points = viewer.add_points(world, ndim=3)
    np.testing.assert_allclose(point_seeds(points, image, geometry, 1), [[4, 12]])
    flat = viewer.add_points([(12, 23)], ndim=2)  # in every frame
    np.testing.assert_allclose(point_seeds(flat, image, geometry, 2), [[4, 12]])
    with pytest.raises(ValueError, match="expected a Points layer of 2 or 3 dimensions"):
        point_seeds(viewer.add_points(np.zeros((1, 4)), ndim=4), image, geometry, 0)


def test_the_frame_of_a_volume_in_time_or_one_for_all():
    data = np.zeros((3, 4, 30, 50), np.uint16)
    data[1, 2, 5, 6] = 9
    assert labels_of_frame(Labels(data), GEOMETRY, 1)[5, 6] == 9
    assert not labels_of_frame(Labels(data), GEOMETRY, 2).any()
    assert labels_of_frame(Labels(data[1, 2]), GEOMETRY, 0)[5, 6] == 9


def test_a_multiscale_layer_is_read_in_full_resolution():
    data = np.zeros((3, 4, 30, 50), np.uint16)
    data[1, 2, 5, 6] = 9
    layer = Labels([data, data[:, :, ::2, ::2]], multiscale=True)
    assert labels_of_frame(layer, GEOMETRY, 1)[5, 6] == 9
    one_frame = Labels([data[1, 2], data[1, 2, ::2, ::2]], multiscale=True)
    assert labels_of_frame(one_frame, GEOMETRY, 0)[5, 6] == 9


def test_labels_of_another_size_are_refused():
    labels = Labels(np.zeros((30, 51), np.uint8), name="cells")
    with pytest.raises(ValueError, match=r"cells: expected labels of \(3, 4, 30, 50\) or"):
        labels_of_frame(labels, GEOMETRY, 0)


def test_our_own_layers_are_no_seeds():
    own = Labels(MaskletView(Masklets(3, (30, 50)), FrameGeometry((3, 30, 50), 0, (0,))))
    assert not is_seeds(own)
    assert is_seeds(Labels(np.zeros((30, 50), np.uint8)))
