"""Transfer a file over HTTP, resuming where it broke off, with errors that a user can act on."""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from huggingface_hub import constants, get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with how many bytes are there and how many there are in all, None if unknown."""

# Which HTTP library the hub's client stands on has changed twice: its errors are those that
# the client's own inherit from
NetworkError: type[Exception] = HfHubHTTPError.__bases__[0]

_TRIES = 3
_PAUSE_S = 1.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DownloadError(OSError):
    """A model that could not be downloaded; the message says why and what to do."""


class DownloadCancelled(InterruptedError):
    """Raised by a progress callback to stop a download; it can be resumed later."""


def transfer(
    url: str,
    part: Path,
    *,
    size: int | None,
    headers: Mapping[str, str],
    progress: Progress,
) -> None:
    """Download a file, resuming an earlier part.

    Parameters
    ----------
    url
        Address of the file.
    part
        File to write to; an interrupted transfer leaves it for the next one.
    size
        In bytes, if known.
    headers
        Sent with the request, but not to another host that it is redirected to.
    progress
        Called after each block with the number of bytes received and of all.

    Raises
    ------
    DownloadError
        If the disk is too small, or the file has another size than announced.
    OSError, NetworkError
        Errors of the disk and the network, to be wrapped by `explained`.
    """
    _check_room(part, size)
    tries = _TRIES
    while size is None or _size(part) < size:
        before = _size(part)
        try:
            _stream(url, part, headers, progress)
            break
        except HfHubHTTPError:  # the server is there, and says no
            raise
        except NetworkError:
            tries = _TRIES if _size(part) > before else tries - 1
            if not tries:
                raise
            time.sleep(_PAUSE_S)
    found = _size(part)
    if size is not None and found != size:
        part.unlink()
        raise DownloadError(
            f"expected {size} bytes from {url}, found {found}: the file there is truncated or "
            "being changed; nothing was kept, try again later"
        )


def _stream(url: str, part: Path, headers: Mapping[str, str], progress: Progress) -> None:
    """Append the missing bytes, or start again where the server sends no ranges."""
    have = _size(part)
    ranged = {"Range": f"bytes={have}-"} if have else {}
    with get_session().stream(
        "GET",
        url,
        headers={**headers, **ranged, "Accept-Encoding": "identity"},
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
    ) as response:
        if have and response.status_code == 416:  # nothing follows: the rest is another file's
            part.unlink()
            return _stream(url, part, headers, progress)
        hf_raise_for_status(response)
        done = have if response.status_code == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with part.open("ab" if done else "wb") as file:
            progress(done, total)
            for piece in response.iter_bytes():
                file.write(piece)
                done += len(piece)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())


def _check_room(part: Path, size: int | None) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    missing = 0 if size is None else size - _size(part)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise DownloadError(
            f"expected {missing / 1e6:.0f} MB of free disk in {part.parent}, found "
            f"{free / 1e6:.0f} MB; make room, or set HF_HOME to a folder on another disk"
        )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fast_checksum(path: Path) -> str:
    """Return the xxHash (128 bits) of a file, by which micro-sam knows its models."""
    from xxhash import xxh3_128

    with path.open("rb") as file:
        return hashlib.file_digest(file, xxh3_128).hexdigest()


@contextmanager
def explained(what: str, url: str, part: Path | None = None) -> Iterator[None]:
    """Convert errors of disk and network to a `DownloadError` of one sentence.

    Parameters
    ----------
    what
        Name of the download, with which the sentence begins.
    url
        Address of the file.
    part
        File that is written.
    """
    try:
        yield
    except DownloadCancelled:
        raise
    except DownloadError as error:
        raise DownloadError(f"{what}: {error}") from error.__cause__
    except HfHubHTTPError as error:
        reason = _refusal(error.response.status_code, url) + _kept(part)
        raise DownloadError(f"{what}: {reason}") from error
    except OSError as error:
        reason = _local_reason(error, part) or _network_reason(error, url, part)
        raise DownloadError(f"{what}: {reason}") from error
    except NetworkError as error:
        raise DownloadError(f"{what}: {_network_reason(error, url, part)}") from error


def _refusal(status: int, url: str) -> str:
    host = urlsplit(url).hostname
    if status in (401, 403):
        return (
            f"{host} gives no permission for {url} ({status}); if it is private or gated, log "
            "in with `hf auth login` or set HF_TOKEN; else check the name"
        )
    if status in (404, 410):
        return (
            f"expected a file at {url}, found none ({status}); check the registry's entry, or "
            "HF_ENDPOINT if a mirror is set"
        )
    return f"{host} cannot answer now (HTTP {status}); try again later"


def _local_reason(error: OSError, part: Path | None) -> str | None:
    """Return why the disk refused to write; None if the disk is not the cause."""
    folder = Path(error.filename).parent if error.filename else part.parent if part else None
    if error.errno in _NO_ROOM:
        if part is not None:
            part.unlink(missing_ok=True)  # a full disk is worse than a second download
        return (
            f"expected room for it in {folder}, found the disk full; nothing was kept: make "
            "room, or set HF_HOME to a folder on another disk"
        )
    if error.errno in _NOT_ALLOWED:
        return (
            f"expected permission to write in {folder}, found none ({error.strerror}); change "
            "it, or set HF_HOME to a folder of yours"
        )
    if error.errno is not None:
        return f"expected to write in {folder}, found that it fails ({error.strerror})"
    return None


def _network_reason(error: Exception, url: str, part: Path | None) -> str:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return (
        f"the connection to {urlsplit(url).hostname} failed ({reason}); check the network, "
        f"the proxy (HTTPS_PROXY) and HF_ENDPOINT, then try again{_kept(part)}"
    )


def _kept(part: Path | None) -> str:
    if part is None or not _size(part):
        return ""
    return f"; {_size(part) / 1e6:.1f} MB are kept, and the next try goes on from there"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
