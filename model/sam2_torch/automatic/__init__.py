"""Objects without prompts: segment everything, track everything, find similar objects.

The names are imported on first use: the options alone do not import PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_torch.automatic.divisions import Division
    from sam2_torch.automatic.found_masks import AutomaticMask
    from sam2_torch.automatic.mask_generator import Everything, SeedsDone, segment_everything
    from sam2_torch.automatic.options import (
        EverythingOptions,
        ObjectRules,
        SeedGrid,
        Thresholds,
        TrackOptions,
    )
    from sam2_torch.automatic.seeds import blob_seeds, grid_seeds, label_seeds
    from sam2_torch.automatic.similarity import Likeness, find_alike
    from sam2_torch.automatic.track_everything import (
        TrackedObject,
        TrackEverything,
        TrackStep,
    )

_HOME = {
    "AutomaticMask": "found_masks",
    "Division": "divisions",
    "Thresholds": "options",
    "Everything": "mask_generator",
    "EverythingOptions": "options",
    "Likeness": "similarity",
    "ObjectRules": "options",
    "SeedGrid": "options",
    "SeedsDone": "mask_generator",
    "TrackEverything": "track_everything",
    "TrackOptions": "options",
    "TrackStep": "track_everything",
    "TrackedObject": "track_everything",
    "blob_seeds": "seeds",
    "find_alike": "similarity",
    "grid_seeds": "seeds",
    "label_seeds": "seeds",
    "segment_everything": "mask_generator",
}

__all__ = [
    "AutomaticMask",
    "Division",
    "Everything",
    "EverythingOptions",
    "Likeness",
    "ObjectRules",
    "SeedGrid",
    "SeedsDone",
    "Thresholds",
    "TrackEverything",
    "TrackOptions",
    "TrackStep",
    "TrackedObject",
    "blob_seeds",
    "find_alike",
    "grid_seeds",
    "label_seeds",
    "segment_everything",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"sam2_torch.automatic.{_HOME[name]}"), name)
    raise AttributeError(f"module 'sam2_torch.automatic' has no attribute {name!r}")
