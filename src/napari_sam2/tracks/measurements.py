"""Measure objects in each frame, and tracks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.lineage import Track
from napari_sam2.tracks.tracked_movie import Channels, Tracked
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    import pandas

Table: TypeAlias = "pandas.DataFrame"
"""Rows with the numbers 0, 1, 2 …; without a row there is no column."""

NO_TABLE: Table = {}
"""Stands for a table without rows where nothing is measured yet: pandas takes 0.7 s to import."""

COLOURS = ("red", "green", "blue")
"""Of (H, W, 3) frames: each is a channel of its own."""

BACKGROUND_GAP, BACKGROUND_REACH = 2, 7
"""Inner and outer distance in pixels of the ring that is the local background."""


@dataclass(frozen=True)
class Units:
    """Units of lengths and times, as column names state them.

    Parameters
    ----------
    pixel_yx
        Height and width of a pixel.
    length, time
        Suffixes: um, or px where the pixel size is unknown; s, or frames.
    interval
        Time from frame to frame.
    z_step
        Distance of planes; 1 where it is unknown.
    depth
        Suffix of depths: that of lengths, or planes where their distance is unknown.
    """

    pixel_yx: tuple[float, float]
    length: str
    time: str
    interval: float
    z_step: float = 1.0
    depth: str = "planes"

    @classmethod
    def of(cls, calibration: Calibration) -> "Units":
        """Return the units of a calibration; pixels and frames where it is unknown."""
        t, z, y, x = (calibration.axis(letter).length for letter in "TZYX")
        unit = calibration.unit or "unit"  # lengths are known, but not in what
        return cls(
            pixel_yx=(y, x) if y and x else (1.0, 1.0),
            length=unit if y and x else "px",
            time=(calibration.time_unit or "unit") if t else "frames",
            interval=t or 1.0,
            z_step=z or 1.0,
            depth=unit if z and y and x else "planes",
        )

    @property
    def volume(self) -> str:
        """Return the suffix of volumes: um3, or um2_planes where a plane's height is unknown."""
        return f"{self.length}3" if self.depth == self.length else f"{self.length}2_{self.depth}"


def measure_objects(tracked: Tracked, channels: Channels | None = None) -> Table:
    """Measure each object in each frame.

    Parameters
    ----------
    tracked
        Objects and calibration.
    channels
        Pixels whose intensities are measured; by default all channels of the movie.

    Returns
    -------
    One row for each object and frame, by frame and id. Lengths, areas and places are in the
    calibration's unit, which the names state (`area_um2`), or in pixels (`area_px2`); places are
    those of the centroid, with the centre of the first pixel at 0. Intensities have the
    channel's name: `mean_c`, `median_c`, `sum_c`, `background_c`; in colour, each of the three
    has its own, `mean_c_red` and so on. Where objects were reviewed in napari, `reviewed` tells
    whether the user prompted, locked or accepted the mask.
    """
    return collect(row for rows in measured_frames(tracked, channels) for row in rows)


def measured_frames(
    tracked: Tracked, channels: Channels | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Measure as `measure_objects` does; yield a list of rows for each frame."""
    channels = tracked.channels if channels is None else channels
    units = Units.of(tracked.calibration)
    for frame in range(tracked.n_frames):
        present = tracked.objects_in(frame)
        pixels = _grey_images(channels, frame) if present else {}
        occupied = tracked.labels(frame) > 0 if pixels else np.zeros((0, 0), bool)
        rows = []
        for object_id, mask in present:
            row = _identity(tracked, object_id, frame, units)
            row |= shape_numbers(mask, units)
            around = _ring(mask, occupied) if pixels else None
            for name, image in pixels.items():
                row |= _intensities(name, image, mask, around)
            rows.append(row)
        yield rows


def measure_tracks(tracked: Tracked, objects: "Table | None" = None) -> Table:
    """Measure each track.

    Parameters
    ----------
    tracked
        Objects, lineage and calibration.
    objects
        The table of `measure_objects`, if it was computed before.

    Returns
    -------
    One row for each object: begin, end, parent, daughters. Over time: lifetime (from the first to
    the last frame, both included), displacement (from the first to the last place), path length
    and mean speed. In a stack: volume. Mean area over all frames.
    """
    table = measure_objects(tracked, {}) if objects is None else objects
    units = Units.of(tracked.calibration)
    measure = {"ZYX": _volume_numbers, "TZYX": _both_numbers}.get(tracked.axes, _way_numbers)
    rows = []
    for track in tracked.tracks:
        own = table[table["object"] == track.object_id]
        row = _track_identity(tracked, track)
        if "reviewed" in own:
            row["reviewed"] = bool(own["reviewed"].all())
        rows.append(row | measure(own, units))
    return collect(rows)


def collect(rows: Iterable[dict[str, Any]]) -> Table:
    """Convert rows with the same keys to a table."""
    import pandas  # 0.3 s and more: not when the package is imported

    return pandas.DataFrame(rows)


def shape_numbers(mask: SparseMask, units: Units) -> dict[str, float]:
    """Measure a non-empty mask: area, centroid, axes of the ellipse that fits it, solidity."""
    from skimage.measure import regionprops

    pixels = mask.window().astype(np.uint8)
    (region,) = regionprops(pixels, spacing=units.pixel_yx)  # type: ignore[no-untyped-call]
    length = units.length
    origin = np.multiply(mask.origin_yx, units.pixel_yx)
    y, x = np.asarray(region.centroid) + origin
    return {
        f"area_{length}2": float(region.area),
        f"y_{length}": float(y),
        f"x_{length}": float(x),
        f"major_axis_{length}": float(region.axis_major_length),
        f"minor_axis_{length}": float(region.axis_minor_length),
        "eccentricity": float(region.eccentricity),
        "solidity": _solidity(region),
    }


def _solidity(region: Any) -> float:
    # the hull of one or two pixels, or of a line, has no area
    return float(region.solidity) if min(region.image.shape) > 2 else 1.0


def _identity(tracked: Tracked, object_id: int, frame: int, units: Units) -> dict[str, Any]:
    row: dict[str, Any] = {
        "object": object_id,
        "name": tracked.name(object_id),
        "frame": frame,
        "parent": tracked.tracks[object_id].parent,
    }
    places = dict(zip(tracked.axes, tracked.place(frame), strict=False))
    if "T" in places:
        row[f"time_{units.time}"] = places["T"] * units.interval
    if "Z" in places:
        row[f"z_{units.depth}"] = places["Z"] * units.z_step
    if tracked.reviewed is not None:
        row["reviewed"] = tracked.is_reviewed(object_id, frame)
    return row


def _ring(mask: SparseMask, occupied: NDArray[np.bool_]) -> tuple[Any, NDArray[np.bool_]]:
    """Return the place of the pixels around a mask that belong to no object, and their mask."""
    (y, x), (h, w) = mask.origin_yx, mask.extent_yx
    pad = BACKGROUND_REACH
    top, left = max(0, y - pad), max(0, x - pad)
    where = (
        slice(top, min(mask.shape[0], y + h + pad)),
        slice(left, min(mask.shape[1], x + w + pad)),
    )
    near = np.zeros(occupied[where].shape, bool)
    near[y - top : y - top + h, x - left : x - left + w] = mask.window()
    close = binary_dilation(near, iterations=BACKGROUND_GAP)
    wide = binary_dilation(close, iterations=BACKGROUND_REACH - BACKGROUND_GAP)
    return where, wide & ~close & ~occupied[where]


def _grey_images(channels: Channels, frame: int) -> dict[str, NDArray[Any]]:
    """Read a frame of all channels; of a channel in colour, each colour."""
    images: dict[str, NDArray[Any]] = {}
    for name, frames in channels.items():
        image = frames[frame]
        if image.ndim == 2:
            images[name] = image
        else:
            images |= {f"{name}_{colour}": image[..., i] for i, colour in enumerate(COLOURS)}
    return images


def _intensities(
    name: str,
    image: NDArray[Any],
    mask: SparseMask,
    around: tuple[Any, NDArray[np.bool_]] | None,
) -> dict[str, float]:
    inside = image[mask.slices][mask.window()].astype(np.float64)
    outside = np.zeros(0) if around is None else image[around[0]][around[1]]
    return {
        f"mean_{name}": float(inside.mean()),
        f"median_{name}": float(np.median(inside)),
        f"sum_{name}": float(inside.sum()),
        f"background_{name}": float(np.median(outside)) if outside.size else float("nan"),
    }


def _track_identity(tracked: Tracked, track: Track) -> dict[str, Any]:
    daughters = tracked.tracks.daughters(track.object_id)
    return {
        "object": track.object_id,
        "name": tracked.name(track.object_id),
        "begin": track.begin,
        "end": track.end,
        "parent": track.parent,
        "daughters": " ".join(map(str, daughters)),
        "divisions": int(len(daughters) > 1),
    }


def _way_numbers(own: Table, units: Units) -> dict[str, float]:
    time, length = units.time, units.length
    # a depth in planes is left out: it adds to no length
    way = own[[name for axis in "zyx" if (name := f"{axis}_{length}") in own]].to_numpy()
    moments = np.asarray(own.get(f"time_{time}", np.zeros(len(own))))
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    elapsed = float(moments[-1] - moments[0])
    return {
        "frames": len(way),
        f"lifetime_{time}": elapsed + units.interval,
        f"displacement_{length}": float(np.linalg.norm(way[-1] - way[0])),
        f"path_{length}": float(steps.sum()),
        f"speed_{length}_per_{time}": float(steps.sum()) / elapsed if elapsed else float("nan"),
        f"mean_area_{length}2": float(own[f"area_{length}2"].mean()),
    }


def _volume_numbers(own: Table, units: Units) -> dict[str, float]:
    length = units.length
    areas = own[f"area_{length}2"]
    return {
        "planes": len(areas),
        f"volume_{units.volume}": float(areas.sum() * units.z_step),
        **_centre(own, units),
        f"largest_area_{length}2": float(areas.max()),
    }


def _both_numbers(own: Table, units: Units) -> dict[str, float]:
    """Measure the motion of a volume's centre through time."""
    time, volume = f"time_{units.time}", f"volume_{units.volume}"
    way = collect(
        {time: moment, f"area_{units.length}2": 0.0, **_volume_numbers(planes, units)}
        for moment, planes in own.groupby(time)
    )
    numbers = _way_numbers(way, units)
    del numbers[f"mean_area_{units.length}2"]
    return numbers | {f"mean_volume_{units.volume}": float(way[volume].mean())}


def _centre(own: Table, units: Units) -> dict[str, float]:
    areas = own[f"area_{units.length}2"]
    weights = areas / areas.sum()
    names = [f"z_{units.depth}", f"y_{units.length}", f"x_{units.length}"]
    return {name: float(own[name] @ weights) for name in names}


def outline_numbers(tracked: Tracked) -> tuple[Table, NDArray[np.float64]]:
    """Measure what is known without unpacking masks: fast, to draw and plot.

    Returns
    -------
    table
        One row for each object and frame, as `measure_objects`, with area and place; over time
        with the speed since the object's last frame.
    places_yx
        (N, 2) centroids in pixels.
    """
    units = Units.of(tracked.calibration)
    pixel, length = np.array(units.pixel_yx), units.length
    rows, places = [], []
    for frame in range(tracked.n_frames):
        for object_id in tracked.masklets.object_ids:
            outline = tracked.masklets.outline(object_id, frame)
            if not outline or not outline.area or not tracked.lineage.spans(object_id, frame):
                continue
            place = np.array(outline.centroid_yx)
            numbers = {
                f"area_{length}2": outline.area * float(pixel.prod()),
                f"y_{length}": float(place[0] * pixel[0]),
                f"x_{length}": float(place[1] * pixel[1]),
            }
            rows.append(_identity(tracked, object_id, frame, units) | numbers)
            places.append(place)
    table = collect(rows)
    if rows and tracked.axes == "TYX":
        columns = ["frame", f"y_{length}", f"x_{length}"]
        frames, y, x = table.groupby("object")[columns].diff().to_numpy().T
        table[f"speed_{length}_per_{units.time}"] = np.hypot(y, x) / (frames * units.interval)
    return table, np.array(places, float).reshape(-1, 2)
