"""Files of the project on this computer: the cache folder, and writing without half a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "NAPARI_SAM2_CACHE"
"""Environment variable with the path of another cache folder."""


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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # same folder: the move is atomic
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
