"""Functions for scripts and notebooks: track, segment and link movies without napari.

The names in `__init__.pyi` are imported on first use; importing this package loads no PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
