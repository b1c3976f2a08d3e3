"""A progress bar for scripts, notebooks and the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from napari_sam2.io.tracks.writer import Progress


@contextmanager
def progress_bar(unit: str = "frame") -> Iterator[Progress]:
    """Show a bar on stderr while frames, or what else there is, are done.

    Parameters
    ----------
    unit
        What is counted.

    Yields
    ------
    The function to call with how many are done, and of how many.
    """
    with tqdm(unit=unit, file=sys.stderr, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
