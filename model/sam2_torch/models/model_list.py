"""The models that can be chosen: what is known of each, without loading any."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sam2_torch.models.model_cache import find_file, unfinished_bytes
from sam2_torch.models.model_entry import ModelEntry
from sam2_torch.models.registry import read_registry
from sam2_torch.models.speed_records import Speed, recall_speeds


@dataclass(frozen=True)
class ModelStatus:
    """A model, and what of it is on this machine.

    Parameters
    ----------
    entry
        What the registry says.
    path
        Its file; None if it is not here.
    size_bytes
        Of the file, about that if it is not here; None if unknown.
    unfinished
        How many bytes of an interrupted download are kept.
    speeds
        What was measured on this machine, one for each device; empty if nothing was.
    """

    entry: ModelEntry
    path: Path | None = None
    size_bytes: int | None = None
    unfinished: int = 0
    speeds: tuple[Speed, ...] = ()

    @property
    def where(self) -> str:
        """Say where the file is: embedded, on disk, not downloaded, or missing."""
        if self.path is None:
            return "not downloaded" if self.entry.path is None else "file is missing"
        return "embedded" if self.entry.origin == "embedded" else "on disk"

    @property
    def can_download(self) -> bool:
        """Whether it is not here, but can be had."""
        return self.path is None and self.entry.path is None

    @property
    def can_remove(self) -> bool:
        """Whether there is something of a download to delete."""
        return self.entry.path is None and (self.path is not None or self.unfinished > 0)


class ModelList(NamedTuple):
    """All models in the registry's order, and what is wrong with entries that are not there."""

    models: tuple[ModelStatus, ...]
    problems: tuple[str, ...]


def list_models() -> ModelList:
    """Look up all models and what of them is on this machine; the network is not touched."""
    entries, problems = read_registry()
    return ModelList(tuple(map(model_status, entries.values())), problems)


def model_status(entry: ModelEntry) -> ModelStatus:
    """Look up what of a model is on this machine."""
    path = find_file(entry)
    about = None if entry.parameters is None else entry.parameters * 4
    size = about if path is None else path.stat().st_size
    speeds = () if entry.config is None else recall_speeds(entry.config)
    return ModelStatus(entry, path, size, unfinished_bytes(entry), speeds)
