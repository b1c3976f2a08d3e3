"""Model files, looked after on a thread of its own: listed, downloaded, verified, removed."""

from collections.abc import Callable
from functools import partial
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.movies.background_threads import load_torch_libraries
from napari_sam2.widgets.inference.worker import SessionWorker

if TYPE_CHECKING:
    from sam2_torch.models.model_entry import ModelEntry

REPORT_EVERY_S = 0.1
CLOSE_TIMEOUT_S = 0.5


class ModelJobs(QObject):
    """Does what takes a while with model files, one thing after the other.

    Signals
    -------
    progressed
        Of a download: the bytes that are there, and those of all (None if unknown).
    failed
        The exception of a job. Its `then` is not called.
    """

    progressed = Signal(object, object)
    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._worker = SessionWorker("napari-sam2 models")
        self._worker.failed.connect(self.failed)
        self._cancelled = Event()

    def list_models(self, then: Callable[[Any], None]) -> None:
        """Look up all models; `then` gets a `ModelList`."""
        self._worker.submit(_list_models, then=then, topic="list")

    def list_devices(self, then: Callable[[Any], None]) -> None:
        """Look up the devices of this machine; `then` gets their descriptions."""
        self._worker.submit(_list_devices, then=then, topic="devices")

    def download(self, entry: "ModelEntry", then: Callable[[Any], None]) -> None:
        """Bring a model's file here; `then` gets its path. `DownloadCancelled` fails it."""
        self._cancelled.clear()
        self._worker.submit(partial(self._fetch, entry), then=then)

    def verify(self, entry: "ModelEntry", then: Callable[[Any], None]) -> None:
        """Compare a model's file with its checksum; `then` gets a `Verification`."""
        self._worker.submit(partial(_verify, entry), then=then)

    def remove(self, entry: "ModelEntry", then: Callable[[Any], None]) -> None:
        """Delete what was downloaded of a model; `then` gets the bytes that this freed."""
        self._worker.submit(partial(_remove, entry), then=then)

    def make_registry_file(self, then: Callable[[Any], None]) -> None:
        """See to it that there is a registry file to edit; `then` gets its path."""
        self._worker.submit(_make_registry_file, then=then)

    @property
    def is_cancelled(self) -> bool:
        """Whether the download is about to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop the download; what is there of it is kept for the next time."""
        self._cancelled.set()

    def close(self) -> None:
        """Stop what runs and end the thread.

        A network that does not answer is not waited for: the thread ends when it has given up.
        """
        self.cancel()
        self._worker.close(CLOSE_TIMEOUT_S)

    # on the thread

    def _fetch(self, entry: "ModelEntry") -> Any:
        from sam2_torch.models.downloads import DownloadCancelled, fetch

        reported_s = 0.0

        def progress(done: int, total: int | None) -> None:
            nonlocal reported_s
            if self._cancelled.is_set():
                raise DownloadCancelled(f"the download of {entry.name} was cancelled")
            now = monotonic()
            if now - reported_s > REPORT_EVERY_S or done == total:
                reported_s = now
                self.progressed.emit(done, total)

        return fetch(entry, progress=progress)


# These import the hub's client, or torch: on the thread, not when napari starts


def _list_models() -> Any:
    from sam2_torch.models.model_list import list_models

    return list_models()


def _list_devices() -> Any:
    load_torch_libraries()
    from sam2_torch.runtime.devices import describe_devices

    return describe_devices()


def _verify(entry: "ModelEntry") -> Any:
    from sam2_torch.models.model_cache import verify

    return verify(entry)


def _remove(entry: "ModelEntry") -> Any:
    from sam2_torch.models.model_cache import remove

    return remove(entry)


def _make_registry_file() -> Any:
    from sam2_torch.models.registry import make_registry_file

    return make_registry_file()
