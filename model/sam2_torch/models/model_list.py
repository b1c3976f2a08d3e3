"""List the models that can be chosen, without loading any."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sam2_torch.config import SAM2Config
from sam2_torch.models.model_cache import find_file, unfinished_bytes
from sam2_torch.models.model_entry import ModelEntry
from sam2_torch.models.registry import read_registry
from sam2_torch.models.speed_records import Speed, read_speeds


@dataclass(frozen=True)
class ModelStatus:
    """A model and its state on this computer.

    Parameters
    ----------
    entry
        The registry's entry.
    path
        Its file; None if it is not here.
    size_bytes
        Size of the file, or an estimate if it is not here; None if unknown.
    unfinished
        Size in bytes of an interrupted download.
    speeds
        Speeds measured on this computer, one for each device.
    """

    entry: ModelEntry
    path: Path | None = None
    size_bytes: int | None = None
    unfinished: int = 0
    speeds: tuple[Speed, ...] = ()

    @property
    def where(self) -> str:
        """Return where the file is: embedded, on disk, not downloaded, or missing."""
        if self.path is None:
            return "not downloaded" if self.entry.path is None else "file is missing"
        return "embedded" if self.entry.origin == "embedded" else "on disk"

    @property
    def can_download(self) -> bool:
        """Return whether the model is not here but can be downloaded."""
        return self.path is None and self.entry.path is None

    @property
    def can_remove(self) -> bool:
        """Return whether there is a download to delete, finished or not."""
        return self.entry.path is None and (self.path is not None or self.unfinished > 0)


class ModelList(NamedTuple):
    """All models in the registry's order, and a message for each entry that could not be read."""

    models: tuple[ModelStatus, ...]
    problems: tuple[str, ...]


def list_models() -> ModelList:
    """Return all models and their state on this computer; the network is not used."""
    entries, problems = read_registry()
    return ModelList(tuple(map(model_status, entries.values())), problems)


def model_status(entry: ModelEntry) -> ModelStatus:
    """Return the state of a model on this computer."""
    path = find_file(entry)
    about = None if entry.parameters is None else entry.parameters * 4
    size = about if path is None else path.stat().st_size
    speeds = read_speeds(entry.config) if isinstance(entry.config, SAM2Config) else ()
    return ModelStatus(entry, path, size, unfinished_bytes(entry), speeds)
