"""Objects without prompts: segment everything, track everything, find all like these."""

from sam2_torch.automatic.everything import Everything, SeedsDone, segment_everything
from sam2_torch.automatic.masks import AutomaticMask
from sam2_torch.automatic.options import Doubts, EverythingOptions, ObjectRules, SeedGrid
from sam2_torch.automatic.seeds import blob_seeds, grid_seeds, label_seeds

__all__ = [
    "AutomaticMask",
    "Doubts",
    "Everything",
    "EverythingOptions",
    "ObjectRules",
    "SeedGrid",
    "SeedsDone",
    "blob_seeds",
    "grid_seeds",
    "label_seeds",
    "segment_everything",
]
