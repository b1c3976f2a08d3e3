"""SAM 2 in PyTorch: promptable segmentation of images, movies and stacks.

The names in `__init__.pyi` are the public surface. They are imported on first use, so that
the numpy-only parts (prompts, predictions) cost no `import torch`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
