"""Functions for scripts and notebooks: track, segment and link movies without napari.

The names are imported on first use: importing this package does not import PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.api.automatic import segment_all, track_all
    from napari_sam2.api.linking import link_labels
    from napari_sam2.api.prompted import embed, segment, track

_HOME = {
    "embed": "prompted",
    "link_labels": "linking",
    "segment": "prompted",
    "segment_all": "automatic",
    "track": "prompted",
    "track_all": "automatic",
}

__all__ = ["embed", "link_labels", "segment", "segment_all", "track", "track_all"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"napari_sam2.api.{_HOME[name]}"), name)
    raise AttributeError(f"module 'napari_sam2.api' has no attribute {name!r}")
