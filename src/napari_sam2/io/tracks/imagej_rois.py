"""Outlines of ImageJ's ROI manager, as a zip file; read and written."""

import re
from pathlib import Path
from typing import TypeAlias
from zipfile import ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.contours import filled, outlines, signed_area
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked, united
from sam2_torch.masks import SparseMask

Size: TypeAlias = tuple[int, tuple[int, int]]
"""Number of frames, and their (H, W) in pixels."""

_OWN_NAME = re.compile(r"(\d+)-\d+(-\d+)?")
_WRITTEN = re.compile(r"(\d+) x (\d+) x (\d+) pixels")


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
        size = (tracked.n_frames, *tracked.masklets.frame_shape)
        archive.comment = f"{SIGNATURE}; {' x '.join(map(str, size))} pixels".encode()
        for frame in range(tracked.n_frames):
            for object_id, mask in tracked.objects_in(frame):
                for part, ring in enumerate(_outer(mask)):
                    name = f"{object_id:04}-{frame + 1:04}" + (f"-{part + 1}" if part else "")
                    roi = ImagejRoi.frompoints(ring[:, ::-1], name=name, position=frame)
                    roi.z_position, roi.t_position = _place(tracked, frame)
                    archive.writestr(f"{name}.roi", roi.tobytes())
            progress(frame + 1, tracked.n_frames)


def read_rois(path: Path, size: Size | None = None) -> Tracked:
    """Read ROIs that have an area as masks.

    The ROIs that napari-sam2 wrote are joined to objects by their names; any other one is an
    object of its own, in the frame of its position.

    Parameters
    ----------
    path
        A `.zip` of the ROI manager, or one `.roi`.
    size
        Frames and their (H, W); by default those that napari-sam2 wrote, or what the ROIs need.

    Raises
    ------
    ValueError
        If no ROI has an area, or one is outside of the frames.
    """
    from roifile import ROI_TYPE, roiread

    areas = (ROI_TYPE.POLYGON, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
    found = roiread(path)
    found = found if isinstance(found, list) else [found]
    rois = [roi for roi in found if roi.roitype in areas]
    if not rois:
        raise ValueError(f"{path.name}: expected ROIs with an area, found {len(found)} others")
    frames = [max(r.position or r.t_position or r.z_position, 1) - 1 for r in rois]
    corners = np.concatenate([ring for roi in rois for ring in roi.coordinates(multi=True)])
    width, height = np.ceil(corners.max(axis=0)).astype(int).tolist()
    is_own, written = _written_size(path)
    n_frames, shape = size or written or (max(frames) + 1, (height, width))
    if n_frames <= max(frames) or shape[0] < height or shape[1] < width:
        raise ValueError(
            f"{path.name}: expected ROIs within {n_frames} frames of {shape[0]} x {shape[1]}, "
            f"found some up to frame {max(frames)} and {height} x {width}"
        )
    masklets = Masklets(n_frames, shape)
    for number, (roi, frame) in enumerate(zip(rois, frames, strict=True), start=1):
        own = _OWN_NAME.fullmatch(roi.name) if is_own else None
        object_id = int(own[1]) if own else number
        # corners lie half a pixel before centres, and x comes first
        rings = [np.asarray(ring, float)[:, ::-1] - 0.5 for ring in roi.coordinates(multi=True)]
        mask = united(masklets.get(object_id, frame), filled(rings, shape))
        if mask:
            masklets.set(object_id, frame, mask)
    return Tracked(masklets)


def _written_size(path: Path) -> tuple[bool, Size | None]:
    """Return whether napari-sam2 wrote a file, and of which movie, as far as that is in it."""
    if not is_zipfile(path):
        return False, None
    with ZipFile(path) as archive:
        comment = archive.comment.decode(errors="replace")
    size = _WRITTEN.search(comment)
    return comment.startswith(SIGNATURE), (
        (int(size[1]), (int(size[2]), int(size[3]))) if size else None
    )


def _outer(mask: SparseMask) -> list[NDArray[np.int32]]:
    return [ring for ring in outlines(mask) if signed_area(ring) > 0]


def _place(tracked: Tracked, frame: int) -> tuple[int, int]:
    """Return the plane and the time point, counted from 1; 0 for none."""
    places = dict(zip(tracked.axes, tracked.place(frame), strict=False))
    return tuple(places.get(letter, -1) + 1 for letter in "ZT")  # type: ignore[return-value]
