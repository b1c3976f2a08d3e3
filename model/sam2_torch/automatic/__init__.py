"""Objects without prompts: segment everything, track everything, find similar objects.

The names in `__init__.pyi` are imported on first use: the options alone do not import PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
