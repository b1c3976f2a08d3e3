"""What, beside prompts, decides what masks the network makes of them: part of a session."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

APPEARANCE = ("contrast", "gamma", "per_frame", "resolution", "channels")


@dataclass(frozen=True)
class Settings:
    """With which network, and seen how, the masks of a session were made.

    Parameters
    ----------
    model
        Name or path of the network; empty if none has answered yet.
    precision
        What it computed in, such as "bfloat16".
    contrast, gamma, per_frame, resolution, channels
        As of `napari_sam2.movies.appearance.Appearance`.
    """

    model: str = ""
    precision: str = ""
    contrast: tuple[float, float] | None = None
    gamma: float = 1.0
    per_frame: bool = False
    resolution: float | str = "auto"
    channels: tuple[int, ...] | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Settings":
        """Take what a file says; what this version does not know is left out."""
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in written.items()
            if name in known
        }
        return cls(**values)

    @property
    def appearance(self) -> dict[str, Any]:
        """The arguments of `Appearance`."""
        return {name: getattr(self, name) for name in APPEARANCE}
