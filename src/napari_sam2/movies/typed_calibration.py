"""Calibration as text that a person types and reads: "0.8 x 0.75 µm", "5 min"."""

import re

from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.movies.units import Dimension, find_unit

_NUMBER = r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?"
_TYPED = re.compile(rf"\s*({_NUMBER})(?:\s*[x×*]\s*({_NUMBER}))?\s*(.*?)\s*")
_EXAMPLES = {"length": "0.65 µm", "time": "5 min"}
_SHOWN = {"um": "µm"}
UNKNOWN_SIZE, SHORT_UNKNOWN = "pixel size unknown", "size unknown"


def read_steps(text: str, dimension: Dimension) -> tuple[list[float], str]:
    """Read one or two numbers with a unit.

    Parameters
    ----------
    text
        As typed, for example "0.65 um", "0.8 x 0.75 µm" or "5 min"; a decimal comma counts.
    dimension
        What the unit has to measure.

    Returns
    -------
    The numbers and the symbol of their unit; no number if nothing is typed.

    Raises
    ------
    ValueError
        If there is no number above 0, or no unit of the dimension.
    """
    if not text.strip():
        return [], ""
    typed = _TYPED.fullmatch(text)
    unit = find_unit(typed[3]) if typed else None
    numbers = (
        [float(each.replace(",", ".")) for each in typed.groups()[:2] if each] if typed else []
    )
    if unit is None or unit.dimension != dimension or not all(0 < n < 1e12 for n in numbers):
        raise ValueError(
            f"expected a number above 0 and a unit of {dimension}, for example "
            f"{_EXAMPLES[dimension]}, found {text.strip()!r}"
        )
    return numbers, unit.symbol


def step_text(axis: AxisScale) -> str:
    """Return a step with its unit, as `read_steps` reads it; empty if it is unknown."""
    return "" if axis.length is None else f"{axis.length:.6g} {_shown(axis.unit)}".strip()


def pixel_size_text(known: Calibration) -> str:
    """Return height and width of a pixel, once if they are equal; empty if unknown."""
    y, x = known.axis("Y"), known.axis("X")
    if y.length is None or x.length is None or y.length == x.length:
        return step_text(x)
    return f"{y.length:.6g} x {step_text(x)}"


def summary(letters: str, shape: tuple[int, ...], known: Calibration) -> str:
    """Describe axes and calibration of an image in one line.

    Parameters
    ----------
    letters, shape
        One letter of TZCYX for each axis, or "?" where it is unknown, and their lengths.
    known
        Its calibration.

    Returns
    -------
    For example "time 30 · 0.65 µm · 5 min" or "49 planes · 0.8 × 0.8 × 1.75 µm".
    """
    sizes = dict(zip(letters, shape, strict=True))
    parts = [f"time {sizes['T']}"] if "T" in sizes else []
    if "Z" in sizes:
        parts.append(f"{sizes['Z']} planes")
    parts += [f"{sizes['C']} channels"] if "C" in sizes else []
    parts += [f"{n} frames or planes?" for a, n in zip(letters, shape, strict=True) if a == "?"]
    size = _size(known, "Z" in sizes)
    parts.append(SHORT_UNKNOWN if "?" in letters and size == UNKNOWN_SIZE else size)
    parts += [step_text(known.axis("T"))] if "T" in sizes and known.time_interval else []
    return " · ".join(parts)


def _size(known: Calibration, has_depth: bool) -> str:
    y, x, z = (known.axis(letter) for letter in "YXZ")
    if y.length is None or x.length is None:
        return UNKNOWN_SIZE
    if has_depth and z.length is not None:
        steps = f"{y.length:.6g} × {x.length:.6g} × {z.length:.6g}"
        return f"{steps} {_shown(x.unit)}".strip()
    size = pixel_size_text(known).replace(" x ", " × ")
    return f"{size}, plane distance unknown" if has_depth else size


def _shown(unit: str) -> str:
    return _SHOWN.get(unit, unit)
