"""Read and write movies, prompts, sessions and tracked objects.

The names are imported on first use: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.io.read import read_labels, read_movie, read_prompts
    from napari_sam2.io.tracks.formats import export, read_tracked

_HOME = {
    "export": "tracks.formats",
    "read_labels": "read",
    "read_movie": "read",
    "read_prompts": "read",
    "read_tracked": "tracks.formats",
}

__all__ = ["export", "read_labels", "read_movie", "read_prompts", "read_tracked"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"napari_sam2.io.{_HOME[name]}"), name)
    raise AttributeError(f"module 'napari_sam2.io' has no attribute {name!r}")
