"""Which files may be written: checked before any work, for every output of every command."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sam2.io.files import check_folder, listed, suffix
from sam2_torch.models import local_files

SIGNATURE = "written by napari-sam2"
"""Text in all files that were written here."""

FOLDER_CONTENTS = {
    ".ome.zarr": re.compile(r"\.zattrs|\.zgroup|0"),
    ".geff": re.compile(r"\.zattrs|\.zgroup|zarr\.json|nodes|edges|labels"),
    ".ctc": re.compile(r"res_track\.txt|mask\d+\.tif"),
}
"""Names of what is in each kind of folder that is written, at its top."""

_MARKED = {".ome.zarr": ".zattrs", ".geff": ".zattrs", ".ctc": "mask*.tif"}
_TABLES = (b"object,name,", b"object,frame,score", b"frame,mother,daughter1,")
LEAST_FREE_BYTES = 1 << 20  # how much the masks will take is not known before they are there
_LOOKED_AT = 1 << 16  # bytes at both ends of a file


def check_outputs(
    outputs: Iterable[Path], inputs: Iterable[Path] = (), overwrite: bool = False
) -> None:
    """Check that files and folders can be written, and that nothing of a user's is lost by it.

    Parameters
    ----------
    outputs
        All files and folders that will be written.
    inputs
        All that is read; never written to, even with `overwrite`.
    overwrite
        Replace files that were not written by napari-sam2. Folders, Zarr stores among them, are
        replaced only where they were.

    Raises
    ------
    ValueError
        If an output is an input, is within one, or holds one; or two outputs are the
        same, or one is within another.
    FileExistsError
        If something is there that may not be replaced.
    OSError
        If the file system does not allow the name, or a file in the folder.
    """
    read, tried = Inputs(inputs), set[Path]()
    seen, around = set[Path](), set[Path]()
    for output in outputs:
        check_apart(output, read)
        place = output.resolve()
        if place in seen:
            raise ValueError(f"{output}: expected outputs with different names, found it twice")
        if place in around or not seen.isdisjoint(place.parents):
            raise ValueError(f"{output}: expected outputs beside each other, found one in another")
        seen.add(place)
        around.update(place.parents)
        check_replaceable(output, overwrite)
        folder = next(parent for parent in output.absolute().parents if parent.exists())
        if folder not in tried:
            _check_writable(output, folder)
            tried.add(folder)


def check_replaceable(output: Path, overwrite: bool = False) -> None:
    """Check that what is at a path may be replaced.

    Parameters
    ----------
    output
        A file or folder that will be written.
    overwrite
        As for `check_outputs`.

    Raises
    ------
    FileExistsError
        If it may not.
    """
    try:
        output.lstat()
        if output.is_dir() and not any(output.iterdir()):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_writable(output, error) from error
    if output.is_dir():
        foreign = _foreign_contents(output)
        if foreign:
            raise FileExistsError(
                f"{output}: expected nothing, or a folder that napari-sam2 wrote with this "
                f"suffix, found {foreign}; choose another name"
            )
    elif not overwrite and not _is_own_file(output):
        raise FileExistsError(
            f"{output}: expected nothing, or a file that napari-sam2 wrote, found another file; "
            "choose another name, or replace it (--overwrite; in napari with Choose…)"
        )


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill beside `path` that replaces it when it is complete.

    After a failure, what was at `path` is still there, and nothing else.

    Parameters
    ----------
    path
        The folder to write.

    Raises
    ------
    FileNotFoundError
        If the folder around it does not exist.
    FileExistsError
        If a folder is there that may not be replaced.
    """
    check_replaceable(path, overwrite=True)
    check_folder(path)
    with local_files.replacing_folder(path) as partial:
        yield partial


class Inputs:
    """Where files and folders that are read lie; of many, each output is compared with all.

    Parameters
    ----------
    paths
        Those that do not exist are left out.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        there = {path.resolve(): path for path in paths if os.path.exists(path)}
        self.places = there.keys()
        self.files = {(found.st_dev, found.st_ino) for found in map(os.stat, there)}
        self.folders = {place: path for place, path in there.items() if place.is_dir()}
        self.around = {parent: path for place, path in there.items() for parent in place.parents}


def check_apart(output: Path, inputs: Inputs) -> None:
    """Check that an output is no input, is not within one, and holds none.

    Parameters
    ----------
    output
        A file or folder that will be written.
    inputs
        What is read.

    Raises
    ------
    ValueError
        If it is, or does.
    """
    place = output.resolve()
    linked = output.stat() if os.path.exists(output) else None
    if place in inputs.places or (linked and (linked.st_dev, linked.st_ino) in inputs.files):
        raise ValueError(
            f"{output}: expected an output of its own, found one of the inputs; choose another -o"
        )
    folder = next((inputs.folders[p] for p in place.parents if p in inputs.folders), None)
    if folder is not None:
        raise ValueError(
            f"{output}: expected an output outside of the input {folder}, found one within it, "
            "which would be read as a part of it the next time; choose another -o"
        )
    if place in inputs.around:
        raise ValueError(
            f"{output}: expected an output of its own, found a folder that holds the input "
            f"{inputs.around[place]}; choose another -o"
        )


def _foreign_contents(folder: Path) -> str:
    """Describe what keeps a folder from being replaced; empty if nothing does."""
    kind = suffix(folder)
    if kind not in FOLDER_CONTENTS:
        return "a folder"
    names = sorted(entry.name for entry in folder.iterdir())
    others = [name for name in names if not FOLDER_CONTENTS[kind].fullmatch(name)]
    if others:
        return f"one with {listed(others)}"
    marked = sorted(folder.glob(_MARKED[kind]))
    return "" if marked and all(map(_is_own_file, marked)) else "one that others wrote"


def _is_own_file(path: Path) -> bool:
    """Return whether a file was written here (by a mark in its head or tail) or is empty."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT))
        tail = file.read()
    # tables have no place for the mark; prompts have a header of their own
    return not head or SIGNATURE.encode() in head + tail or head.startswith(_TABLES)


def _check_writable(output: Path, folder: Path) -> None:
    """Write a small file in the folder of an output, or the nearest one around it that exists.

    Raises
    ------
    OSError
        If that is not possible.
    """
    trial = local_files.temporary_path(folder / "trial")
    try:
        trial.write_bytes(bytes(LEAST_FREE_BYTES))  # a full disk still takes names
    except OSError as error:
        raise _not_writable(output, error) from error
    finally:
        trial.unlink(missing_ok=True)


def _not_writable(output: Path, error: OSError) -> OSError:
    reason = error.strerror or str(error)
    return type(error)(f"{output}: cannot be written ({reason}); choose another -o")
