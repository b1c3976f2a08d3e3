"""Files on the disk: their kinds, their order, and how a new one takes the place of an old."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def suffix(path: Path) -> str:
    """Get the kind of a file, in lower case; `.ome.tif` and the like count as one."""
    name = path.name.lower()
    compound = re.search(r"\.ome\.(tiff?|zarr)$", name)
    return compound.group() if compound else Path(name).suffix


def stem(path: Path) -> str:
    """Get the name of a file without its folder and kind."""
    if path.is_dir() and not suffix(path).endswith(".zarr"):
        return path.resolve().name
    return path.name[: len(path.name) - len(suffix(path))]


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Make a key that sorts img2 before img10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write beside `path` that takes its place when all went well.

    After a failure, what was at `path` is still there, and nothing else.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: expected a folder to write to, found none")
    partial = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, mark: str) -> Iterator[Path]:
    """Give a folder to fill beside `path` that takes its place when all went well.

    After a failure, what was at `path` is still there, and nothing else.

    Parameters
    ----------
    path
        Where the folder is to be; one that is there is replaced only if it is of the kind.
    mark
        Name of a file that every folder of the kind has.

    Raises
    ------
    FileNotFoundError
        If the folder around it does not exist.
    FileExistsError
        If there is something else.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: expected a folder to write to, found none")
    if path.exists() and not (path / mark).is_file() and not _is_empty(path):
        raise FileExistsError(
            f"{path}: expected nothing or a folder with {mark}, which is replaced; "
            "found something else: choose another name"
        )
    partial = path.with_name(f".{os.getpid()}.part.{path.name}")
    before = path.with_name(f".{os.getpid()}.old.{path.name}")
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            path.rename(before)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if before.exists() and not path.exists():
            before.rename(path)
        shutil.rmtree(before, ignore_errors=True)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
