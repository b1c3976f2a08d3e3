"""The history of an image on the disk, a moment after each change."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_sam2 import __version__
from napari_sam2.annotation.history import Entry, History
from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import (
    SUFFIX,
    Fingerprint,
    Header,
    append_lines,
    entry_line,
    write_session,
)
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.inference.worker import SessionWorker

REST_MS = 500  # with the time to write, less than the second that is promised


@dataclass(eq=False)
class _File:
    """A session file, and how much of the log is in it.

    Parameters
    ----------
    path
        None until something was written.
    n_entries, n_bytes
        Entries and bytes that are on the disk.
    """

    path: Path | None = None
    n_entries: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, eq=False)
class _Write:
    """What to bring a file up to.

    Parameters
    ----------
    file
        The file.
    entries
        The whole log, as it was when this was made.
    model
        Name of the network.
    """

    file: _File
    entries: Sequence[Entry]
    model: str


class Autosave(QObject):
    """Append a log to a file, on the files' thread.

    An entry counts as saved once it is on the disk. While that fails, the user is told once, and
    it is tried again and again.

    Parameters
    ----------
    files
        The thread for files.
    history
        The log.
    fingerprint
        Looks at the image; called once, on that thread.
    model
        Name of the network.

    Attributes
    ----------
    history
        The log that is saved.

    Signals
    -------
    failed
        Why the log cannot be saved, as an exception: once, until it can be.
    noticed
        A sentence for the user.
    """

    failed = Signal(object)
    noticed = Signal(str)

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
        self._file = _File()
        self._failed: list[_Write] = []  # to files that were followed before
        self._is_failing = False
        self._timer = single_shot(self, self._submit, REST_MS)

    @property
    def path(self) -> Path | None:
        """The file; None until something was saved."""
        return self._file.path

    @property
    def has_new(self) -> bool:
        """Whether anything is not on the disk yet."""
        is_new = self._file.n_entries < len(self.history.entries) and not self.history.is_empty
        return is_new or bool(self._failed)

    def begin_file(self) -> None:
        """Save now, and what follows to another file; call it before the log is replaced."""
        self.save_now()
        # another one: a write that waits goes to the old one
        self._file = _File()

    def later(self) -> None:
        """Save in a moment, if there is anything new."""
        if self.has_new and not self._timer.isActive():
            self._timer.start()

    def save_now(self) -> None:
        """Save without waiting for what else the user does."""
        self._timer.stop()
        self._submit()

    def flush(self) -> None:
        """Save now, on this thread; nothing may run on the files' thread meanwhile."""
        self._timer.stop()
        for write in self._take_writes():
            error = self._save(write)
            if isinstance(error, OSError):
                self.failed.emit(_explained(error))

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
        for write in self._take_writes():
            self._files.submit(partial(self._save, write), then=partial(self._show_end, write))

    def _take_writes(self) -> list[_Write]:
        writes = []
        if self.has_new:
            writes = [*self._failed, _Write(self._file, list(self.history.entries), self._model())]
        self._failed = []
        return writes

    def _show_end(self, write: _Write, end: OSError | str) -> None:
        """Tell the user when saving begins to fail, and when all is saved again."""
        if isinstance(end, OSError):
            if write.file is not self._file:
                self._failed.append(write)
            self._timer.start()
            if not self._is_failing:
                self.failed.emit(_explained(end))
            self._is_failing = True
            return
        if self._is_failing:
            end = "The session is saved again, with all that was done meanwhile."
        self._is_failing = False
        if end:
            self.noticed.emit(end)

    def _save(self, write: _Write) -> OSError | str:
        """Bring a file up to the log; give what went wrong, or a sentence for the user."""
        try:
            return self._bring_up(write)
        except OSError as error:
            return error

    def _bring_up(self, write: _Write) -> str:
        file, note = write.file, ""
        if file.n_entries >= len(write.entries):  # a later write was faster
            return note
        if file.path is None:
            file.path = _new_path(self.image().name)
        if not file.path.is_file() or file.path.stat().st_size < file.n_bytes:
            if file.n_bytes:
                note = f"{file.path} was deleted or cut: all of the session is written to it again."
            file.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(file.path, write.entries, write.model)
        else:
            shape = self.image().frame_shape
            lines = (entry_line(entry, shape) for entry in write.entries[file.n_entries :])
            append_lines(file.path, file.n_bytes, "".join(lines))
        file.n_entries, file.n_bytes = len(write.entries), file.path.stat().st_size
        return note

    def _write(self, path: Path, entries: Sequence[Entry], model: str) -> None:
        software = f"napari-sam2 {__version__}"
        header = Header(self.image(), model, datetime.now(UTC), software)
        write_session(path, header, entries)


def _explained(error: OSError) -> OSError:
    return OSError(
        f"The session cannot be saved: expected room and permission to write in "
        f"{sessions_folder()}, found: {error.strerror or error}. It is tried again each second, "
        "and all is kept in memory until then; make room there, or save elsewhere with Save…"
    )


def _new_path(name: str) -> Path:
    word = re.sub(r"[^\w.-]+", "_", name)[:60]
    now = datetime.now(UTC)
    return sessions_folder() / f"{now:%Y-%m-%d_%H-%M-%S-%f}_{word}{SUFFIX}"
