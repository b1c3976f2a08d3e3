"""Label images as OME-Zarr (NGFF 0.4), one chunk of a frame at a time."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.io.images.ome_zarr import Multiscale, ome_attributes
from napari_sam2.io.images.zarr_store import open_node
from napari_sam2.io.outputs import SIGNATURE, replacing_folder
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.tracked_movie import Tracked

_LOG = logging.getLogger(__name__)
_CHUNK = 1024


def write_ome_zarr_labels(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the label movie as an OME-Zarr label image.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.
    """
    with replacing_folder(path) as folder:
        fill_label_group(folder, path.name, tracked, progress)


def read_properties(path: Path, labels: Tracked) -> Tracked:
    """Return labels with the names and parents in the label image's properties.

    Those that make no sense are left out, and logged as a warning.

    Parameters
    ----------
    path
        Of the OME-Zarr.
    labels
        Its masks.
    """
    attributes = ome_attributes(dict(open_node(path).attrs))
    label_image = attributes.get("image-label")
    rows = label_image.get("properties") if isinstance(label_image, dict) else None
    known = {
        row["label-value"]: row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("label-value") in labels.tracks.object_ids
    }
    names = {i: str(row["name"]) for i, row in known.items() if row.get("name")}
    stated = {i: row["parent"] for i, row in known.items() if row.get("parent")}
    parents = {i: p for i, p in stated.items() if isinstance(p, int) and p in labels.tracks}
    try:
        lineage = _lineage(labels, parents)
    except ValueError as error:
        _LOG.warning("%s: the parents of its labels are left out (%s)", path.name, error)
        return replace(labels, names=names)
    if len(parents) < len(stated):
        wrong = sorted(set(stated) - set(parents))
        _LOG.warning("%s: the parents of the labels %s are left out", path.name, wrong)
    return replace(labels, lineage=lineage, names=names)


def _lineage(labels: Tracked, parents: dict[int, int]) -> Lineage:
    family = {*parents, *parents.values()}
    return Lineage(
        replace(track, parent=parents.get(track.object_id, 0))
        for track in labels.tracks
        if track.object_id in family
    )


def fill_label_group(folder: Path, name: str, tracked: Tracked, progress: Progress) -> None:
    """Write the label movie as a group into an empty folder.

    Parameters
    ----------
    folder
        Where to.
    name
        Of the image.
    tracked, progress
        As for every `Writer`.
    """
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
    image = Multiscale(tracked.axes, ("0",), tracked.calibration)
    properties = [
        {"label-value": i, "name": tracked.name(i), "parent": tracked.tracks[i].parent}
        for i in tracked.tracks.object_ids
    ]
    return image.attributes("0.4", name.removesuffix(".ome.zarr")) | {
        "image-label": {"version": "0.4", "properties": properties},
        "napari-sam2": SIGNATURE,
    }
