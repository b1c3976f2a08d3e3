"""A server on this machine that answers as the Hugging Face Hub does, and fails as told."""

import errno
import hashlib
import os
import shutil
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sam2_torch.models.model_entry import ModelEntry

COMMIT = "c" * 40
PAYLOAD = bytes(range(256)) * 8192  # 2 MiB


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Hub:
    """What the server has, what it does wrong, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # "owner/name/file" or "plain/file"
    announced: dict[str, tuple[str, int]] = field(default_factory=dict)  # else the truth
    break_after: int | None = None  # bytes of an answer, then the line goes dead
    refuses: int | None = None  # status of every answer
    hold_after: int | None = None  # bytes of an answer, then it waits for `go_on`
    go_on: threading.Event = field(default_factory=threading.Event)
    gives_ranges: bool = True
    ranges: list[str | None] = field(default_factory=list)  # asked for with the content
    tokens: list[str | None] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def entry(self, **changes: object) -> ModelEntry:
        values = {"name": "net", "repo": "lab/net", "files": ("net.pt",), "origin": "a registry"}
        return ModelEntry(**{**values, **changes})

    def plain(self, content: bytes = PAYLOAD, **changes: object) -> ModelEntry:
        self.put("plain/net.pt", content)
        url = f"{self.url}/plain/net.pt?download=1"
        return self.entry(**{"repo": None, "files": (), "url": url, **changes})


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does: from /OWNER/NAME/resolve/main/FILE it points to another host."""

    protocol_version = "HTTP/1.1"
    hub: Hub  # in the subclass that `hub` makes

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.close_connection = True
        path = urlsplit(self.path).path.strip("/")
        name = path.removeprefix("cdn/").replace("/resolve/main", "")
        if self.hub.refuses:
            self._head(self.hub.refuses)
        elif name not in self.hub.files:
            self._head(404, {"X-Error-Code": "EntryNotFound"})
        elif "/resolve/" in path:
            self._point_to_content(name)
        else:
            self._content(self.hub.files[name])

    def _point_to_content(self, name: str) -> None:
        content = self.hub.files[name]
        digest, size = self.hub.announced.get(name, (sha256(content), len(content)))
        headers = {
            "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn/{name}",
            "ETag": f'"{COMMIT}"',
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(size),
        }
        self._head(302, headers)

    def _content(self, content: bytes) -> None:
        asked = self.headers.get("Range")
        self.hub.ranges.append(asked)
        self.hub.tokens.append(self.headers.get("Authorization"))
        start = int(asked[6:-1]) if asked and self.hub.gives_ranges else 0  # bytes=START-
        if start and start >= len(content):
            return self._head(416)
        rest = content[start:]
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        partial = {"Content-Range": place} if start else {}
        self._head(206 if start else 200, {"Content-Length": str(len(rest)), **partial})
        with suppress(ConnectionError):  # the client has heard enough
            if self.hub.hold_after is not None:
                self.wfile.write(rest[: self.hub.hold_after])
                self.hub.go_on.wait(20)
                rest = rest[self.hub.hold_after :]
            self.wfile.write(rest[: self.hub.break_after])

    def _head(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": "0",
            "Connection": "close",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "hf" / "assets"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NAPARI_SAM2_MODELS", "")
    return tmp_path / "hf"


@pytest.fixture
def hub(cache, monkeypatch):
    """The server, as the mirror that HF_ENDPOINT names."""
    from huggingface_hub import close_session, constants

    from sam2_torch.models import http_transfer

    hub = Hub()
    handler = type("HubHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(http_transfer, "_PAUSE_S", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    hub.put("lab/net/net.pt", PAYLOAD)
    close_session()
    yield hub
    hub.go_on.set()
    close_session()
    server.shutdown()
    server.server_close()
    thread.join()


def finished(cache: Path) -> list[str]:
    """Name the files that have their final names."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    ours = [path.name for path in files if path.suffix not in (".lock", ".json", ".TAG")]
    return sorted(n for n in ours if not n.endswith(".incomplete") and n not in ("main",))


def unfinished(cache: Path) -> list[int]:
    return [path.stat().st_size for path in cache.rglob("*.incomplete")]


def refused(status):
    def fail(hub, monkeypatch):
        hub.refuses = status

    return fail


def interrupted(hub, monkeypatch):
    hub.break_after, hub.gives_ranges = 300_000, False


def truncated(hub, monkeypatch):
    hub.announced["lab/net/net.pt"] = sha256(PAYLOAD), len(PAYLOAD) + 100


def wrong_checksum(hub, monkeypatch):
    hub.announced["lab/net/net.pt"] = "0" * 64, len(PAYLOAD)


def full_disk(hub, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def disk_fills_up(hub, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)


def no_permission(hub, monkeypatch):
    real = Path.open

    def refuse(path, mode="r", *args, **kwargs):
        if "w" in mode and path.name.endswith(".incomplete"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)


def no_network(hub, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as taken:  # free again in a moment, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/{filename}")


def offline(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


FAILURES = (
    (refused(404), "expected a file at"),
    (refused(401), "gives no permission"),
    (refused(503), "cannot answer now (HTTP 503)"),
    (interrupted, "the connection to 127.0.0.1 failed"),
    (truncated, "truncated or being changed"),
    (wrong_checksum, "damaged or replaced; nothing was kept"),
    (full_disk, "found 1 MB; make room"),
    (disk_fills_up, "found the disk full; nothing was kept"),
    (no_permission, "permission to write in"),
    (no_network, "the connection to 127.0.0.1 failed"),
    (offline, "downloads are off"),
)
"""Ways to break a download, and what the user is told of each."""


@pytest.fixture(params=FAILURES, ids=lambda param: f"{param[0].__name__}: {param[1][:12]}")
def failure(request, hub, monkeypatch):
    """Break something, by a call; what the user is told of it."""
    fail, sentence = request.param
    return partial(fail, hub, monkeypatch), sentence
