"""Objects without prompts: segment everything, track everything, find all like these."""

from sam2_torch.automatic.everything import Everything, SeedsDone, segment_everything
from sam2_torch.automatic.exemplar import Likeness, find_alike
from sam2_torch.automatic.masks import AutomaticMask
from sam2_torch.automatic.options import Doubts, EverythingOptions, ObjectRules, SeedGrid
from sam2_torch.automatic.overlaps import Division
from sam2_torch.automatic.seeds import blob_seeds, grid_seeds, label_seeds
from sam2_torch.automatic.tracking import TrackedObject, TrackEverything, TrackOptions, TrackStep

__all__ = [
    "AutomaticMask",
    "Division",
    "Doubts",
    "Everything",
    "EverythingOptions",
    "Likeness",
    "ObjectRules",
    "SeedGrid",
    "SeedsDone",
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
