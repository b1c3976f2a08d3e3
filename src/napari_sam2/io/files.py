"""Kinds of files, their order, and the replacement of a file by a new one that is whole."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sam2_torch.models import local_files


def suffix(path: Path) -> str:
    """Return the kind of a file, in lower case; `.ome.tif` and the like count as one."""
    name = path.name.lower()
    compound = re.search(r"\.ome\.(tiff?|zarr)$", name)
    return compound.group() if compound else Path(name).suffix


def stem(path: Path) -> str:
    """Return the name of a file without its folder and kind."""
    if path.is_dir() and not suffix(path).endswith(".zarr"):
        return path.resolve().name
    return path.name[: len(path.name) - len(suffix(path))]


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """Return a key that sorts img2 before img10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def listed(numbers: Sequence[object], most: int = 5) -> str:
    """Write numbers or names for a message: the first few, and how many there are.

    Parameters
    ----------
    numbers
        What to list.
    most
        How many are written out.
    """
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} … ({len(numbers)} in all)"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write beside `path` that replaces it when it is complete.

    After a failure, what was at `path` is still there, and nothing else.

    Parameters
    ----------
    path
        The file to write.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    check_folder(path)
    with local_files.replacing(path) as partial:
        yield partial


def check_folder(path: Path) -> None:
    """Check that the folder of a file exists.

    Raises
    ------
    FileNotFoundError
        If it does not.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: expected a folder to write to, found none")
