"""Read and write movies, prompts, sessions and tracked objects.

The names in `__init__.pyi` are imported on first use: importing this package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
