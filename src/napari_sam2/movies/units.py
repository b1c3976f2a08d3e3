"""Units of length and time: their names in each file format, and conversion; Pint knows them."""

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import pint

Dimension: TypeAlias = Literal["length", "time"]

_PIXELS = ("px", "pix", "pixel", "pixels")  # Pint's px is a length, that of CSS
# symbols of OME's schema that stand for something else in Pint: pint, link, microyear, thou's "th"
_OME_SYMBOLS = {"pt": "point", "li": "line", "ua": "astronomical_unit", "thou": "thou"}
_SI_NAMES = {"micron": "micrometer", "fermi": "femtometer"}
_OF_OME = re.compile(
    "(yotta|zetta|exa|peta|tera|giga|mega|kilo|hecto|deca|deci|centi|milli|micro|nano|pico|femto"
    "|atto|zepto|yocto)?(meter|second)|minute|hour|day"
    "|angstrom|inch|foot|yard|mile|light_year|parsec"
)


class Unit(NamedTuple):
    """A unit of length or time.

    Parameters
    ----------
    name
        In full, as OME-Zarr and GEFF write it: micrometer, second.
    symbol
        Short and in ASCII, as tables and ImageJ have it: um, s. Where the symbol has other
        letters, it is the name: angstrom.
    dimension
        What it measures.
    """

    name: str
    symbol: str
    dimension: Dimension


@cache
def _registry() -> "pint.UnitRegistry[float]":
    import pint  # takes a second

    registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    registry.define("line = inch / 12")
    return registry


@cache
def find_unit(text: str) -> Unit | None:
    """Return a unit by any of its names or symbols.

    Parameters
    ----------
    text
        As a file has it: um, micron, µm, Å, nanometer, sec; ImageJ's escapes (\\u00B5m), too.

    Returns
    -------
    None if it is no unit of length or time, such as pixel, frame or nothing.
    """
    import pint

    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text).strip()
    plain = _OME_SYMBOLS.get(unescaped, unescaped.rstrip("."))
    if not re.fullmatch(r"[^\W\d]+", plain) or plain.lower() in _PIXELS:
        return None
    for spelling in (plain, plain.lower()):
        try:
            unit = _registry().parse_units(spelling)
        except pint.UndefinedUnitError:
            continue
        unit = _registry().parse_units(_SI_NAMES.get(str(unit), str(unit)))
        if unit.dimensionality == {"[length]": 1}:
            return Unit(str(unit), _ascii_symbol(unit), "length")
        if unit.dimensionality == {"[time]": 1}:
            return Unit(str(unit), _ascii_symbol(unit), "time")
    return None


def _ascii_symbol(unit: "pint.Unit") -> str:
    symbol = f"{unit:~}".replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    # of some units the symbol is another unit's, or none in ASCII
    same = symbol.isascii() and _registry().parse_units(symbol) == unit
    return symbol if same else str(unit)


def conversion(source: str, target: str) -> float:
    """Return how many target units a source unit is.

    Parameters
    ----------
    source, target
        Names or symbols of units of one dimension.
    """
    return float(f"{_registry().Quantity(1.0, source).to(target).magnitude:.15g}")


def unit_name(symbol: str) -> str:
    """Return the full name that OME-Zarr and GEFF use; unknown units stay as they are.

    Parameters
    ----------
    symbol
        As in `Calibration.unit`.
    """
    found = find_unit(symbol)
    return found.name if found else symbol


def ome_symbol(symbol: str) -> str | None:
    """Return the symbol of OME's XML schema; None if the schema has no such unit.

    Parameters
    ----------
    symbol
        As in `Calibration.unit`.
    """
    found = find_unit(symbol)
    if found is None:
        return None
    own = {name: short for short, name in _OME_SYMBOLS.items()}
    if found.name in own:
        return own[found.name]
    return f"{_registry().parse_units(found.name):~}" if _OF_OME.fullmatch(found.name) else None
