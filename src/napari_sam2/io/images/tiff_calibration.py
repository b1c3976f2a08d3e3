"""Pixel sizes and time steps in the metadata of a TIFF."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import tifffile

from napari_sam2.movies.calibration import AxisScale, Calibration, as_number
from napari_sam2.movies.units import conversion, find_unit, ome_symbol

_CENTIMETRE = 3  # of TIFF's ResolutionUnit; inches are a printer's
_PRINTER = ("inch", "inches")  # ImageJ's unit of files with a size in print


def read_calibration(tif: tifffile.TiffFile) -> Calibration:
    """Read the calibration of an ImageJ, OME or plain TIFF.

    Parameters
    ----------
    tif
        The open file.
    """
    if tif.is_imagej:
        return _read_imagej(tif)
    if tif.is_ome and tif.ome_metadata:
        return _read_ome(tif.ome_metadata)
    page = tif.pages.first
    if page.tags.valueof("ResolutionUnit") != _CENTIMETRE:
        return Calibration()
    sizes = {letter: _pixel_size(page, letter) for letter in "YX"}
    return Calibration.of_axes(
        # micrometres: centimetres of a microscope's image are no size that anybody reads
        {letter: AxisScale(size and size * 1e4, "um") for letter, size in sizes.items()}
    )


def _read_imagej(tif: tifffile.TiffFile) -> Calibration:
    known = tif.imagej_metadata or {}
    unit = str(known.get("unit", ""))
    time = AxisScale(as_number(known.get("finterval")), str(known.get("tunit") or "s"))
    if unit.lower() in _PRINTER:
        return Calibration.of_axes({"T": time})
    steps: dict[str, float | None] = {
        letter: _pixel_size(tif.pages.first, letter) for letter in "YX"
    }
    steps["Z"] = as_number(known.get("spacing"))
    axes = {
        letter: AxisScale(
            step,
            str(known.get(f"{letter.lower()}unit") or unit),
            # the origin is the pixel that lies at 0
            -(as_number(known.get(f"{letter.lower()}origin")) or 0.0) * (step or 0.0),
        )
        for letter, step in steps.items()
    }
    return Calibration.of_axes(axes | {"T": time})


def _read_ome(xml: str) -> Calibration:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Calibration()
    pixels = root.find(".//{*}Pixels")
    known = {} if pixels is None else pixels.attrib
    axes = {
        letter: AxisScale(
            as_number(known.get(f"PhysicalSize{letter}")),
            known.get(f"PhysicalSize{letter}Unit") or "um",
        )
        for letter in "ZYX"
    }
    time = AxisScale(as_number(known.get("TimeIncrement")), known.get("TimeIncrementUnit") or "s")
    return Calibration.of_axes(axes | {"T": time})


def _pixel_size(page: Any, letter: str) -> float | None:
    pixels, units = page.tags.valueof(f"{letter}Resolution", (0, 1))
    return units / pixels if pixels else None


def imagej_metadata(axes: str, calibration: Calibration) -> dict[str, Any]:
    """Return the arguments of `TiffWriter.write` for an ImageJ file.

    Parameters
    ----------
    axes
        One letter for each axis of the image.
    calibration
        Its pixel size and the like; the header is ASCII, as are the symbols of units.
    """
    metadata: dict[str, Any] = {"axes": axes}
    arguments: dict[str, Any] = {"metadata": metadata}
    z, y, x, t = (calibration.axis(letter) for letter in "ZYXT")
    if y.length and x.length:
        metadata |= {"unit": x.unit} if x.unit else {}
        arguments["resolution"] = (1 / x.length, 1 / y.length)
    if z.length:
        # of z alone: a unit of x would make its pixels 1 wide
        metadata |= {"spacing": z.length} | ({"zunit": z.unit} if z.unit and not x.unit else {})
    if t.length:
        metadata |= {"finterval": t.length} | ({"tunit": t.unit} if t.unit else {})
    for letter, axis in zip("zyx", (z, y, x), strict=True):
        if axis.step and axis.origin:
            metadata[f"{letter}origin"] = -axis.origin / axis.step
    return arguments


def ome_metadata(axes: str, calibration: Calibration) -> dict[str, Any]:
    """Return the arguments of `TiffWriter.write` for an OME file.

    Parameters
    ----------
    axes
        One letter for each axis of the image.
    calibration
        Its pixel size and the like.
    """
    metadata: dict[str, Any] = {"axes": axes}
    for letter in "ZYX":
        size, unit = _in_ome(calibration.axis(letter), "m", "reference frame")
        if size:
            metadata[f"PhysicalSize{letter}"] = size
            metadata[f"PhysicalSize{letter}Unit"] = unit
    interval, unit = _in_ome(calibration.axis("T"), "s", "")
    if interval and unit:  # OME has no time without a unit
        metadata["TimeIncrement"] = interval
        metadata["TimeIncrementUnit"] = unit
    return {"metadata": metadata}


def _in_ome(axis: AxisScale, otherwise: str, unitless: str) -> tuple[float | None, str]:
    """Convert a step to a unit of OME's schema, which has all but the rarest."""
    unit = ome_symbol(axis.unit)
    if axis.length is None or unit or find_unit(axis.unit) is None:
        return axis.length, unit or unitless
    return axis.length * conversion(axis.unit, otherwise), otherwise
