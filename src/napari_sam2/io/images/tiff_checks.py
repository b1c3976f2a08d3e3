"""Checks that a TIFF is whole and can be read: what is missing or left out is named."""

import logging
import math
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path
from typing import Any

import tifffile

from napari_sam2.io.files import listed

_LOG = logging.getLogger(__name__)
_MOST_PLANES = 1_000_000  # of which most may be in other files, or missing
UNREADABLE = (ValueError, RuntimeError, OSError, ImportError, zlib.error, struct.error)
"""What tifffile and codecs raise for pixels that cannot be unpacked."""


def check_chain(path: Path, tif: tifffile.TiffFile) -> None:
    """Check that no page, and no tag of the first one, lies behind the end of the file.

    Parameters
    ----------
    path, tif
        The open file.

    Raises
    ------
    ValueError
        If one does: the file is truncated.
    """
    if len(tif.pages) == 0:
        raise damaged(path, "no whole page")
    first: Any = tif.pages.first
    if len(list(first.tags)) < _n_tags(tif, first.offset):  # OME-XML is often the last thing
        raise damaged(path, "a first page whose metadata end behind the file")
    layout, last, file = tif.tiff, tif.pages[len(tif.pages) - 1], tif.filehandle
    n_tags = _n_tags(tif, last.offset)
    file.seek(last.offset + layout.tagnosize + n_tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    if following >= file.size:
        raise damaged(path, f"{len(tif.pages)} whole pages and a pointer to one more")
    if following in (first.offset, last.offset):
        raise damaged(path, f"{len(tif.pages)} whole pages and a pointer back to one of them")


def check_planes(path: Path, tif: tifffile.TiffFile) -> None:
    """Compare the planes that the metadata describe with those in the file; log differences.

    Parameters
    ----------
    path, tif
        The open file.

    Raises
    ------
    ValueError
        If the pixels of an ImageJ file end before its last image.
    """
    _check_size(path, tif)
    series = tif.series[0]
    planes = list(series.pages)
    n_planes = series.size // max(1, series.keyframe.size)  # some are listed by their first page
    described = _imagej_counts(tif) | {n_planes}
    if tif.is_imagej and max(described) > n_planes and len(tif.pages) == 1:
        raise damaged(path, f"{n_planes} of {max(described)} images")
    if tif.is_imagej and len(tif.pages) > 1 and described != {len(tif.pages)}:
        _LOG.warning(
            "%s: its description does not fit its %d pages, which are read as frames",
            path.name,
            len(tif.pages),
        )
    missing = [number for number, page in enumerate(planes) if page is None]
    if missing:
        names = files_of_set(tif.ome_metadata)
        files = [name for name in names if not (path.parent / name).is_file()]
        _LOG.warning(
            "%s: %d of %d planes are missing and are read as black: %s%s",
            path.name,
            len(missing),
            len(planes),
            listed(missing),
            f" ({listed(files)} is not there)" if files else "",
        )
    used = sum(_pages_used(one, tif) for one in tif.series)
    if tif.is_ome and used < len(tif.pages):
        _LOG.warning(
            "%s: %d of %d pages are left out: its OME-XML does not describe them",
            path.name,
            len(tif.pages) - used,
            len(tif.pages),
        )


def _imagej_counts(tif: tifffile.TiffFile) -> set[int]:
    """Return how many planes ImageJ's description states, as images and as a product of axes."""
    stated = tif.imagej_metadata or {}
    axes = math.prod(stated.get(name, 1) for name in ("channels", "slices", "frames"))
    return {stated.get("images", 1), axes} if axes > 1 else {stated.get("images", 1)}


def _check_size(path: Path, tif: tifffile.TiffFile) -> None:
    """Check that OME-XML describes no more planes than there can be: tifffile lists them all."""
    try:
        sizes = [
            int(pixels.get(f"Size{axis}", 1))
            for pixels in _elements(tif.ome_metadata, "Pixels")[:1]
            for axis in "TZC"
        ]
    except ValueError:
        return
    if math.prod(sizes) > max(_MOST_PLANES, 1000 * len(tif.pages)):
        raise ValueError(
            f"{path.name}: expected about as many planes as pages, found {len(tif.pages)} pages "
            f"and OME-XML with {math.prod(sizes)} planes; its metadata are damaged"
        )


def _pages_used(series: tifffile.TiffPageSeries, tif: tifffile.TiffFile) -> int:
    """Return how many pages of a file are in a series."""
    if series.dataoffset is not None and not series.is_multifile:
        return int(series.size // max(1, series.keyframe.size))
    return sum(page is not None and page.parent is tif for page in series.pages)


def _n_tags(tif: tifffile.TiffFile, offset: int) -> int:
    """Read how many tags the page at an offset has."""
    tif.filehandle.seek(offset)
    content = tif.filehandle.read(tif.tiff.tagnosize)
    return int(struct.unpack(tif.tiff.tagnoformat, content)[0])


def files_of_set(xml: str | None) -> list[str]:
    """Return the names of the files that OME-XML describes, sorted."""
    return sorted({uuid.get("FileName", "") for uuid in _elements(xml, "UUID")} - {""})


def master_of_set(tif: tifffile.TiffFile) -> str:
    """Return the name of the file with the metadata of an OME-TIFF set; empty for its own."""
    found = [each.get("MetadataFile", "") for each in _elements(tif.ome_metadata, "BinaryOnly")]
    return Path(found[0]).name if found else ""


def _elements(xml: str | None, name: str) -> list[ElementTree.Element]:
    """Return the elements of OME-XML with a name; none of damaged XML."""
    try:
        return ElementTree.fromstring(xml).findall(f".//{{*}}{name}") if xml else []
    except ElementTree.ParseError:
        return []


def check_bytes(path: Path, pages: list[Any]) -> None:
    """Check that the pixels of the first and the last page end before the end of the file.

    Parameters
    ----------
    path, pages
        The file, and pages of it.

    Raises
    ------
    ValueError
        If they do not: the file is truncated.
    """
    for page in pages[:1] + pages[-1:]:
        offsets, counts = page.dataoffsets, page.databytecounts
        end = max((o + n for o, n in zip(offsets, counts, strict=False)), default=0)
        if end > page.parent.filehandle.size:
            raise damaged(path, f"{page.parent.filehandle.size} of {end} bytes")


def check_codec(path: Path, page: Any) -> None:
    """Check that the first strip or tile can be decoded: codecs may be missing.

    Parameters
    ----------
    path, page
        The file, and a page of it.

    Raises
    ------
    ValueError
        If it cannot be unpacked; the message names the package.
    """
    if page.keyframe.compression == 1:
        return
    try:
        next(iter(page.segments()), None)
    except UNREADABLE as error:
        raise unreadable(path, "page 0", error) from error


def unreadable(path: Path, what: str, error: BaseException) -> ValueError:
    """Return an error for pixels that cannot be unpacked, with what to do."""
    # tifffile asks for other packages first; imagecodecs has all of them
    advice = (
        "install imagecodecs (pip install imagecodecs)"
        if isinstance(error, ImportError) or "imagecodecs" in str(error)
        else "it is damaged, copy it again"
    )
    return ValueError(f"{path.name}: {what} cannot be read ({error}); {advice}")


def damaged(path: Path, found: str) -> ValueError:
    """Return an error for a file that is truncated."""
    return ValueError(
        f"{path.name}: expected a whole TIFF, found {found}; it is truncated, copy it again"
    )
