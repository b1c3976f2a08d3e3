"""What all forms of files that objects are written to have in common."""

from pathlib import Path
from typing import Protocol

from napari_sam2.io.tracks.progress import Progress
from napari_sam2.tracks.tracked_movie import Tracked


class Writer(Protocol):
    """Writes objects, their masks and their lineage in one form."""

    def __call__(self, path: Path, tracked: Tracked, progress: Progress, /) -> None:
        """Write beside the path, and replace what is there when the new one is whole.

        Parameters
        ----------
        path
            A file, or for some forms a folder; a folder of another form is not replaced.
        tracked
            What to write.
        progress
            Is told after each frame (or object) how much is done; what it raises stops the
            writing, and then nothing is left of it.

        Raises
        ------
        ValueError
            If the form cannot hold it.
        FileExistsError
            If a folder of something else is at the path.
        ImportError
            If a library is missing.
        """
