"""The history of an image on the disk, a moment after each change."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, QTimer

from napari_sam2 import __version__
from napari_sam2.annotation.history import Entry, History
from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import (
    SUFFIX,
    Fingerprint,
    Header,
    entry_line,
    write_session,
)
from napari_sam2.widgets.inference.worker import SessionWorker

REST_MS = 1000


@dataclass
class _File:
    """A file that is made when there is something to write into it."""

    path: Path | None = None


class Autosave(QObject):
    """Appends what was done to a file, on the files' thread.

    Parameters
    ----------
    files
        The thread for files.
    fingerprint
        Looks at the image; called once, on that thread.
    model
        Name of the network.

    Attributes
    ----------
    history
        What is saved; give it another one by `follow`.
    """

    def __init__(
        self,
        files: SessionWorker,
        history: History,
        fingerprint: Callable[[], Fingerprint],
        model: Callable[[], str],
    ) -> None:
        super().__init__()
        self.history = history
        self._files = files
        self._fingerprint = fingerprint
        self._image: Fingerprint | None = None
        self._model = model
        self._saved = 0
        self._file = _File()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self._submit)

    @property
    def path(self) -> Path | None:
        """The file; None until something was saved."""
        return self._file.path

    def follow(self, history: History) -> None:
        """Save another history from now on, to a file of its own; the old file stays."""
        self.save_now()
        # of its own: an `_append` that waits goes to the old one
        self._file = _File()
        self.history, self._saved = history, 0
        self.later()

    def later(self) -> None:
        """Save in a moment, if there is anything new."""
        anything = self._saved < len(self.history.entries) and not self.history.is_empty
        if anything and not self._timer.isActive():
            self._timer.start()

    def save_now(self) -> None:
        """Save without waiting for what else the user does."""
        self._timer.stop()
        self._submit()

    def flush(self) -> None:
        """Save now, on this thread; nothing may run on the files' thread meanwhile."""
        self._timer.stop()
        entries = self._take_new()
        if entries:
            self._append(self._file, entries, self._model())

    def save_as(self, path: Path) -> None:
        """Write the whole session to a file that the user chose."""
        entries = list(self.history.entries)
        self._files.submit(partial(self._write, path, entries, self._model()))

    def image(self) -> Fingerprint:
        """Look at the image; on the files' thread."""
        if self._image is None:
            self._image = self._fingerprint()
        return self._image

    def _submit(self) -> None:
        entries = self._take_new()
        if entries:
            self._files.submit(partial(self._append, self._file, entries, self._model()))

    def _take_new(self) -> list[Entry]:
        if self.history.is_empty:
            return []
        entries = self.history.entries[self._saved :]
        self._saved += len(entries)
        return entries

    def _append(self, to: "_File", entries: Sequence[Entry], model: str) -> None:
        if to.path is None:
            path = _new_path(self.image().name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, entries, model)
            to.path = path
            return
        shape = self.image().frame_shape
        with to.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(entry_line(entry, shape) for entry in entries))
            file.flush()
            os.fsync(file.fileno())

    def _write(self, path: Path, entries: Sequence[Entry], model: str) -> None:
        software = f"napari-sam2 {__version__}"
        header = Header(self.image(), model, datetime.now(UTC), software)
        write_session(path, header, entries)


def _new_path(name: str) -> Path:
    word = re.sub(r"[^\w.-]+", "_", name)[:60]
    now = datetime.now(UTC)
    return sessions_folder() / f"{now:%Y-%m-%d_%H-%M-%S-%f}_{word}{SUFFIX}"
