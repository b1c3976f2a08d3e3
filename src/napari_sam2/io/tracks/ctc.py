"""The Cell Tracking Challenge's format: a label image for each frame, a row for each track."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import listed
from napari_sam2.io.images.tiff import read_tiff, write_tiff
from napari_sam2.io.label_images import check_ids
from napari_sam2.io.outputs import replacing_folder
from napari_sam2.io.tracks.label_movies import add_labels
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked

TABLE = "res_track.txt"
"""File with the tracks in a folder of results."""

LARGEST_ID = int(np.iinfo(np.uint16).max)
"""Largest label: the format has 16-bit images."""

_LOG = logging.getLogger(__name__)
_TABLES = (TABLE, "man_track.txt")
_MASK = re.compile(r"(?:mask|man_track)_?(\d+)\.tiff?$", re.IGNORECASE)


def write_ctc(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a results folder: `mask000.tif` and so on, and `res_track.txt`.

    A track has an object in each of its frames there. So an object that is away for some frames
    becomes several tracks, each the parent of the next, as the format asks for. What lies
    wholly under other objects is away, too: a pixel has one label.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`; planes of a stack are in one image.

    Raises
    ------
    ValueError
        If an object's id does not fit in 16 bits, or there are none.
    """
    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    check_ids(tracked.tracks.object_ids, LARGEST_ID)
    parts = _Parts(tracked.tracks)
    with replacing_folder(path) as folder:
        _write_masks(folder, tracked, parts, progress)
        check_ids(parts.rows.object_ids, LARGEST_ID)
        lines = (f"{t.object_id} {t.begin} {t.end} {t.parent}\n" for t in parts.rows)
        (folder / TABLE).write_text("".join(lines))


def read_ctc(path: Path) -> Tracked:
    """Read a folder of masks with their tracks, results or ground truth (`TRA`).

    The number in an image's name is its frame. Frames without an image are empty, and pixels
    of a track before or after its row belong to it all the same; both are logged as a warning.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    FileNotFoundError
        If there is no table of tracks or no mask.
    ValueError
        If the table cannot be read, or does not fit the masks.
    """
    folder = path / "TRA" if (path / "TRA").is_dir() else path
    tables = [folder / name for name in _TABLES if (folder / name).is_file()]
    images = [(int(m[1]), f) for f in folder.iterdir() if (m := _MASK.match(f.name))]
    files = dict(images)
    if not tables or not files or len(files) < len(images):
        raise FileNotFoundError(
            f"{path}: expected {' or '.join(_TABLES)} and images mask000.tif or man_track000.tif, "
            f"one for each frame, found {len(tables)} tables and {len(images)} images for "
            f"{len(files)} frames"
        )
    lineage = _read_table(tables[0])
    n_times = max(*files, *(track.end or 0 for track in lineage), 0) + 1
    masklets, n_planes = _read_masks(files, n_times)
    missing = np.setdiff1d(np.arange(n_times), list(files)).tolist()
    if missing:
        _LOG.warning("%s: frames without an image are empty: %s", path.name, listed(missing))
    lineage = _widened(tables[0], lineage, masklets, n_planes)
    axes = ("T" if n_times > 1 or n_planes == 1 else "") + ("Z" if n_planes > 1 else "") + "YX"
    calibration = read_tiff(files[min(files)]).calibration
    if n_planes > 1:  # from time points to frames, which are counted through all planes
        last = n_planes - 1
        lineage = Lineage(
            Track(t.object_id, (t.begin or 0) * n_planes, (t.end or 0) * n_planes + last, t.parent)
            for t in lineage
        )
    return Tracked(masklets, lineage, axes, calibration, n_planes=n_planes)


class _Parts:
    """Rows of the table, made as the images are drawn: objects with gaps have several.

    Parameters
    ----------
    tracks
        The objects and their parents.
    """

    def __init__(self, tracks: Lineage) -> None:
        self._tracks = tracks
        self._unused = count(max(tracks.object_ids) + 1)
        self._parts: dict[int, list[Track]] = {}

    @property
    def rows(self) -> Lineage:
        """Rows of all parts so far."""
        return Lineage(part for parts in self._parts.values() for part in parts)

    def draw(self, labels: NDArray[np.integer], time: int) -> NDArray[np.uint16]:
        """Return a label image, (H, W), of the parts in place of the objects."""
        image = labels.astype(np.uint16)
        for object_id in np.unique(labels[labels > 0]).tolist():
            part_id = self._extend(object_id, time)
            if part_id != object_id:
                image[labels == object_id] = part_id
        return image

    def _extend(self, object_id: int, time: int) -> int:
        """Add a time to an object's parts, and return the id of its part there."""
        parts = self._parts.setdefault(object_id, [])
        if parts and (parts[-1].end or 0) >= time - 1:
            parts[-1] = replace(parts[-1], end=time)
            return parts[-1].object_id
        before = parts or self._parts.get(self._tracks[object_id].parent, [])
        parent = before[-1].object_id if before else 0
        parts.append(Track(next(self._unused) if parts else object_id, time, time, parent))
        return parts[-1].object_id


def _write_masks(folder: Path, tracked: Tracked, parts: _Parts, progress: Progress) -> None:
    stacks = "Z" in tracked.axes
    n_images = tracked.grid[0] if tracked.axes.startswith("T") else 1
    planes = tracked.n_frames // n_images
    shape = (planes, *tracked.masklets.frame_shape) if stacks else tracked.masklets.frame_shape
    digits = max(3, len(str(n_images - 1)))

    def drawn(time: int) -> Iterator[NDArray[np.uint16]]:
        for frame in range(time * planes, (time + 1) * planes):
            image = parts.draw(tracked.labels(frame), time)
            progress(frame + 1, tracked.n_frames)
            yield image

    for time in range(n_images):
        name = folder / f"mask{time:0{digits}}.tif"
        write_tiff(name, drawn(time), shape, "ZYX" if stacks else "YX", tracked.calibration)


def _read_table(path: Path) -> Lineage:
    tracks = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            object_id, begin, end, parent = (int(word) for word in line.split())
            tracks.append(Track(object_id, begin, end, parent))
        except ValueError as error:
            raise ValueError(
                f"{path.name}, line {number}: expected a label, its first and last frame and its "
                f"parent (0 for none), found {line!r} ({error})"
            ) from error
    try:
        return Lineage(tracks)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _read_masks(files: dict[int, Path], n_times: int) -> tuple[Masklets, int]:
    """Read the image of each time: the masks, and how many planes each image has."""
    first = read_tiff(files[min(files)])
    n_planes = first.n_frames
    masklets = Masklets(n_planes * n_times, first.frame_shape)
    for time, file in sorted(files.items()):
        image = read_tiff(file)
        if image.n_frames != n_planes:
            raise ValueError(f"{file.name}: expected {n_planes} planes as before, found {image}")
        for plane, labels in enumerate(image):
            add_labels(masklets, time * n_planes + plane, labels)
    return masklets, n_planes


def _widened(table: Path, lineage: Lineage, masklets: Masklets, n_planes: int) -> Lineage:
    """Return the tracks with begin and end moved to pixels outside of their rows."""
    unknown = sorted(set(masklets.object_ids) - set(lineage.object_ids))
    if unknown:
        raise ValueError(
            f"{table.name}: expected a row for each label of the images, found none for {unknown}"
        )
    without = sorted(set(lineage.object_ids) - set(masklets.object_ids))
    if without:
        _LOG.warning("%s: tracks without pixels are left out: %s", table.name, listed(without))
    wider = {}
    for object_id in masklets.object_ids:
        times = [frame // n_planes for frame in masklets.frames(object_id)]
        row = lineage[object_id]
        begin, end = min(times[0], row.begin or 0), max(times[-1], row.end or 0)
        if (begin, end) != (row.begin, row.end):
            wider[object_id] = replace(row, begin=begin, end=end)
            _LOG.warning(
                "%s: track %d is from frame %s to %s, but has pixels from frame %d to %d; all kept",
                table.name,
                object_id,
                row.begin,
                row.end,
                times[0],
                times[-1],
            )
    try:
        return Lineage(wider.get(track.object_id, track) for track in lineage)
    except ValueError as error:
        raise ValueError(
            f"{table.name}: its rows do not fit the pixels of its images ({error})"
        ) from error
