"""Download checkpoints to the cache, and check them before they are used."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
)
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

from sam2_torch.models.http_transfer import (
    DownloadCancelled,
    DownloadError,
    Progress,
    checksum,
    explained,
    fast_checksum,
    transfer,
)
from sam2_torch.models.model_cache import (
    UNFINISHED,
    Record,
    find_file,
    plain_file,
    repo_folder,
    write_record,
)
from sam2_torch.models.model_entry import ModelEntry

__all__ = ["DownloadCancelled", "DownloadError", "Progress", "fetch"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"[\w-]+")  # it becomes the name of a file


@dataclass(frozen=True)
class _Source:
    """Address of a file, what it should contain, and where it is written."""

    url: str
    target: Path
    lock: Path
    file: str = ""  # in a repository
    size: int | None = None
    sha256: str | None = None
    xxh128: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + UNFINISHED)

    @property
    def can_resume(self) -> bool:
        """Return whether a checksum or size can show that two parts are of different versions."""
        return (self.sha256, self.xxh128, self.size) != (None, None, None)


def fetch(entry: ModelEntry, *, local_only: bool = False, progress: Progress | None = None) -> Path:
    """Return the path of a model's file, downloading it if it is not on this computer.

    Parameters
    ----------
    entry
        The model.
    local_only
        Whether to fail instead of downloading; HF_HUB_OFFLINE=1 does the same.
    progress
        Called on the caller's thread with the number of bytes received and of all (None if
        unknown). What it raises stops the download, preferably `DownloadCancelled`; the part
        received so far is kept for the next time.

    Raises
    ------
    DownloadError
        If the model cannot be downloaded. No file is left under its final name.
    FileNotFoundError
        If the entry names a file on this computer that is not there.
    """
    found = find_file(entry)
    if found is not None:
        return found
    what = f"model {entry.name!r}"
    if entry.path is not None:
        raise FileNotFoundError(
            f"{what} ({entry.origin}): expected a file at {entry.path}, found none"
        )
    if local_only or constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"{what} is not on this machine, and downloads are off (--local-only or "
            f"HF_HUB_OFFLINE); `napari-sam2 models download {entry.name}` fetches it where "
            "there is a network, cells_nano needs none"
        )
    return _download(entry, what, progress or _ignore)


def _download(entry: ModelEntry, what: str, progress: Progress) -> Path:
    address = entry.url or constants.ENDPOINT
    with explained(what, address):
        source = _hub_source(entry) if entry.repo else _plain_source(entry)
    with explained(what, source.url, source.part):
        with _locked(source.lock, progress):
            if find_file(entry) is None and not (entry.repo and source.target.is_file()):
                _receive(entry, source, progress)
        return _linked(entry, source) if entry.repo else source.target


def _hub_source(entry: ModelEntry) -> _Source:
    """Return the first of a model's files that the hub has."""
    for file in entry.files:
        url = hf_hub_url(entry.repo or "", file, endpoint=constants.ENDPOINT)
        try:
            metadata = get_hf_file_metadata(url)
        except HfHubHTTPError as error:
            if error.response.status_code != 404 or file == entry.files[-1]:
                raise
        else:
            break
    etag = metadata.etag or ""
    if not _ETAG.fullmatch(etag):
        raise DownloadError(
            f"expected the hub's ETag from {url}, found {etag!r}; check HF_ENDPOINT"
        )
    announced = etag if _SHA256.fullmatch(etag) else None  # that of large files is their checksum
    expected = entry.sha256 if file == entry.files[0] else None  # other layouts have others
    if expected and announced and expected != announced:
        raise DownloadError(
            f"expected a file with the checksum of {entry.origin}, {expected}, found one "
            f"with {announced} at {url}; correct the registry if the file has a new version"
        )
    folder = repo_folder(entry)
    return _Source(
        url,
        folder / "blobs" / etag,
        folder.parent / ".locks" / folder.name / f"{etag}.lock",  # the hub's own
        file,
        metadata.size,
        expected or announced,
        headers=build_hf_headers(),
    )


def _plain_source(entry: ModelEntry) -> _Source:
    target = plain_file(entry)
    lock = target.parent.with_suffix(".lock")
    return _Source(entry.url or "", target, lock, sha256=entry.sha256, xxh128=entry.xxh128)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Let one process at a time download a file; waiting processes can be cancelled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(WeakFileLock(path, timeout=1))
                break
            except TimeoutError:
                progress(0, None)
        yield


def _receive(entry: ModelEntry, source: _Source, progress: Progress) -> None:
    """Download a file, check it and move it to its final name."""
    part = source.part
    if not source.can_resume:
        part.unlink(missing_ok=True)
    try:
        transfer(source.url, part, size=source.size, headers=source.headers, progress=progress)
    except BaseException:  # a cancelled download, too
        if not source.can_resume:
            part.unlink(missing_ok=True)
        raise
    found = checksum(part)
    for expected, compute in ((source.sha256, lambda _: found), (source.xxh128, fast_checksum)):
        if expected is not None and expected != (other := compute(part)):
            part.unlink()
            raise DownloadError(
                f"expected a file with the checksum {expected} from {source.url}, found "
                f"{other}: it was damaged or replaced; nothing was kept, try again"
            )
    size = part.stat().st_size
    os.replace(part, source.target)
    write_record(entry, Record(source.file or source.target.name, source.url, size, found))


def _linked(entry: ModelEntry, source: _Source) -> Path:
    """Let the hub's client link a blob under its name in the repository."""
    path = Path(hf_hub_download(entry.repo or "", source.file, endpoint=constants.ENDPOINT))
    if not path.is_symlink():  # Windows without developer mode: it made a copy
        source.target.unlink(missing_ok=True)
    return path


def _ignore(done: int, total: int | None) -> None:
    pass
