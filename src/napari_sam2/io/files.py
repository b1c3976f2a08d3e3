"""Files on the disk: their kinds, their order, and how a new one takes the place of an old."""

import os
import re
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
