"""Segment and track cells in microscopy movies with SAM 2, in napari or from Python.

`read`, `segment`, `track`, `track_all`, `link`, `measure` and `export` are imported on first use:
importing this package loads neither PyTorch nor napari.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
