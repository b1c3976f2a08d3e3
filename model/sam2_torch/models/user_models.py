"""Models in a folder of the user's, known by their files' names: what training leaves there."""

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path

SUFFIX = ".safetensors"
MAX_HEADER_BYTES = 100_000_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def read_user_models(folder: Path) -> dict[str, Mapping[str, str]]:
    """List the `.safetensors` files of a folder as a registry would, by name.

    Description and licence are those that the files tell in their metadata. Files whose names
    cannot be those of models are left out.
    """
    models: dict[str, Mapping[str, str]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if NAME.fullmatch(path.stem):
            about = read_metadata(path)
            models[path.stem] = {
                "path": path.name,
                "description": about.get("description") or "trained on this machine",
                "licence": about.get("licence") or "not told",
            }
    return models


def read_metadata(path: Path) -> dict[str, str]:
    """Read what a `.safetensors` file says of itself, without its tensors; {} if it is broken.

    Notes
    -----
    Eight bytes with the length of the header, little-endian, then the header as JSON
    (huggingface.co/docs/safetensors).
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MAX_HEADER_BYTES:
                return {}
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error):
        return {}
    about = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return {str(key): str(value) for key, value in about.items()}
