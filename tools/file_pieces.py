"""Files in pieces, for ways that take only small ones."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

PIECE_BYTES = 15_000_000
MARK = ".piece"


def cut_file(path: Path, folder: Path, piece_bytes: int = PIECE_BYTES) -> list[Path]:
    """Cut a file into pieces; their names say the order, how many there are, and a checksum."""
    content = path.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()[:12]
    total = max(1, -(-len(content) // piece_bytes))
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    for i in range(total):
        piece = folder / f"{path.name}{MARK}{i}of{total}.{checksum}"
        piece.write_bytes(content[i * piece_bytes : (i + 1) * piece_bytes])
        pieces.append(piece)
    return pieces


def join_file(pieces: Sequence[Path], path: Path) -> None:
    """Put the pieces of one file together again.

    Raises
    ------
    ValueError
        If one is missing, or they are not of one file.
    """
    ordered = sorted(pieces, key=_place)
    content = b"".join(piece.read_bytes() for piece in ordered)
    checksums = {piece.name.rpartition(".")[2] for piece in pieces}
    if checksums != {hashlib.sha256(content).hexdigest()[:12]}:
        raise ValueError(
            f"pieces: expected all pieces of one file, found {[piece.name for piece in ordered]}"
        )
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


def _place(piece: Path) -> int:
    name, mark, rest = piece.name.rpartition(MARK)
    place = rest.partition("of")[0]
    if not (name and mark and place.isdecimal()):
        raise ValueError(f"{piece.name}: expected a name like model.safetensors{MARK}0of3.…")
    return int(place)
