"""The option that says where embeddings are kept on disk."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam2_torch import EmbeddingStore


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where embeddings are kept."""
    parser.add_argument(
        "--embeddings",
        metavar="FOLDER",
        nargs="?",
        const="",
        help="keep what the network makes of each frame on disk, for the next time; in the "
        "user's cache if no folder is given",
    )


def store_of(arguments: argparse.Namespace) -> "EmbeddingStore | None":
    """Open the folder that the option names; None if it was not given.

    Raises
    ------
    NotADirectoryError
        If it is a file.
    """
    from sam2_torch import EmbeddingStore

    if arguments.embeddings is None:
        return None
    folder = Path(arguments.embeddings) if arguments.embeddings else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder for embeddings, found a file")
    return EmbeddingStore(folder)
