"""Models in the user's folder, named by their files, such as training writes."""

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path

SUFFIX = ".safetensors"
MAX_HEADER_BYTES = 100_000_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def read_user_models(folder: Path) -> dict[str, Mapping[str, str]]:
    """Return the `.safetensors` files of a folder as a table of registry entries.

    Description and licence are read from the files' metadata. Files whose names cannot be names of
    models are skipped.
    """
    models: dict[str, Mapping[str, str]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if NAME.fullmatch(path.stem):
            about = read_metadata(path)
            models[path.stem] = {
                "path": path.name,
                "description": about.get("description") or "trained on this machine",
                "licence": about.get("licence") or "not stated",
            }
    return models


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a `.safetensors` file without its tensors; {} if the file is broken.

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
