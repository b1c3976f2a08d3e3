"""What napari and its libraries do once, done before the user waits for it."""

from functools import cache

import numpy as np

from napari_sam2.layers.viewer.colours import object_colormap


@cache
def warm_up() -> None:
    """Make a layer of each kind that prompts and masks need, and throw it away; once.

    The first ones import pandas and compile functions, which takes napari up to a second; on
    another thread than the GUI's, it goes on meanwhile. No viewer and no Qt takes part.
    """
    from napari.layers import Labels, Points, Shapes

    features = {"object": np.zeros(1, int)}
    Points(np.zeros((1, 3)), features=features, face_color="white").refresh()
    Shapes(np.zeros((1, 4, 3)), features=features, shape_type="rectangle").refresh()
    labels = Labels(np.zeros((2, 8, 8), np.uint16), colormap=object_colormap())
    labels.set_view_slice()
    labels.colormap.map(labels.data[0])


def is_warm() -> bool:
    """Tell whether `warm_up` has come to its end."""
    return warm_up.cache_info().currsize > 0
