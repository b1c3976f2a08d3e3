"""Registry entries: what is known of a model before it is on disk."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sam2_torch.config import (
    CELLS_NANO,
    EDGETAM,
    RELEASED,
    SAM1_NETWORKS,
    NetworkConfig,
    SAM1Config,
    SAM2Config,
)

NAMED_CONFIGS: dict[str, SAM2Config] = {
    **RELEASED,
    "edgetam": EDGETAM,
    "cells_nano": CELLS_NANO,
}
"""Architectures that a registry can refer to by name."""

_PARAMETERS = {
    "sam2.1_hiera_tiny": 38_962_498,
    "sam2.1_hiera_small": 46_060_354,
    "sam2.1_hiera_base_plus": 80_850_178,
    "sam2.1_hiera_large": 224_446_642,
    "sam2_hiera_tiny": 38_945_986,
    "sam2_hiera_small": 46_043_842,
    "sam2_hiera_base_plus": 80_833_666,
    "sam2_hiera_large": 224_430_130,
    "edgetam": 13_895_794,
    "cells_nano": 8_640_786,
    "vit_t": 10_130_092,
    "vit_b": 93_735_472,
    "vit_l": 312_342_832,
    "vit_h": 641_090_608,
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")  # it becomes the name of a folder
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class RegistryError(ValueError):
    """An entry of a registry that cannot be used; the message names file, model and key."""


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be loaded by name.

    Exactly one of `path`, `repo` and `url` says where its file is.

    Parameters
    ----------
    name
        Name for `load_sam2`.
    description, licence
        Texts for people; the licence is that of the weights.
    images
        Kind of images that it was trained on, a heading in menus; empty if not stated.
    config
        The architecture; None where the file itself determines it.
    path
        A file on disk.
    repo, files
        A repository of the Hugging Face Hub ("facebook/sam2.1-hiera-tiny") and its files with
        these weights, the preferred one first.
    url
        An http(s) address.
    sha256, xxh128
        Checksums of the file in hexadecimal digits; None if unknown.
    origin
        Source of the entry: "embedded", "released", the registry file, or the package of the
        entry point.
    calibration
        Offset and slope from the predicted IoU of prompted masks to the expected one, measured by
        `benchmarks/calibration.py`; None if it was not measured.
    """

    name: str
    description: str = ""
    licence: str = "not stated"
    images: str = ""
    config: NetworkConfig | None = None
    path: Path | None = None
    repo: str | None = None
    files: tuple[str, ...] = ()
    url: str | None = None
    sha256: str | None = None
    xxh128: str | None = None
    origin: str = ""
    calibration: tuple[float, float] | None = None

    @property
    def has_memory(self) -> bool:
        """Return whether the network has a memory of movies and stacks; SAM 1 has none."""
        return not isinstance(self.config, SAM1Config)

    @property
    def summary(self) -> str:
        """Return description and kind of images in one line."""
        return "; ".join(text for text in (self.description, self.images.lower()) if text)

    @property
    def parameters(self) -> int | None:
        """Return the number of parameters; None if the architecture is not a named one."""
        if self.config is None:
            return None
        if isinstance(self.config, SAM1Config):
            named = {config: name for name, config in SAM1_NETWORKS.items()}
            return _PARAMETERS[named[self.config]]
        for name, config in NAMED_CONFIGS.items():
            same_input = {
                "image_size": config.image_size,
                "keep_aspect": config.keep_aspect,
            }  # neither changes the parameters
            if replace(self.config, **same_input) == config:  # type: ignore[arg-type]
                return _PARAMETERS[name]
        return None


def parse_entry(name: str, values: object, origin: str, folder: Path | None = None) -> ModelEntry:
    """Parse one entry of a registry.

    Parameters
    ----------
    name, values
        The key and the table under it.
    origin
        Name of the registry in messages.
    folder
        Folder of the registry file, for relative paths.

    Raises
    ------
    RegistryError
        If a key is unknown, missing or has an impossible value.
    """
    where = f"{origin}: model {name!r}"
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"{where}: expected a name of letters, digits and . _ + -, found {name!r}; rename it"
        )
    if not isinstance(values, Mapping):
        raise RegistryError(f"{where}: expected a table of keys, found {values!r}")
    for key, value in values.items():
        expected, is_right = _KEYS.get(key, (None, None))
        if expected is None or is_right is None:
            raise RegistryError(f"{where}: expected the keys {', '.join(_KEYS)}, found {key!r}")
        if not is_right(value):
            raise RegistryError(f"{where}, key {key!r}: expected {expected}, found {value!r}")
    return _make_entry(name, dict(values), where, origin, folder)


def _make_entry(
    name: str, values: dict[str, Any], where: str, origin: str, folder: Path | None
) -> ModelEntry:
    homes = [key for key in ("path", "repo", "url") if key in values]
    if len(homes) != 1:
        raise RegistryError(
            f"{where}: expected one of path, repo (with file) and url, "
            f"found {' and '.join(homes) or 'none'}"
        )
    if ("repo" in values) != ("file" in values):
        raise RegistryError(f"{where}: expected repo and file together, found one of them")
    if "path" in values:
        values["path"] = (folder or Path()) / Path(values["path"]).expanduser()
    if "sha256" in values:
        values["sha256"] = values["sha256"].lower()
    elif urlsplit(values.get("url", "")).scheme == "http" and not _is_here(values["url"]):
        raise RegistryError(
            f"{where}, key 'url': expected https, or sha256 beside it, found {values['url']!r}: "
            "anyone on the way could exchange the file"
        )
    files = (values.pop("file"),) if "file" in values else ()
    config = parse_config(values.pop("config"), where) if "config" in values else None
    return ModelEntry(name=name, files=files, config=config, origin=origin, **values)


def parse_config(value: Any, where: str) -> SAM2Config:
    """Parse an architecture: a name, or a table of sizes with the name of what they change.

    Parameters
    ----------
    value
        Content of the key `config`.
    where
        Beginning of messages.

    Raises
    ------
    RegistryError
        If it is not an architecture.
    """
    values = {"base": value} if isinstance(value, str) else dict(value)
    base = values.pop("base", "sam2.1_hiera_tiny")
    if base not in NAMED_CONFIGS:
        raise RegistryError(
            f"{where}, key 'config': expected one of {', '.join(NAMED_CONFIGS)}, found {base!r}"
        )
    try:
        return SAM2Config.from_dict({**NAMED_CONFIGS[base].to_dict(), **values})
    except ValueError as error:
        raise RegistryError(f"{where}, key {error}") from error


def file_name(url: str) -> str:
    """Return the file's name in an address; "" if there is none."""
    return unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.hostname and file_name(value)) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False
    return parts.scheme in ("http", "https") and is_whole


def _is_here(url: str) -> bool:
    """Return whether an address is this computer's."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _is_file(value: object) -> bool:
    return isinstance(value, str) and bool(value) and ".." not in value.split("/")


_KEYS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "url": ("an http(s) address that ends in a file name", _is_address),
    "repo": (
        "owner/name of a Hugging Face repository",
        lambda value: isinstance(value, str) and bool(_REPO.fullmatch(value)),
    ),
    "file": ("the name of a file in the repository", _is_file),
    "path": ("the path of a file", _is_text),
    "sha256": (
        "64 hexadecimal digits",
        lambda value: isinstance(value, str) and bool(_SHA256.fullmatch(value)),
    ),
    "config": (
        "the name of an architecture or a table of sizes",
        lambda value: isinstance(value, str | Mapping),
    ),
    "licence": ("text", _is_text),
    "description": ("text", _is_text),
    "images": ("text", _is_text),
}
