"""The model in use, its device, and the image that is open with it."""

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.layers.workspace import Workspace
from napari_sam2.movies.appearance import preview
from napari_sam2.widgets.inference.loaded_model import Opened
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker

EMBEDDED_MODEL = ("cells_nano", "auto")
PREVIEW_PX = 240


class Network(QObject):
    """Loads models on the inference thread and opens images with them, one at a time.

    Parameters
    ----------
    worker, owner
        The inference thread, and the model and session that it owns.

    Attributes
    ----------
    worker
        The inference thread.
    model
        Name or path, and device, of the model that `open` loads.
    device, dtype
        Device and precision of the loaded model; empty while none is loaded.
    is_loading, is_unloaded
        Whether the model is being loaded; whether the user has freed its memory.

    Signals
    -------
    changed
        One of the attributes changed.
    failed
        The exception of a model that could not be loaded while the previous one stays in use.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, worker: SessionWorker, owner: SessionOwner) -> None:
        super().__init__()
        self.model = EMBEDDED_MODEL
        self.device = self.dtype = ""
        self.is_loading = self.is_unloaded = False
        self.worker = worker
        self._owner = owner
        self._opened: tuple[Workspace, tuple[str, str]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether an image is open, or being opened."""
        return self._opened is not None

    def is_open_on(self, workspace: Workspace) -> bool:
        """Return whether this image is open, or being opened."""
        return self._opened is not None and self._opened[0] is workspace

    def open(self, workspace: Workspace) -> bool:
        """Load the model and open the image with it; requests that wait are dropped.

        Returns
        -------
        False if it is open already.
        """
        if self._opened == (workspace, self.model):
            return False
        self.worker.clear()
        self._opened = (workspace, self.model)
        self.is_loading, self.is_unloaded = True, False
        self.device = self.dtype = ""
        self.worker.submit(
            partial(self._owner.open, self.model, workspace.frames), then=self._show_opened
        )
        return True

    def submit(
        self,
        function: Callable[[SessionOwner], Any],
        then: Callable[[Any], None] | None = None,
        topic: Hashable = None,
    ) -> None:
        """Call a function on the inference thread.

        Parameters
        ----------
        function
            Gets the owner of model and session.
        then
            Gets the result, on the GUI thread; not called after an error, which the worker's
            `failed` emits.
        topic
            Of several requests with one topic only the newest counts.
        """
        self.worker.submit(partial(function, self._owner), then=then, topic=topic)

    def stream(
        self,
        function: Callable[[SessionOwner], Iterator[Any]],
        each: Callable[[Any], None],
        then: Callable[[bool], None] | None = None,
    ) -> None:
        """Run a generator on the inference thread; requests are answered between its steps.

        Parameters
        ----------
        function
            Gets the owner of model and session, and returns the generator.
        each
            Gets each value, on the GUI thread.
        then
            Gets whether the generator reached its end; `SessionWorker.cancel` closes it before.
        """
        self.worker.stream(partial(function, self._owner), each=each, then=then)

    def outdate(self) -> None:
        """Let the next `open` open the image again."""
        self._opened = None

    def leave(self) -> None:
        """Close the image; the model stays loaded."""
        self.worker.clear()
        if self._opened is not None:
            self.worker.submit(self._owner.close)
            self._opened = None
        self.is_loading = False

    def unload(self) -> None:
        """Close the image and free the memory of the model."""
        self.worker.clear()
        self.worker.submit(self._owner.unload)
        self._opened, self.device, self.dtype = None, "", ""
        self.is_loading, self.is_unloaded = False, True

    def note_failure(self) -> None:
        """Note that a request failed: a model that was being loaded is not there."""
        if self.is_loading:
            self.is_loading, self._opened = False, None

    def preview(self, workspace: Workspace, then: Callable[[tuple[Any, str]], None]) -> None:
        """Make a picture of the shown frame as the network sees it."""
        picture = partial(
            preview,
            workspace.frames,
            workspace.shown_frame or 0,
            workspace.shown_centre,
            workspace.appearance,
            PREVIEW_PX,
        )
        self.worker.submit(picture, then=then, topic="preview")

    def _show_opened(self, opened: Opened) -> None:
        self.is_loading, self.device, self.dtype = False, opened.device, opened.dtype
        if opened.failure is not None and self._opened is not None:
            self.model = opened.model  # the one from before goes on
            self._opened = self._opened[0], opened.model
            self.failed.emit(opened.failure)
        self.changed.emit()
