"""One colour per object, the same in every layer and list; two for the kinds of clicks."""

import colorsys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap

N_COLOURS = 60
GOLDEN_ANGLE = 0.618034  # of the hue circle: neighbours differ as much as they can
FIRST_HUE = 0.53
HUES = ((0.03, 0.30), (0.47, 0.90))  # of objects: without the green and the red of clicks
# Told apart by colour and, for those who cannot, by brightness and symbol
POSITIVE, NEGATIVE = "#2fe36b", "#ff2d55"


def object_colour(object_id: int) -> NDArray[np.float32]:
    """Give the RGBA colour of an object, 0 to 1; it repeats after `N_COLOURS` objects."""
    return _palette()[(object_id - 1) % N_COLOURS + 1]


def object_colormap() -> "CyclicLabelColormap":
    """Return the colormap of Labels layers, in which a label has its object's colour."""
    from napari.utils.colormaps import CyclicLabelColormap

    return CyclicLabelColormap(colors=_palette(), display_name="objects")


@cache
def _palette() -> NDArray[np.float32]:
    """Give the colours of labels 0 (transparent) to `N_COLOURS`, (N + 1, 4)."""
    colours = [(0.0, 0.0, 0.0, 0.0)]
    for i in range(N_COLOURS):
        saturation, value = ((0.85, 1.0), (0.55, 1.0), (0.9, 0.75))[i // 7 % 3]
        hue = _hue((FIRST_HUE + i * GOLDEN_ANGLE) % 1)
        colours.append((*colorsys.hsv_to_rgb(hue, saturation, value), 1.0))
    palette = np.array(colours, np.float32)
    palette.flags.writeable = False
    return palette


def _hue(place: float) -> float:
    """Return the hue at a place, 0 to 1, along the ranges of hues that objects have."""
    (low, high), (start, end) = HUES
    hue = low + place * (high - low + end - start)
    return hue if hue < high else hue - high + start
