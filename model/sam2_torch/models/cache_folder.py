"""Where the project keeps what it can make again."""

import os
from pathlib import Path

VARIABLE = "NAPARI_SAM2_CACHE"
"""Environment variable with the path of a folder to use instead."""


def cache_folder() -> Path:
    """Give the path of the folder, whether or not it is there."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("napari-sam2", appauthor=False)
