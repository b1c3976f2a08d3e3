"""What the dock begins with: the user's settings, where napari keeps settings of plugins."""

from dataclasses import dataclass, fields
from typing import Any

from napari_sam2.annotation.prompted_session import Direction

PLUGIN = "napari-sam2"


@dataclass(frozen=True)
class Defaults:
    """What the dock begins with.

    Parameters
    ----------
    model, device
        The network, and where it runs.
    layer_for_each_object
        Whether each object gets a Labels layer of its own.
    direction
        Which way masks are propagated.
    show_frames
        Whether the viewer goes along.
    preview
        Whether prompts are followed into the neighbouring frames, to look at.
    """

    model: str = "cells_nano"
    device: str = "auto"
    layer_for_each_object: bool = True
    direction: Direction = "both"
    show_frames: bool = True
    preview: bool = True


def read_defaults() -> Defaults:
    """Read napari's settings of this plugin (Preferences > Plugins).

    Returns
    -------
    What is set there; the defaults in napari before 0.9, which has no settings of plugins, and
    where the plugin is not installed as one.
    """
    start = _settings("start")
    if start is None:
        return Defaults()
    return Defaults(**{field.name: getattr(start, field.name) for field in fields(Defaults)})


def written_keys() -> dict[str, str]:
    """Read which keys the user wrote into the settings, by action; empty where there are none."""
    keys = _settings("keys")
    return {} if keys is None else {name: str(key) for name, key in keys}


def _settings(group: str) -> Any:
    """Return a group of the settings; None where there are none."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return getattr(get_plugin_settings(PLUGIN), group)
    except (AttributeError, KeyError):
        return None
