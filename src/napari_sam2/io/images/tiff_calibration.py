"""Pixel sizes and time steps in the metadata of a TIFF."""

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import tifffile

from napari_sam2.movies.movie import Calibration

_CENTIMETRE = 3  # of TIFF's ResolutionUnit
_SAME_UNIT = {
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "\\u00b5m": "um",
    "\N{MICRO SIGN}m": "um",
    "\N{GREEK SMALL LETTER MU}m": "um",
    "sec": "s",
    "second": "s",
    "seconds": "s",
}
_NO_UNIT = ("", "pixel", "pixels", "inch")  # inches are a printer's


def read_calibration(tif: tifffile.TiffFile) -> Calibration:
    """Read what an ImageJ, OME or plain TIFF says of its pixels; unknown where it says nothing."""
    if tif.is_imagej:
        return _read_imagej(tif)
    if tif.is_ome and tif.ome_metadata:
        return _read_ome(tif.ome_metadata)
    page = tif.pages.first
    if page.tags.valueof("ResolutionUnit") == _CENTIMETRE:
        size = _pixel_size(page)
        return Calibration(size and (size[0] * 1e4, size[1] * 1e4))
    return Calibration()


def _read_imagej(tif: tifffile.TiffFile) -> Calibration:
    said = tif.imagej_metadata or {}
    unit = str(said.get("unit", "")).lower()
    known = unit not in _NO_UNIT
    return Calibration(
        pixel_size_yx=_pixel_size(tif.pages.first) if known else None,
        unit=_SAME_UNIT.get(unit, unit) if known else "um",
        z_step=_positive(said.get("spacing")) if known else None,
        time_interval=_positive(said.get("finterval")),
        time_unit=_unit(said.get("tunit"), "s"),
    )


def _read_ome(xml: str) -> Calibration:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Calibration()
    pixels = root.find(".//{*}Pixels")
    said = {} if pixels is None else pixels.attrib
    y, x = _positive(said.get("PhysicalSizeY")), _positive(said.get("PhysicalSizeX"))
    return Calibration(
        pixel_size_yx=(y, x) if y and x else None,
        unit=_unit(said.get("PhysicalSizeXUnit"), "um"),
        z_step=_positive(said.get("PhysicalSizeZ")),
        time_interval=_positive(said.get("TimeIncrement")),
        time_unit=_unit(said.get("TimeIncrementUnit"), "s"),
    )


def _pixel_size(page: Any) -> tuple[float, float] | None:
    sizes = []
    for name in ("YResolution", "XResolution"):
        pixels, units = page.tags.valueof(name, (0, 1))
        if not pixels:
            return None
        sizes.append(units / pixels)
    return sizes[0], sizes[1]


def _unit(said: Any, otherwise: str) -> str:
    unit = str(said or otherwise)
    return _SAME_UNIT.get(unit.lower(), unit)


def _positive(said: Any) -> float | None:
    try:
        number = float(said)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def imagej_metadata(axes: str, calibration: Calibration) -> dict[str, Any]:
    """Make the arguments of `TiffWriter.write` for an ImageJ file."""
    metadata: dict[str, Any] = {"axes": axes}
    arguments: dict[str, Any] = {"metadata": metadata}
    if calibration.pixel_size_yx:
        y, x = calibration.pixel_size_yx
        metadata["unit"] = calibration.unit
        arguments["resolution"] = (1 / x, 1 / y)
    if calibration.z_step:
        metadata |= {"spacing": calibration.z_step, "unit": calibration.unit}
    if calibration.time_interval:
        metadata |= {"finterval": calibration.time_interval, "tunit": calibration.time_unit}
    return arguments


def ome_metadata(axes: str, calibration: Calibration) -> dict[str, Any]:
    """Make the arguments of `TiffWriter.write` for an OME file."""
    unit = "\N{MICRO SIGN}m" if calibration.unit == "um" else calibration.unit
    sizes = {"Z": calibration.z_step}
    if calibration.pixel_size_yx:
        sizes["Y"], sizes["X"] = calibration.pixel_size_yx
    metadata: dict[str, Any] = {"axes": axes}
    for letter, size in sizes.items():
        if size:
            metadata[f"PhysicalSize{letter}"] = size
            metadata[f"PhysicalSize{letter}Unit"] = unit
    if calibration.time_interval:
        metadata["TimeIncrement"] = calibration.time_interval
        metadata["TimeIncrementUnit"] = calibration.time_unit
    return {"metadata": metadata}
