"""The protocol of all writers of tracked objects, and how they report progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from napari_sam2.tracks.tracked_movie import Tracked

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of frames or objects written, and of all; what it raises stops it."""


def silent(done: int, total: int) -> None:
    """Ignore progress."""


class Writer(Protocol):
    """Writes objects, their masks and their lineage in one format."""

    def __call__(self, path: Path, tracked: Tracked, progress: Progress, /) -> None:
        """Write beside the path, and replace what is there when the new one is whole.

        Parameters
        ----------
        path
            A file, or for some formats a folder; a folder of another format is not replaced.
        tracked
            What to write.
        progress
            Called after each frame (or object) with how much is done; what it raises stops the
            writing, and then nothing is left of it.

        Raises
        ------
        ValueError
            If the format cannot hold it.
        FileExistsError
            If a folder of something else is at the path.
        ImportError
            If a library is missing.
        """
