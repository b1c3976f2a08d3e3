"""A movie that is not square, lies somewhere, and is scaled: a flipped axis would show."""

import numpy as np
import pytest

PLACEMENT = {
    "scale": (2, 0.5, 0.25),
    "translate": (0, 10, 20),
    "units": ("s", "um", "um"),
    "axis_labels": ("t", "y", "x"),
}
SHAPE = (5, 40, 60)


@pytest.fixture
def movie(viewer):
    return viewer.add_image(np.zeros(SHAPE, np.uint16), name="movie", **PLACEMENT)
