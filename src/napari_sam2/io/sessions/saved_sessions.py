"""The folder of autosaved sessions."""

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
    """Return the folder of autosaved sessions.

    Notes
    -----
    The environment variable `NAPARI_SAM2_SESSIONS` moves it.
    """
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else user_data_path("napari-sam2", appauthor=False) / "sessions"


def saved_sessions() -> list[SavedSession]:
    """Return all autosaved sessions, the last changed first."""
    return [session for session, _ in _with_headers()]


def find_sessions(image: Callable[[], Fingerprint]) -> list[Path]:
    """Return the autosaved sessions of an image, the last changed first.

    Parameters
    ----------
    image
        Looks at the image; called only if there is any session.

    Returns
    -------
    Files that belong to it; those that cannot be read are left out.
    """
    return [
        session.path
        for session, header in _with_headers()
        if header is not None and not header.image.difference(image())
    ]


def _with_headers() -> list[tuple[SavedSession, Header | None]]:
    found = []
    for path in sessions_folder().glob(f"*{SUFFIX}"):
        try:
            state = path.stat()
        except FileNotFoundError:  # another napari deleted it just now
            continue
        header = _header(path)
        changed = datetime.fromtimestamp(state.st_mtime, UTC)
        name = "" if header is None else header.image.name
        found.append((SavedSession(path, name, changed, state.st_size), header))
    # not by the date in the name: clocks are set back, and an older session may still go on
    return sorted(found, key=lambda each: (each[0].changed, each[0].path.name), reverse=True)


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except (OSError, ValueError):
        return None
