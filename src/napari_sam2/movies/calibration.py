"""Calibration: pixel size, plane distance and frame interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from napari_sam2.movies.units import conversion, find_unit


class AxisScale(NamedTuple):
    """Calibration of one axis.

    Parameters
    ----------
    step
        Distance of two pixels, planes or frames in `unit`, below 0 where the axis runs
        backwards; None if unknown.
    unit
        As in `Calibration`.
    origin
        Where the first one lies, in `unit`.
    """

    step: float | None = None
    unit: str = ""
    origin: float = 0.0

    @property
    def length(self) -> float | None:
        """The distance without its sign, for formats that have none."""
        return None if self.step is None else abs(self.step)


@dataclass(frozen=True)
class Calibration:
    """Pixel size, plane distance and frame interval, and where the first pixel lies.

    Parameters
    ----------
    pixel_size_yx
        Height and width of a pixel in `unit`; None if unknown.
    unit
        Unit of lengths, such as um; empty if lengths are known but not their unit.
    z_step
        Distance of two planes in `unit`; None if unknown.
    time_interval
        Time from frame to frame in `time_unit`; None if unknown.
    time_unit
        Unit of times, such as s; empty if it is unknown.
    origin_yx, z_origin
        Centre of the first pixel, and the first plane, in `unit`.
    time_origin
        Time of the first frame in `time_unit`.

    Notes
    -----
    Steps below 0 are those of an axis that runs backwards.
    """

    pixel_size_yx: tuple[float, float] | None = None
    unit: str = "um"
    z_step: float | None = None
    time_interval: float | None = None
    time_unit: str = "s"
    origin_yx: tuple[float, float] = (0.0, 0.0)
    z_origin: float = 0.0
    time_origin: float = 0.0

    @classmethod
    def of_axes(cls, axes: Mapping[str, AxisScale]) -> "Calibration":
        """Create a calibration from that of each axis, with one unit of length.

        Parameters
        ----------
        axes
            By letter (T, Z, Y, X); units under any name. Steps that are 0 or no number are
            unknown, and so are those in a unit of something else, or that cannot be converted
            to that of x. Steps of 1 without a unit mean nothing.
        """
        known = {letter: _checked(letter, axis) for letter, axis in axes.items()}
        space = {letter: known[letter] for letter in "XYZ" if _is_known(known, letter)}
        has_unit = any(axis.unit for axis in space.values())
        if has_unit or all(axis.step == 1 for axis in space.values()):
            space = {k: axis for k, axis in space.items() if axis.unit or axis.step != 1}
        unit = next((axis.unit for axis in space.values()), "")
        scaled = {letter: _in_unit(axis, unit) for letter, axis in space.items()}
        z, y, x = (scaled.get(letter, AxisScale()) for letter in "ZYX")
        t = known.get("T", AxisScale())
        t = AxisScale() if t.step == 1 and not t.unit else t
        has_size = y.step is not None and x.step is not None
        return cls(
            pixel_size_yx=(y.step, x.step) if y.step and x.step else None,
            unit=unit if has_size or z.step is not None else "um",
            z_step=z.step,
            time_interval=t.step,
            time_unit=t.unit if t.step is not None else "s",
            origin_yx=(y.origin, x.origin) if has_size else (0.0, 0.0),
            z_origin=z.origin,
            time_origin=t.origin,
        )

    def axis(self, letter: str) -> AxisScale:
        """Return what is known of one axis; of channels and colours nothing is.

        Parameters
        ----------
        letter
            One of `AXES`.
        """
        y, x = self.pixel_size_yx or (None, None)
        steps = {
            "T": AxisScale(self.time_interval, self.time_unit, self.time_origin),
            "Z": AxisScale(self.z_step, self.unit, self.z_origin),
            "Y": AxisScale(y, self.unit, self.origin_yx[0]),
            "X": AxisScale(x, self.unit, self.origin_yx[1]),
        }
        found = steps.get(letter, AxisScale())
        return AxisScale() if found.step is None else found


def as_number(text: Any) -> float | None:
    """Convert what a file has into a finite number; None if it is none, or 0.

    Parameters
    ----------
    text
        A number, a text or None.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number else None


def _is_known(axes: Mapping[str, AxisScale], letter: str) -> bool:
    return letter in axes and axes[letter].step is not None


def _checked(letter: str, axis: AxisScale) -> AxisScale:
    """Return an axis with the symbol of its unit, without a step in a unit of something else."""
    unit = find_unit(axis.unit or "")
    if unit is not None and (unit.dimension == "time") != (letter == "T"):
        return AxisScale()
    origin = as_number(axis.origin) or 0.0
    return AxisScale(as_number(axis.step), unit.symbol if unit else "", origin)


def _in_unit(axis: AxisScale, unit: str) -> AxisScale:
    if axis.unit == unit or axis.step is None:
        return axis
    if not (axis.unit and unit):
        return AxisScale()
    factor = conversion(axis.unit, unit)
    step, origin = (float(f"{number * factor:.15g}") for number in (axis.step, axis.origin))
    return AxisScale(step, unit, origin)
