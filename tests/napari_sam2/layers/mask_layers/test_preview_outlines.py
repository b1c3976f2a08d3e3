"""The layer of the preview: there while it has something to show."""

import numpy as np
import pytest

from napari_sam2.layers.mask_layers.preview_outlines import NeighbourGhosts
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from sam2_torch.masks import SparseMask


@pytest.fixture
def ghosts(viewer, movie):
    return NeighbourGhosts(viewer, movie, FrameGeometry.of(movie))


def cell():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:50] = True
    return SparseMask.from_dense(mask)


def test_outlines_are_seen_in_their_frame_alone(ghosts, viewer):
    ghosts.show(2, cell())
    layer = viewer.layers["movie preview"]
    drawn = np.asarray(layer.data[2])
    assert drawn[10, 30] and drawn[19, 49] and not drawn[15, 40]
    assert not np.asarray(layer.data[1]).any()


def test_without_outlines_the_layer_hides_and_comes_back(ghosts, viewer):
    ghosts.show(2, cell())
    layer = viewer.layers["movie preview"]
    assert layer.visible
    ghosts.clear()
    assert not layer.visible
    ghosts.show(1, cell())
    assert layer.visible and viewer.layers["movie preview"] is layer


def test_a_layer_that_the_user_hides_stays_hidden(ghosts, viewer):
    ghosts.show(2, cell())
    layer = viewer.layers["movie preview"]
    layer.visible = False
    ghosts.clear()
    ghosts.show(1, cell())
    assert not layer.visible


def test_a_layer_that_the_user_shows_while_it_is_empty_stays(ghosts, viewer):
    ghosts.show(2, cell())
    layer = viewer.layers["movie preview"]
    ghosts.clear()
    layer.visible = True
    ghosts.show(1, cell())
    assert layer.visible
