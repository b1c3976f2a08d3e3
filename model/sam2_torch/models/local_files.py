"""Files of the project on this computer: the cache folder, and writing without half a file.

What is not whole yet has a temporary name in the same folder, drawn by chance: process numbers
come again, in containers and after a restart. A process locks what it writes. The system releases
the lock when the process dies, however it dies: so the next one can tell what was left behind.
"""

import ctypes
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

VARIABLE = "NAPARI_SAM2_CACHE"
"""Environment variable with the path of another cache folder."""

_PREFIX, _PART = ".napari-sam2-", ".part"
_NEW_S = 1.0  # what is younger may not be locked yet
_OLD_S = 86400.0  # what is older is left behind, where files cannot be locked


def cache_folder() -> Path:
    """Return the folder for files that can be computed again; it may not exist yet."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("napari-sam2", appauthor=False)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` if nothing is raised.

    The folder is created if need be. After an error, what was at `path` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(path, lambda part: part.touch(exist_ok=False)) as part:
        yield part
        os.replace(part, path)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which replaces `path` if nothing is raised.

    At no moment is there nothing at `path`, where the system can exchange two names at once.
    After an error, what was at `path` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(path, Path.mkdir) as part:
        yield part
        _move_folder(part, path)  # what was there has the temporary name then


def temporary_path(path: Path) -> Path:
    """Choose a name in the same folder for what is not whole yet.

    It is short, so that every name that a file may have can be written.
    """
    return path.with_name(f"{_PREFIX}{secrets.token_hex(6)}{_PART}")


@contextmanager
def _part_of(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    _remove_left_behind(path.parent)
    part, lock = temporary_path(path), None
    try:
        make(part)
        lock = _lock(part)
        yield part
    finally:
        _remove(part)
        if lock is not None:
            os.close(lock)


@lru_cache(maxsize=1024)
def _remove_left_behind(folder: Path) -> None:
    """Remove what dead processes left in a folder; once, as it may have many files."""
    for path in folder.glob(f"{_PREFIX}*{_PART}"):
        with suppress(OSError):  # another process removes it, too
            if _is_left_behind(path):
                _remove(path)


def _is_left_behind(path: Path) -> bool:
    age = time.time() - path.lstat().st_mtime
    if age < _NEW_S:
        return False
    try:
        lock = _lock(path)
    except BlockingIOError:
        return False
    if lock is None:
        return age > _OLD_S
    os.close(lock)
    return True


def _lock(path: Path) -> int | None:
    """Lock a file or folder until the descriptor is closed; None where that is not possible.

    Raises
    ------
    BlockingIOError
        If another process has the lock.
    """
    if sys.platform == "win32":  # an open file could not be renamed there
        return None
    import fcntl

    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return lock


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _move_folder(part: Path, path: Path) -> None:
    """Give a folder its name; if something is there, it gets the temporary name in turn."""
    while not _exchange(part, path):
        try:
            part.rename(path)
        except OSError as error:  # another process was faster
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return


def _exchange(part: Path, path: Path) -> bool:
    """Exchange the names of two folders; False if there is nothing at `path`."""
    if not os.path.lexists(path):
        return False
    if _exchange_at_once(part, path):
        return True
    # in two steps: a death between them leaves what was there under a name that ends in .old
    before = part.with_suffix(".old")
    path.rename(before)
    try:
        part.rename(path)
    except OSError:
        before.rename(path)
        raise
    before.rename(part)
    return True


def _exchange_at_once(part: Path, path: Path) -> bool:
    """Let the system exchange two names; False if it cannot. Python has no function for it."""
    names, here, exchange = (os.fsencode(part), os.fsencode(path)), -100, 2
    with suppress(AttributeError, OSError):  # of an older C library
        if sys.platform == "linux":
            return bool(ctypes.CDLL(None).renameat2(here, names[0], here, names[1], exchange) == 0)
        if sys.platform == "darwin":
            return bool(ctypes.CDLL(None).renamex_np(*names, exchange) == 0)
    return False
