"""The Cell Tracking Challenge's form: one label image for each frame, one row for each track."""

import re
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import natural_key, replacing_folder
from napari_sam2.io.images.tiff import read_tiff, write_tiff
from napari_sam2.io.tracks.label_movies import add_labels
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked

TABLE = "res_track.txt"
"""File that each folder written here has."""

_TABLES = (TABLE, "man_track.txt")
_MASK = re.compile(r"(mask|man_track)_?\d+\.tiff?$", re.IGNORECASE)
_LARGEST = np.iinfo(np.uint16).max


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
    FileExistsError
        If something else is there.
    """
    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    parts = _parts(tracked)
    largest = max(part.object_id for _, part in parts)
    if largest > _LARGEST:
        raise ValueError(
            f"expected object ids up to {_LARGEST} (the format has 16-bit images), found {largest}"
        )
    with replacing_folder(path, TABLE) as folder:
        _write_masks(folder, tracked, parts, progress)
        rows = Lineage(part for _, part in parts)
        lines = (f"{t.object_id} {t.begin} {t.end} {t.parent}\n" for t in rows)
        (folder / TABLE).write_text("".join(lines))


def read_ctc(path: Path) -> Tracked:
    """Read a folder of masks with their tracks, results or ground truth (`TRA`).

    Raises
    ------
    FileNotFoundError
        If there is no table of tracks or no mask.
    ValueError
        If the table cannot be read, or does not fit the masks.
    """
    folder = path / "TRA" if (path / "TRA").is_dir() else path
    tables = [folder / name for name in _TABLES if (folder / name).is_file()]
    files = sorted((f for f in folder.iterdir() if _MASK.match(f.name)), key=natural_key)
    if not tables or not files:
        raise FileNotFoundError(
            f"{path}: expected {' or '.join(_TABLES)} and images mask000.tif or man_track000.tif, "
            f"found {len(tables)} tables and {len(files)} images"
        )
    lineage = _read_table(tables[0])
    masklets, n_planes = _read_masks(files)
    axes = ("T" if len(files) > 1 or n_planes == 1 else "") + ("Z" if n_planes > 1 else "") + "YX"
    calibration = read_tiff(files[0]).calibration
    if n_planes > 1:  # from time points to frames, which are counted through all planes
        last = n_planes - 1
        lineage = Lineage(
            Track(t.object_id, (t.begin or 0) * n_planes, (t.end or 0) * n_planes + last, t.parent)
            for t in lineage
        )
    unknown = sorted(set(masklets.object_ids) - set(lineage.object_ids))
    if unknown:
        raise ValueError(
            f"{tables[0].name}: expected a row for each label of the images, "
            f"found none for {unknown}"
        )
    return Tracked(masklets, lineage, axes, calibration, n_planes=n_planes)


def _parts(tracked: Tracked) -> list[tuple[int, Track]]:
    """Cut objects into tracks where the label images have no pixel of them: (object, track)."""
    shown: dict[int, list[int]] = {}
    for frame in range(tracked.n_frames):
        for object_id in np.unique(tracked.labels(frame)).tolist():
            times = shown.setdefault(object_id, [])
            if _time(tracked, frame) not in times[-1:]:
                times.append(_time(tracked, frame))
    shown.pop(0, None)
    unused = count(max(tracked.tracks.object_ids) + 1)
    last: dict[int, int] = {}
    parts = []
    for object_id in sorted(shown, key=lambda i: (shown[i][0], i)):  # mothers first
        parent = last.get(tracked.tracks[object_id].parent, 0)
        for number, (begin, end) in enumerate(_runs(shown[object_id])):
            part = Track(next(unused) if number else object_id, begin, end, parent)
            parts.append((object_id, part))
            parent = last[object_id] = part.object_id
    return parts


def _time(tracked: Tracked, frame: int) -> int:
    return tracked.place(frame)[0] if tracked.axes.startswith("T") else 0


def _runs(frames: list[int]) -> list[tuple[int, int]]:
    """Join frames that follow each other: first and last of each run."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _write_masks(
    folder: Path, tracked: Tracked, parts: list[tuple[int, Track]], progress: Progress
) -> None:
    renamed = [(object_id, part) for object_id, part in parts if object_id != part.object_id]

    def labels(frame: int) -> NDArray[np.uint16]:
        image = tracked.labels(frame).astype(np.uint16)
        for object_id, part in renamed:
            if part.spans(_time(tracked, frame)):
                image[image == object_id] = part.object_id
        progress(frame + 1, tracked.n_frames)
        return image

    stacks = "Z" in tracked.axes
    n_images = tracked.grid[0] if tracked.axes.startswith("T") else 1
    planes = tracked.n_frames // n_images
    shape = (planes, *tracked.masklets.frame_shape) if stacks else tracked.masklets.frame_shape
    digits = max(3, len(str(n_images - 1)))
    for time in range(n_images):
        frames = (labels(frame) for frame in range(time * planes, (time + 1) * planes))
        name = folder / f"mask{time:0{digits}}.tif"
        write_tiff(name, frames, shape, "ZYX" if stacks else "YX", tracked.calibration)


def _read_table(path: Path) -> Lineage:
    tracks = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
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


def _read_masks(files: list[Path]) -> tuple[Masklets, int]:
    """Read all images: the masks, and how many planes each image has."""
    first = read_tiff(files[0])
    n_planes = first.n_frames
    masklets = Masklets(n_planes * len(files), first.frame_shape)
    for time, file in enumerate(files):
        image = read_tiff(file)
        if image.n_frames != n_planes:
            raise ValueError(f"{file.name}: expected {n_planes} planes as before, found {image}")
        for plane, labels in enumerate(image):
            add_labels(masklets, time * n_planes + plane, labels)
    return masklets, n_planes
