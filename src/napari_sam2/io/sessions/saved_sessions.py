"""Sessions that were saved by themselves: where they are, and which there are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_data_path

from napari_sam2.io.sessions.session_files import SUFFIX, Fingerprint, Header, read_header

VARIABLE = "NAPARI_SAM2_SESSIONS"


@dataclass(frozen=True)
class SavedSession:
    """A file in the folder of saved sessions.

    Parameters
    ----------
    path
        The file.
    image
        Name of the image that it belongs to; empty if the file cannot be read.
    changed
        When it was written last, in UTC.
    n_bytes
        Its size.
    """

    path: Path
    image: str
    changed: datetime
    n_bytes: int


def sessions_folder() -> Path:
    """Find the folder of sessions that are saved by themselves.

    Notes
    -----
    The environment variable `NAPARI_SAM2_SESSIONS` moves it.
    """
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else user_data_path("napari-sam2", appauthor=False) / "sessions"


def saved_sessions() -> list[SavedSession]:
    """List all sessions that were saved by themselves, the one that was changed last first."""
    found = []
    for path in sessions_folder().glob(f"*{SUFFIX}"):
        try:
            state = path.stat()
        except FileNotFoundError:  # another napari deleted it just now
            continue
        header = _header(path)
        changed = datetime.fromtimestamp(state.st_mtime, UTC)
        name = "" if header is None else header.image.name
        found.append(SavedSession(path, name, changed, state.st_size))
    return sorted(found, key=lambda saved: saved.changed, reverse=True)


def find_sessions(image: Callable[[], Fingerprint]) -> list[Path]:
    """List the sessions of an image that were saved by themselves, newest first.

    Parameters
    ----------
    image
        Looks at the image; called only if there is any session.

    Returns
    -------
    Files that belong to it; those that cannot be read are left out.
    """
    found = []
    for path in sorted(sessions_folder().glob(f"*{SUFFIX}"), reverse=True):
        header = _header(path)
        if header is not None and not header.image.difference(image()):
            found.append(path)
    return found


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
