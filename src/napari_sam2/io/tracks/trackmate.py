"""TrackMate's XML: spots with outlines, and the edges between them; read and written."""

import logging
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.contours import filled, mask_of_pixels, outlines
from napari_sam2.io.tracks.graphs import lineage_of_parents, objects_of_graph
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

VERSION = "7.11.1"
"""Version of TrackMate whose format this is."""

_SPOT_FEATURES = {
    # name: (short name, dimension, is a whole number)
    "QUALITY": ("Quality", "QUALITY", False),
    "POSITION_X": ("X", "POSITION", False),
    "POSITION_Y": ("Y", "POSITION", False),
    "POSITION_Z": ("Z", "POSITION", False),
    "POSITION_T": ("T", "TIME", False),
    "FRAME": ("Frame", "NONE", True),
    "RADIUS": ("Radius", "LENGTH", False),
    "VISIBILITY": ("Visibility", "NONE", True),
    "AREA": ("Area", "AREA", False),
    "OBJECT_ID": ("Object", "NONE", True),
}
_SOURCE, _TARGET = "SPOT_SOURCE_ID", "SPOT_TARGET_ID"
_EDGE_FEATURES = {_SOURCE: ("Source ID", "NONE", True), _TARGET: ("Target ID", "NONE", True)}
_TRACK_FEATURES = {
    "TRACK_ID": ("Track ID", "NONE", True),
    "NUMBER_SPOTS": ("N spots", "NONE", True),
    "NUMBER_SPLITS": ("N splits", "NONE", True),
}
_UNITS = {"um": "micron", "s": "sec"}
_TINY = 1e-9  # of a pixel size: 0 is none
_LOG = logging.getLogger(__name__)


def write_trackmate(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write objects as spots with their outlines, and families as tracks.

    An object of several parts has the outline of its largest; holes are filled. Of a stack, or a
    movie of stacks, a spot is the ball of the object's volume, at its centre: TrackMate has no
    outlines there. Places are in the calibration's unit, or in pixels where it does not know all
    of them.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.
    """
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        document = _Document(XMLGenerator(file, "UTF-8", short_empty_elements=True))
        document.write(tracked, progress)


def read_trackmate(path: Path) -> Tracked:
    """Read the spots and tracks of a TrackMate file.

    A spot with an outline is the pixels whose centres are inside; one without is a disc of its
    radius. Spots that TrackMate hides and tracks that its filters dropped are left out.

    Parameters
    ----------
    path
        The XML file.

    Raises
    ------
    ValueError
        If it is no TrackMate file of a movie of single planes, or objects merge.
    """
    try:
        root = ElementTree.parse(path).getroot()
        image, model = root.find("Settings/ImageData"), root.find("Model")
        if root.tag != "TrackMate" or image is None or model is None:
            raise KeyError(f"{root.tag} without Settings/ImageData or Model")
        return _tracked(path, model, image)
    except (ElementTree.ParseError, KeyError) as error:
        raise ValueError(f"{path.name}: expected a TrackMate file, found {error}") from error


def _tracked(path: Path, model: ElementTree.Element, image: ElementTree.Element) -> Tracked:
    shape = int(image.attrib["height"]), int(image.attrib["width"])
    n_slices = int(image.get("nslices", 1))
    if n_slices > 1:
        raise ValueError(
            f"{path.name}: expected a movie of single planes, found {n_slices} slices; "
            "TrackMate keeps no outlines there"
        )
    spots = [
        spot for spot in model.iterfind("AllSpots//Spot") if spot.get("VISIBILITY", "1") == "1"
    ]
    if not spots:
        raise ValueError(f"{path.name}: expected spots, found none")
    times = [_number(spot, "FRAME", least=0) for spot in spots]
    frames = np.array(times).astype(int)
    if (frames != times).any():
        raise ValueError(f"{path.name}: expected spots in frames 0, 1, 2 …, found fractions")
    nodes = [int(spot.attrib["ID"]) for spot in spots]
    kept = {each.get("TRACK_ID") for each in model.iterfind("FilteredTracks/TrackID")}
    there = set(nodes)
    edges = [
        (source, target)
        for track in model.iterfind("AllTracks/Track")
        if track.get("TRACK_ID") in kept
        for edge in track.iterfind("Edge")
        for source, target in ((int(edge.attrib[_SOURCE]), int(edge.attrib[_TARGET])),)
        if source in there and target in there
    ]
    wanted = [int(spot.get("OBJECT_ID", 0)) for spot in spots]
    ids, parents = objects_of_graph(path.name, nodes, edges, frames, wanted)
    masklets = Masklets(max(int(image.get("nframes", 1)), int(frames.max()) + 1), shape)
    size = _number(image, "pixelheight", _TINY), _number(image, "pixelwidth", _TINY)
    n_outside = 0
    for object_id, frame, spot in zip(ids, frames.tolist(), spots, strict=True):
        mask = _mask(spot, size, shape)
        n_outside += not mask
        masklets.set(object_id, frame, mask)
    if n_outside:
        _LOG.warning(
            "%s: %d of %d spots have no pixel in the image", path.name, n_outside, len(ids)
        )
    names = {i: spot.get("name", "") for i, spot in zip(ids, spots, strict=True)}
    return Tracked(
        masklets,
        lineage_of_parents(masklets, parents),
        calibration=_calibration(model, image),
        names={i: name for i, name in names.items() if name and not name.startswith("ID")},
    )


def _mask(
    spot: ElementTree.Element, size: tuple[float, float], shape: tuple[int, int]
) -> SparseMask:
    """Draw a spot."""
    from skimage.draw import disk

    centre = np.array([_number(spot, "POSITION_Y"), _number(spot, "POSITION_X")])
    outline = np.array((spot.text or "").split(), float)
    if outline.size >= 6:  # TrackMate's outlines are relative to the spot, and x comes first
        return filled([(outline.reshape(-1, 2)[:, ::-1] + centre) / size], shape)
    radius = max(_number(spot, "RADIUS") / float(np.mean(size)), 1)
    inside = disk(centre / size, radius, shape=shape)  # type: ignore[no-untyped-call]
    return mask_of_pixels(np.array(inside), shape)


def _number(element: ElementTree.Element, name: str, least: float = -math.inf) -> float:
    """Read a finite number."""
    found = float(element.attrib[name])
    if not math.isfinite(found) or found < least:
        raise ValueError(f"{name}: expected a number, found {element.attrib[name]!r}")
    return found


def _calibration(model: ElementTree.Element, image: ElementTree.Element) -> Calibration:
    length, time = (model.get(name, "") for name in ("spatialunits", "timeunits"))
    steps = {"Y": "pixelheight", "X": "pixelwidth"} if length != "pixel" else {}
    axes = {axis: AxisScale(float(image.attrib[step]), length) for axis, step in steps.items()}
    if time != "frame":
        axes["T"] = AxisScale(float(image.get("timeinterval", 1)), time)
    return Calibration.of_axes(axes)


class _Document:
    """The elements, written one after the other."""

    def __init__(self, xml: XMLGenerator) -> None:
        self._xml = xml

    def write(self, tracked: Tracked, progress: Progress) -> None:
        known = tracked.calibration
        length = "pixel" if _voxel(tracked) is None else known.unit or "unit"
        time = known.time_unit or "unit" if known.time_interval else "frame"
        self._xml.startDocument()
        self._xml.ignorableWhitespace(f"<!-- {SIGNATURE} -->\n")
        self._begin("TrackMate", version=VERSION)
        self._begin(
            "Model",
            spatialunits=_UNITS.get(length, length),
            timeunits=_UNITS.get(time, time),
        )
        self._features()
        spots = self._spots(tracked, progress)
        self._tracks(tracked.tracks, spots)
        self._end("Model")
        self._settings(tracked)
        self._end("TrackMate")
        self._xml.endDocument()

    def _features(self) -> None:
        self._begin("FeatureDeclarations")
        for kind, features in (
            ("SpotFeatures", _SPOT_FEATURES),
            ("EdgeFeatures", _EDGE_FEATURES),
            ("TrackFeatures", _TRACK_FEATURES),
        ):
            self._begin(kind)
            for name, (short, dimension, whole) in features.items():
                self._empty(
                    "Feature",
                    feature=name,
                    name=short,
                    shortname=short,
                    dimension=dimension,
                    isint=str(whole).lower(),
                )
            self._end(kind)
        self._end("FeatureDeclarations")

    def _spots(self, tracked: Tracked, progress: Progress) -> dict[int, list[int]]:
        """Write the spots, and list those of each object."""
        spots: dict[int, list[int]] = {}
        total = sum(len(tracked.volumes_in(time)) for time in range(tracked.n_times))
        self._begin("AllSpots", nspots=total)
        number = 0
        for time in range(tracked.n_times):
            self._begin("SpotsInFrame", frame=time)
            for object_id, planes in tracked.volumes_in(time).items():
                attributes, outline = _spot(tracked, time, planes)
                name = tracked.name(object_id)
                self._begin("Spot", ID=number, name=name, OBJECT_ID=object_id, **attributes)
                self._xml.characters(outline)
                self._end("Spot")
                spots.setdefault(object_id, []).append(number)
                number += 1
            self._end("SpotsInFrame")
            progress(time + 1, tracked.n_times)
        self._end("AllSpots")
        return spots

    def _tracks(self, lineage: Lineage, spots: dict[int, list[int]]) -> None:
        families = [
            family for family in _families(lineage) if sum(len(spots[i]) for i in family) > 1
        ]
        self._begin("AllTracks")
        for number, family in enumerate(families):
            splits = sum(len(lineage.daughters(i)) > 1 for i in family)
            self._begin(
                "Track",
                name=f"Track_{number}",
                TRACK_ID=number,
                NUMBER_SPOTS=sum(len(spots[i]) for i in family),
                NUMBER_SPLITS=splits,
            )
            for source, target in _edges(lineage, family, spots):
                self._empty("Edge", **{_SOURCE: source, _TARGET: target})
            self._end("Track")
        self._end("AllTracks")
        self._begin("FilteredTracks")
        for number in range(len(families)):
            self._empty("TrackID", TRACK_ID=number)
        self._end("FilteredTracks")

    def _settings(self, tracked: Tracked) -> None:
        height, width = tracked.masklets.frame_shape
        z, y, x = _voxel(tracked) or (1.0, 1.0, 1.0)
        self._begin("Settings")
        self._empty(
            "ImageData",
            filename="",
            folder="",
            width=width,
            height=height,
            nslices=tracked.planes,
            nframes=tracked.n_times,
            pixelwidth=x,
            pixelheight=y,
            voxeldepth=z,
            timeinterval=tracked.calibration.time_interval or 1.0,
        )
        self._end("Settings")

    def _begin(self, element: str, /, **attributes: Any) -> None:
        texts = {key: str(value) for key, value in attributes.items()}
        self._xml.startElement(element, AttributesImpl(texts))

    def _end(self, name: str) -> None:
        self._xml.endElement(name)

    def _empty(self, element: str, /, **attributes: Any) -> None:
        self._begin(element, **attributes)
        self._end(element)


def _voxel(tracked: Tracked) -> tuple[float, float, float] | None:
    """Return depth, height and width of a voxel; None where one of them is not known."""
    z, y, x = (tracked.calibration.axis(letter).length for letter in "ZYX")
    if y is None or x is None or (tracked.planes > 1 and z is None):
        return None
    return (z or 1.0, y, x)


def _spot(tracked: Tracked, time: int, planes: dict[int, SparseMask]) -> tuple[dict[str, Any], str]:
    """Describe an object at a point in time; with its outline if that is in one plane."""
    size = np.array(_voxel(tracked) or (1.0, 1.0, 1.0))
    inside = np.concatenate([_places(mask, plane) for plane, mask in planes.items()])
    centre = inside.mean(axis=0) * size
    z, y, x = centre.tolist()
    attributes = {
        "QUALITY": 1.0,
        "POSITION_X": x,
        "POSITION_Y": y,
        "POSITION_Z": z,
        "POSITION_T": time * (tracked.calibration.time_interval or 1.0),
        "FRAME": time,
        "VISIBILITY": 1,
    }
    if tracked.planes > 1:
        volume = len(inside) * size.prod()
        return attributes | {"RADIUS": math.cbrt(volume * 3 / 4 / math.pi)}, ""
    area = len(inside) * size[1:].prod()
    # corners lie half a pixel before centres; TrackMate's outlines are relative to the spot
    ring = (outlines(planes[0])[0] - 0.5) * size[1:] - centre[1:]
    outline = " ".join(f"{x:.6g} {y:.6g}" for y, x in ring.tolist())
    shape = {"RADIUS": math.sqrt(area / math.pi), "AREA": area, "ROI_N_POINTS": len(ring)}
    return attributes | shape, outline


def _places(mask: SparseMask, plane: int) -> NDArray[np.int_]:
    """Return the (plane, row, column) of each pixel of a mask, (N, 3)."""
    pixels = np.argwhere(mask.window()) + mask.origin_yx
    return np.insert(pixels, 0, plane, axis=1)


def _families(lineage: Lineage) -> list[list[int]]:
    """Return groups of objects that descend from the same one, founders first."""
    founders: dict[int, int] = {}
    families: dict[int, list[int]] = {}
    for track in sorted(lineage, key=lambda t: (t.begin or 0, t.object_id)):
        founder = founders.get(track.parent, track.object_id)
        founders[track.object_id] = founder
        families.setdefault(founder, []).append(track.object_id)
    return list(families.values())


def _edges(
    lineage: Lineage, family: list[int], spots: dict[int, list[int]]
) -> Iterator[tuple[int, int]]:
    for object_id in family:
        parent = lineage[object_id].parent
        chain = ([spots[parent][-1]] if parent else []) + spots[object_id]
        yield from pairwise(chain)
