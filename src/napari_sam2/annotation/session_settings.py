"""Model and appearance that the masks of a session were made with."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

APPEARANCE = ("contrast", "gamma", "per_frame", "resolution", "channels")


@dataclass(frozen=True)
class Settings:
    """Settings that, together with the prompts, determine the masks.

    Parameters
    ----------
    model
        Name or path of the model; empty before the first mask.
    precision
        Its dtype, such as "bfloat16".
    contrast, gamma, per_frame, resolution, channels
        As of `napari_sam2.movies.appearance.Appearance`.
    axes, scale, units
        Name, step and its unit of each axis of the image, where the user typed them.
    """

    model: str = ""
    precision: str = ""
    contrast: tuple[float, float] | None = None
    gamma: float = 1.0
    per_frame: bool = False
    resolution: float | str = "auto"
    channels: tuple[int, ...] | None = None
    axes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Settings":
        """Read settings from a file; fields that this version does not know are left out."""
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in written.items()
            if name in known
        }
        return cls(**values)

    @property
    def appearance(self) -> dict[str, Any]:
        """Arguments of `Appearance`."""
        return {name: getattr(self, name) for name in APPEARANCE}
