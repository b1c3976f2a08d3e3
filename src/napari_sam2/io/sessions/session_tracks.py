"""Sessions as tracked movies: the masks and the lineage that their last step left."""

from pathlib import Path

from napari_sam2.annotation.history import Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.annotation.track_edits import lineage_of
from napari_sam2.io.sessions.session_files import read_session
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked

_DEPTH_NAMES = ("z", "depth")


def read_tracked_session(path: Path) -> Tracked:
    """Read masks, names and lineage out of a session file.

    A session says nothing of units: without the movie, lengths are in pixels.

    Raises
    ------
    ValueError
        As `read_session`.
    """
    header, history = read_session(path)
    image = header.image
    masklets = Masklets(image.n_frames, image.frame_shape)
    names = {}
    for key, value in history.values.items():
        if key.kind == Kind.MASK and isinstance(value, StoredMask):
            masklets.put(key.object_id, key.frame, value.packed)
        elif isinstance(value, ObjectRecord):
            names[key.object_id] = value.name
    is_stack = any(str(name).lower() in _DEPTH_NAMES for name in image.axes[:-2])
    axes = "YX" if image.n_frames == 1 else "ZYX" if is_stack else "TYX"
    return Tracked(masklets, lineage_of(history.values), axes, names=names)
