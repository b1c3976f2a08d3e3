"""Find, verify and remove models on this computer, without the network.

Files of the Hugging Face Hub are in its cache, where `transformers` and the command `hf` find
them, too. Files of plain addresses, and a record of each download, are in the hub's folder for
assets: HF_HOME moves everything together.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

from sam2_torch.models.http_transfer import checksum
from sam2_torch.models.local_files import replacing
from sam2_torch.models.model_entry import ModelEntry, file_name

UNFINISHED = ".napari-sam2.incomplete"
"""What names of unfinished downloads end in."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Record:
    """Record of a downloaded file.

    Parameters
    ----------
    file
        Its name.
    source
        The address that it came from.
    size
        In bytes.
    sha256
        Checksum at the time of the download.
    """

    file: str
    source: str
    size: int
    sha256: str


class Verification(NamedTuple):
    """A file's checksum, and the expected one; None if that is unknown."""

    path: Path
    sha256: str
    expected: str | None

    @property
    def is_intact(self) -> bool | None:
        """Return whether the file has the expected checksum; None if that is unknown."""
        return None if self.expected is None else self.sha256 == self.expected


def find_file(entry: ModelEntry) -> Path | None:
    """Return the file of a model on this computer; None if it is not here."""
    if entry.path is not None:
        return entry.path if entry.path.is_file() else None
    return next((path for path in _cached(entry) if _is_right(entry, path)), None)


def unfinished_bytes(entry: ModelEntry) -> int:
    """Return the size of an interrupted download; 0 if there is none."""
    if entry.path is not None:
        return 0
    folder = plain_file(entry).parent if entry.url is not None else repo_folder(entry) / "blobs"
    return sum(path.stat().st_size for path in folder.glob(f"*{UNFINISHED}"))


def plain_file(entry: ModelEntry) -> Path:
    """Return the path for the file of a plain address."""
    return _folder() / entry.name / file_name(entry.url or "")


def repo_folder(entry: ModelEntry) -> Path:
    """Return the folder of a model's repository in the hub's cache."""
    folder = repo_folder_name(repo_id=entry.repo or "", repo_type="model")
    return Path(constants.HF_HUB_CACHE) / folder


def read_record(entry: ModelEntry) -> Record | None:
    """Read the record of a model's download; None if there is none."""
    try:
        return Record(**json.loads(_record_file(entry).read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or not ours: as good as nothing
        return None


def write_record(entry: ModelEntry, record: Record) -> None:
    """Write the record of a model's download."""
    with replacing(_record_file(entry)) as part:
        part.write_text(json.dumps(asdict(record), indent=1), "utf-8")


def verify(entry: ModelEntry) -> Verification:
    """Compute the checksum of a model's file and look up the expected one.

    The registry's checksum counts first, then the one at download, then the hub's.

    Raises
    ------
    FileNotFoundError
        If the model is not on this computer.
    """
    path = find_file(entry)
    if path is None:
        raise FileNotFoundError(
            f"model {entry.name!r}: expected a downloaded file, found none; "
            f"`napari-sam2 models download {entry.name}` fetches it"
        )
    return Verification(path, checksum(path), entry.sha256 or _known_checksum(entry, path))


def remove(entry: ModelEntry) -> int:
    """Delete the downloaded files of a model, unfinished ones too, and return the bytes freed.

    Raises
    ------
    ValueError
        If the model was not downloaded: it is embedded, or a file of the user's.
    OSError
        If a file cannot be deleted.
    """
    if entry.path is not None:
        raise ValueError(
            f"model {entry.name!r}: expected a downloaded one, found {entry.path}, which was "
            "not; delete it yourself if you mean it"
        )
    freed = 0
    for path in list(_downloaded(entry)):
        freed += 0 if path.is_symlink() else path.stat().st_size
        path.unlink()
    if entry.url is not None:
        shutil.rmtree(plain_file(entry).parent, ignore_errors=True)
    _record_file(entry).unlink(missing_ok=True)
    return freed


def _folder() -> Path:
    return Path(constants.HF_ASSETS_CACHE) / "napari-sam2" / "models"


def _record_file(entry: ModelEntry) -> Path:
    return _folder() / f"{entry.name}.json"


def _cached(entry: ModelEntry) -> Iterator[Path]:
    """Yield the files that may be the model's."""
    if entry.url is not None and plain_file(entry).is_file():
        yield plain_file(entry)
    for file in entry.files:
        found = try_to_load_from_cache(entry.repo or "", file)
        if isinstance(found, str):
            yield Path(found)


def _is_right(entry: ModelEntry, path: Path) -> bool:
    """Return whether a cached file is still the one that the registry names."""
    is_first = entry.url is not None or path.name == entry.files[0]
    if entry.sha256 is not None and is_first:  # other layouts have other checksums
        return _known_checksum(entry, path) in (None, entry.sha256)
    record = read_record(entry)
    return entry.url is None or record is None or record.source == entry.url


def _known_checksum(entry: ModelEntry, path: Path) -> str | None:
    """Return a file's checksum at download; the hub's cache names files by it."""
    record = read_record(entry)
    if record is not None and record.file == path.name:
        return record.sha256
    blob = path.resolve().name
    return blob if _SHA256.fullmatch(blob) else None


def _downloaded(entry: ModelEntry) -> Iterator[Path]:
    """Yield all files of a model in the caches: links first, then their targets."""
    if entry.url is not None:
        yield from plain_file(entry).parent.glob("*")
        return
    folder = repo_folder(entry)
    links = [path for file in entry.files for path in folder.glob(f"snapshots/*/{file}")]
    yield from links
    yield from {path.resolve() for path in links if path.is_symlink() and path.exists()}
    yield from folder.glob(f"blobs/*{UNFINISHED}")
