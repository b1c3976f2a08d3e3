"""The implementations that `compare.py` measures, each behind the same protocol."""

from collections.abc import Callable
from importlib import import_module

from references.protocol import Setting, Side

OURS = "ours"

ROOMS: dict[str, tuple[str, str]] = {
    OURS: ("this_project", "build"),
    "sam2": ("sam2_package", "build"),
    "legacy": ("sam2_package", "build_legacy"),
    "vos": ("sam2_package", "build_vos"),
    "transformers": ("transformers_package", "build"),
}
"""Where each implementation's adapter is. A package is imported when its side is built."""


def builder(side: str) -> Callable[[Setting], Side]:
    """Find what builds a side; an ImportError tells that its package is not there."""
    room, function = ROOMS[side]
    build: Callable[[Setting], Side] = getattr(import_module(f"references.{room}"), function)
    return build
