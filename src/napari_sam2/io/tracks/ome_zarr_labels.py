"""Label images as OME-Zarr (NGFF 0.4), one chunk of a frame at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.io.files import replacing_folder
from napari_sam2.io.images.ome_zarr import AXIS_TYPES, LONG_UNITS
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.tracked_movie import Tracked

MARK = ".zattrs"
"""File that each folder written here has."""

_CHUNK = 1024


def write_ome_zarr_labels(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the label movie as an OME-Zarr label image.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.

    Raises
    ------
    FileExistsError
        If something else is at the path.
    """
    with replacing_folder(path, MARK) as folder:
        fill_label_group(folder, path.name, tracked, progress)


def read_properties(path: Path, labels: Tracked) -> Tracked:
    """Add the names and parents that a label image says its objects have.

    Parameters
    ----------
    path
        Of the OME-Zarr.
    labels
        Its masks.

    Raises
    ------
    ValueError
        If parents make no sense: they are not there, or do not end before a daughter begins.
    """
    import zarr

    attributes: dict[str, Any] = zarr.open_group(path, mode="r").attrs.asdict()
    said = attributes.get("ome", attributes).get("image-label", {}).get("properties", ())
    known = {row["label-value"]: row for row in said if row.get("label-value") in labels.tracks}
    names = {i: str(row["name"]) for i, row in known.items() if row.get("name")}
    parents = {i: int(row["parent"]) for i, row in known.items() if row.get("parent")}
    family = {*parents, *parents.values()}
    tracks = [
        replace(track, parent=parents.get(track.object_id, 0))
        for track in labels.tracks
        if track.object_id in family
    ]
    return replace(labels, lineage=Lineage(tracks), names=names)


def fill_label_group(folder: Path, name: str, tracked: Tracked, progress: Progress) -> None:
    """Write the label movie as a group into a folder that is there."""
    import zarr

    height, width = tracked.masklets.frame_shape
    chunks = (min(height, _CHUNK), min(width, _CHUNK))
    group = zarr.open_group(folder, mode="w", zarr_format=2)
    array = group.create_array(
        "0",
        shape=tracked.label_shape,
        chunks=(*(1 for _ in tracked.grid), *chunks),
        dtype=tracked.masklets.dtype,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for frame in range(tracked.n_frames):
        array[tracked.place(frame)] = tracked.labels(frame)
        progress(frame + 1, tracked.n_frames)
    group.attrs.update(_attributes(name, tracked))


def _attributes(name: str, tracked: Tracked) -> dict[str, Any]:
    scale = axis_scales(tracked.axes, tracked.calibration)
    multiscale = {
        "version": "0.4",
        "name": name.removesuffix(".ome.zarr"),
        "axes": [_axis(letter, tracked.calibration) for letter in tracked.axes],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        ],
    }
    properties = [
        {"label-value": i, "name": tracked.name(i), "parent": tracked.tracks[i].parent}
        for i in tracked.tracks.object_ids
    ]
    return {
        "multiscales": [multiscale],
        "image-label": {"version": "0.4", "properties": properties},
    }


def axis_scales(axes: str, calibration: Calibration) -> list[float]:
    """List what a step along each axis is in the axis' unit; 1 where that is unknown."""
    y, x = calibration.pixel_size_yx or (1.0, 1.0)
    steps = {"T": calibration.time_interval or 1.0, "Z": calibration.z_step or 1.0, "Y": y, "X": x}
    return [float(steps[letter]) for letter in axes]


def axis_unit(letter: str, calibration: Calibration) -> str | None:
    """Get the long name of an axis' unit; None where the calibration says nothing of it."""
    known: dict[str, Any] = {
        "T": calibration.time_interval,
        "Z": calibration.z_step,
        "Y": calibration.pixel_size_yx,
        "X": calibration.pixel_size_yx,
    }
    if known[letter] is None:
        return None
    unit = calibration.time_unit if letter == "T" else calibration.unit
    return LONG_UNITS.get(unit, unit)


def _axis(letter: str, calibration: Calibration) -> dict[str, str]:
    axis = {"name": letter.lower(), "type": AXIS_TYPES[letter]}
    unit = axis_unit(letter, calibration)
    return axis | ({"unit": unit} if unit else {})
