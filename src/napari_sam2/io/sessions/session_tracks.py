"""Read and write tracked objects as sessions."""

from datetime import UTC, datetime
from pathlib import Path

from napari_sam2.annotation.history import Action, History
from napari_sam2.annotation.track_edits import bring_in, tracked_from
from napari_sam2.io.sessions.session_files import (
    Fingerprint,
    Header,
    read_session,
    write_session,
)
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked

_DEPTH_NAMES = ("z", "depth")


def read_tracked_session(path: Path) -> Tracked:
    """Read masks, names and lineage out of a session file.

    A session has no units: without the movie, lengths are in pixels.

    Parameters
    ----------
    path
        The session file; its last step counts.

    Raises
    ------
    ValueError
        As for `read_session`.
    """
    header, history = read_session(path)
    image = header.image
    is_stack = any(str(name).lower() in _DEPTH_NAMES for name in image.axes[:-2])
    axes = "YX" if image.n_frames == 1 else "ZYX" if is_stack else "TYX"
    empty = Tracked(Masklets(image.n_frames, image.frame_shape), axes=axes)
    return tracked_from(history.values, empty)


def write_tracked_session(path: Path, tracked: Tracked, image: str, software: str) -> None:
    """Write masks, names and lineage as a session of one step, which the plugin can open.

    Parameters
    ----------
    path
        The session file.
    tracked
        Objects of a movie that is at hand.
    image
        Name of the movie.
    software
        What writes it.
    """
    assert tracked.movie is not None, "a session belongs to an image"
    history = History(tracked.n_frames, tracked.masklets.frame_shape)
    ids = tracked.masklets.object_ids
    history.record(Action.OPEN, bring_in({}, tracked, max(ids, default=0) + 1))
    fingerprint = Fingerprint.of(tracked.movie, image, axes=tuple(tracked.axes.lower()))
    header = Header(fingerprint, "", datetime.now(UTC), software)
    write_session(path, header, history.entries)
