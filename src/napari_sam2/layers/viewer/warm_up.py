"""Libraries that napari imports when it makes its first layers, imported beforehand."""

from functools import cache
from importlib import import_module


@cache
def warm_up() -> None:
    """Import the libraries once, on any thread.

    No object of napari is made here: a layer asks pint's registry of units, which breaks for the
    whole process if two threads fill it at the same time.
    """
    pandas = import_module("pandas")  # features of layers, 0.3 to 0.8 s
    pandas.DataFrame({"name": ["object"]})  # text imports pyarrow where that is installed
    import_module("skimage.color.colorconv")  # colours of Labels layers, 0.2 s


def is_warm() -> bool:
    """Return whether `warm_up` has finished."""
    return warm_up.cache_info().currsize > 0
