"""Outlines for ImageJ's ROI manager, as a zip file."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.contours import outlines, signed_area
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask


def write_rois(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a polygon for each connected part of each mask, along its pixels' edges.

    Names are `<object>-<frame>`, frames counted from 1 as ImageJ does, with a number for each
    further part. Holes are filled: a polygon has none.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.

    Raises
    ------
    ValueError
        If there is no object to write.
    """
    from roifile import ImagejRoi

    if not tracked.tracks:
        raise ValueError("expected at least one object with a mask, found none to write")
    with replacing(path) as partial, ZipFile(partial, "w") as archive:
        archive.comment = SIGNATURE.encode()
        for frame in range(tracked.n_frames):
            for object_id, mask in tracked.objects_in(frame):
                for part, ring in enumerate(_outer(mask)):
                    name = f"{object_id:04}-{frame + 1:04}" + (f"-{part + 1}" if part else "")
                    roi = ImagejRoi.frompoints(ring[:, ::-1], name=name, position=frame)
                    roi.z_position, roi.t_position = _place(tracked, frame)
                    archive.writestr(f"{name}.roi", roi.tobytes())
            progress(frame + 1, tracked.n_frames)


def _outer(mask: SparseMask) -> list[NDArray[np.int32]]:
    return [ring for ring in outlines(mask) if signed_area(ring) > 0]


def _place(tracked: Tracked, frame: int) -> tuple[int, int]:
    """Return the plane and the time point, counted from 1; 0 for none."""
    places = dict(zip(tracked.axes, tracked.place(frame), strict=False))
    return tuple(places.get(letter, -1) + 1 for letter in "ZT")  # type: ignore[return-value]
