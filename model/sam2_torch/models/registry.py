"""The models that can be used by name: embedded, released, and those of users and labs.

Nothing is downloaded or loaded here, and neither PyTorch nor the network is used.
"""

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple

from sam2_torch.config import CELLS_NANO, RELEASED, SAM1_NETWORKS, SAM2Config
from sam2_torch.models.local_files import replacing
from sam2_torch.models.model_entry import NAMED_CONFIGS, ModelEntry, RegistryError, parse_entry
from sam2_torch.models.user_models import read_user_models

ENTRY_POINTS = "napari_sam2.models"
"""Group of entry points: a mapping of names to entries, or a function that returns one."""

VARIABLE = "NAPARI_SAM2_MODELS"
"""Environment variable with the path of the user's registry file."""

_OTHERS = Path(__file__).with_name("others.toml")

_CELLS_NANO_SHA256 = "da0fcd08dbbf328d558bd60759cda548b9a9186b2571c5d9ce25fb36d9bb87a9"
"""Of the file in `weights/`: who puts another one there writes its checksum here."""

_CELLS_NANO_CALIBRATION = (0.21, 0.78)
"""Of that file on held-out images; see docs/measured.md."""

INSTANCES_SHA256 = "69bf1715b17c45b8a701c4b9ed11d9acfc814eedba9a79819c00453761995a7c"
"""Of the file with the embedded network's instance decoder there."""

_RELEASED_SHA256 = {  # of the .pt files
    "sam2.1_hiera_tiny": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
}

_J_AND_F = {  # on the test part of SA-V; Ravi et al. 2024 and the 2.1 update
    "sam2.1_hiera_tiny": 76.5,
    "sam2.1_hiera_small": 76.6,
    "sam2.1_hiera_base_plus": 78.2,
    "sam2.1_hiera_large": 79.5,
}


_EXAMPLES = """\
# Models of your own for napari-sam2. Remove the # signs and fill in your values.
# An entry has a url, or repo and file (on Hugging Face), or a path. sha256, config, licence,
# description and images (a heading of menus) are optional; config is needed where the input has
# another size than that of the released network.

[models]

# [models.yeast_2026]
# url = "https://example.org/models/yeast.safetensors"
# sha256 = "64 hexadecimal digits: sha256sum yeast.safetensors"
# config = "sam2.1_hiera_tiny"
# licence = "CC-BY-4.0"
# description = "budding yeast, phase contrast"

# [models.organoids]
# repo = "our-lab/organoids"
# file = "organoids.pt"
# config = { base = "sam2.1_hiera_tiny", image_size = 512 }

# [models.scratch]
# path = "/groups/lab/models/scratch.pt"
"""


class Registry(NamedTuple):
    """Models by name, and a message for each entry that could not be read."""

    entries: dict[str, ModelEntry]
    problems: tuple[str, ...]


def read_registry() -> Registry:
    """Read all registries; an error in one entry hides no other."""
    entries = {entry.name: entry for entry in _built_in()}
    problems = [problem for source in _sources() for problem in _add(entries, source)]
    return Registry(entries, tuple(problems))


def find_model(name: str) -> ModelEntry:
    """Return the entry of a model.

    Raises
    ------
    UnknownModelError
        If there is no model of this name; the message lists the names.
    """
    entries, problems = read_registry()
    if name in entries:
        return entries[name]
    near = get_close_matches(name, entries, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    broken = f" ({'; '.join(problems)})" if problems else ""
    raise UnknownModelError(
        f"model {name!r}: expected one of {', '.join(entries)}, found no such model{meant}{broken}"
    )


@cache
def calibration_of(name: str) -> tuple[float, float] | None:
    """Return the calibration of a model's predicted IoU; None if it has none, or no entry."""
    entry = read_registry().entries.get(name)
    return None if entry is None else entry.calibration


class UnknownModelError(KeyError):
    """A name that no registry has."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put it in quotes


def registry_file() -> Path:
    """Return the path of the user's registry file, which may not exist."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_config_path

    return user_config_path("napari-sam2", appauthor=False) / "models.toml"


def models_folder() -> Path:
    """Return the folder beside the registry file whose models are named by their files."""
    return registry_file().parent / "models"


def make_registry_file() -> Path:
    """Return the path of the user's registry file; create it with examples if it is missing.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = registry_file()
    if not path.exists():
        with replacing(path) as part:
            part.write_text('{"models": {}}\n' if path.suffix == ".json" else _EXAMPLES, "utf-8")
    return path


def _built_in() -> Iterator[ModelEntry]:
    yield ModelEntry(
        name="cells_nano",
        description="the embedded default; quick on a CPU",
        images="Microscopy of many kinds",
        licence="BSD-3-Clause",
        config=CELLS_NANO,
        path=Path(__file__).parents[1] / "weights" / "cells_nano.safetensors",
        sha256=_CELLS_NANO_SHA256,
        origin="embedded",
        calibration=_CELLS_NANO_CALIBRATION,
    )
    for name, values in tomllib.loads(_OTHERS.read_text("utf-8")).items():
        values["config"] = (SAM1_NETWORKS | NAMED_CONFIGS)[values["config"]]
        yield ModelEntry(name=name, origin="released", **values)
    for name, config in RELEASED.items():
        yield _released(name, config)


def _released(name: str, config: SAM2Config) -> ModelEntry:
    size = name.partition("_hiera_")[2].replace("_", " ")
    score = f"; J&F {_J_AND_F[name]} on SA-V test" if name in _J_AND_F else ""
    return ModelEntry(
        name=name,
        description=f"Meta's SAM {config.version}, {size}{score}",
        licence="Apache-2.0",
        images="Everyday images",
        config=config,
        repo=f"facebook/{name.replace('_', '-')}",
        files=(f"{name}.pt", "model.safetensors"),
        sha256=_RELEASED_SHA256.get(name),
        origin="released",
    )


class _Source(NamedTuple):
    """A registry beside the built-in one: its name in messages, its folder, how to read it."""

    origin: str
    folder: Path | None
    read: Callable[[], object]


def _sources() -> Iterator[_Source]:
    path = registry_file()
    if path.is_file() or os.environ.get(VARIABLE):
        yield _Source(str(path), path.parent, partial(_read_file, path))
    folder = models_folder()
    if folder.is_dir():
        yield _Source(str(folder), folder, partial(read_user_models, folder))
    for point in entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist else point.value
        origin = f"{package} (entry point {point.name})"
        yield _Source(origin, None, partial(_read_entry_point, point, origin))


def _read_file(path: Path) -> object:
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:  # ValueError: those of TOML, JSON and UTF-8
        raise RegistryError(
            f"{path}: expected a readable TOML or JSON file with models, found: {error}"
        ) from error
    if not isinstance(content, dict) or content.keys() != {"models"}:
        found = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise RegistryError(
            f"{path}: expected the key 'models' alone, with a table for each model, "
            f"found {found or 'nothing'}"
        )
    return content["models"]


def _read_entry_point(point: EntryPoint, origin: str) -> object:
    try:
        content = point.load()
        return content() if callable(content) else content
    except Exception as error:  # another package's code, which may raise anything at all
        raise RegistryError(
            f"{origin}: expected models, found {type(error).__name__}: {error}"
        ) from error


def _add(entries: dict[str, ModelEntry], source: _Source) -> Iterator[str]:
    """Add the entries of one source; yield a message for each that is wrong."""
    try:
        found = source.read()
        if not isinstance(found, Mapping):
            raise RegistryError(
                f"{source.origin}: expected a table of models by name, found {found!r}"
            )
    except RegistryError as error:
        yield str(error)
        return
    for name, values in found.items():
        try:
            entry = parse_entry(str(name), values, source.origin, source.folder)
            if entry.name in entries:
                raise RegistryError(
                    f"{source.origin}: model {name!r}: expected a new name, found one that is "
                    f"taken ({entries[entry.name].origin}); rename it"
                )
        except RegistryError as error:
            yield str(error)
        else:
            entries[entry.name] = entry
