"""Labels layers of other programs as masks."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.prompt_layers.seeds import is_seeds, labels_of_frame, masks_of_labels
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets

GEOMETRY = FrameGeometry((3, 4, 30, 50), 0, (0, 2))


def test_each_label_is_a_mask():
    labels = np.zeros((30, 50), np.int32)
    labels[3:6, 4:9], labels[20:, 40:], labels[0, 0] = 7, 100_000, 1
    labels[25, 45] = 7  # in two pieces
    masks = masks_of_labels(labels)
    assert sorted(masks) == [1, 7, 100_000]
    for label, mask in masks.items():
        np.testing.assert_array_equal(mask.to_dense(), labels == label)


def test_no_label_is_no_mask():
    assert masks_of_labels(np.zeros((30, 50), np.uint8)) == {}


def test_the_frame_of_a_volume_in_time_or_one_for_all():
    data = np.zeros((3, 4, 30, 50), np.uint16)
    data[1, 2, 5, 6] = 9
    assert labels_of_frame(Labels(data), GEOMETRY, 1)[5, 6] == 9
    assert not labels_of_frame(Labels(data), GEOMETRY, 2).any()
    assert labels_of_frame(Labels(data[1, 2]), GEOMETRY, 0)[5, 6] == 9


def test_labels_of_another_size_are_told():
    labels = Labels(np.zeros((30, 51), np.uint8), name="cells")
    with pytest.raises(ValueError, match=r"cells: expected labels of \(3, 4, 30, 50\) or"):
        labels_of_frame(labels, GEOMETRY, 0)


def test_our_own_layers_are_no_seeds():
    own = Labels(MaskletView(Masklets(3, (30, 50)), FrameGeometry((3, 30, 50), 0, (0,))))
    assert not is_seeds(own)
    assert is_seeds(Labels(np.zeros((30, 50), np.uint8)))
