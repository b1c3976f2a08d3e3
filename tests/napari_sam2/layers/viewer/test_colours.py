"""One colour per object everywhere."""

import numpy as np

from napari_sam2.layers.viewer.colours import N_COLOURS, object_colormap, object_colour


def test_labels_have_the_objects_colours():
    ids = np.array([1, 2, 3, N_COLOURS, N_COLOURS + 1, 300, 1000], np.uint16)
    np.testing.assert_allclose(
        object_colormap().map(ids), [object_colour(i) for i in ids], atol=1e-6
    )
    assert object_colormap().map(0)[3] == 0


def test_neighbours_are_told_apart():
    colours = np.array([object_colour(i) for i in range(1, 31)])
    distance = np.linalg.norm(colours[1:] - colours[:-1], axis=1)
    assert distance.min() > 0.4
    assert len(np.unique(colours.round(3), axis=0)) == 30
