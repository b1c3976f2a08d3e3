"""Which network is in use, where it is, and on which image it is open."""

from collections.abc import Callable
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
    """Loads a network on the worker's thread, and opens one image after the other with it.

    Parameters
    ----------
    worker, owner
        The thread that calls the network, and what it owns.

    Attributes
    ----------
    model
        Name or path, and device, of what `open` loads.
    device, dtype
        Where it is, and its precision; empty as long as it is not loaded.
    is_loading, is_unloaded
        Whether it is on its way, and whether the user has freed its memory.

    Signals
    -------
    changed
        One of the attributes is different now.
    failed
        Why it cannot be loaded, if the one from before goes on.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, worker: SessionWorker, owner: SessionOwner) -> None:
        super().__init__()
        self.model = EMBEDDED_MODEL
        self.device = self.dtype = ""
        self.is_loading = self.is_unloaded = False
        self._worker = worker
        self._owner = owner
        self._opened: tuple[Workspace, tuple[str, str]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open on an image, or on its way to be."""
        return self._opened is not None

    def is_open_on(self, workspace: Workspace) -> bool:
        """Tell whether it is open on this image, or on its way to be."""
        return self._opened is not None and self._opened[0] is workspace

    def open(self, workspace: Workspace) -> bool:
        """Load it and the image; False if both are open already.

        All that the worker was to do is dropped.
        """
        if self._opened == (workspace, self.model):
            return False
        self._worker.clear()
        self._opened = (workspace, self.model)
        self.is_loading, self.is_unloaded = True, False
        self.device = self.dtype = ""
        self._worker.submit(
            partial(
                self._owner.open,
                self.model,
                workspace.frames,
                workspace.masklets,
                workspace.objects,
                workspace.confidence,
            ),
            then=self._show_opened,
        )
        return True

    def outdate(self) -> None:
        """Let the next `open` open the image anew."""
        self._opened = None

    def leave(self) -> None:
        """Let go of the image; the network stays."""
        self._worker.clear()
        if self._opened is not None:
            self._worker.submit(self._owner.close)
            self._opened = None
        self.is_loading = False

    def unload(self) -> None:
        """Let go of the image, and free the memory of the network."""
        self._worker.clear()
        self._worker.submit(self._owner.unload)
        self._opened, self.device, self.dtype = None, "", ""
        self.is_loading, self.is_unloaded = False, True

    def note_failure(self) -> None:
        """Something failed on the worker: what was being loaded is not there."""
        if self.is_loading:
            self.is_loading, self._opened = False, None

    def preview(self, workspace: Workspace, then: Callable[[tuple[Any, str]], None]) -> None:
        """Make a picture of what it sees of the frame that is shown."""
        picture = partial(
            preview,
            workspace.frames,
            workspace.shown_frame or 0,
            workspace.shown_centre,
            workspace.appearance,
            PREVIEW_PX,
        )
        self._worker.submit(picture, then=then, topic="preview")

    def _show_opened(self, opened: Opened) -> None:
        self.is_loading, self.device, self.dtype = False, opened.device, opened.dtype
        if opened.failure is not None and self._opened is not None:
            self.model = opened.model  # the one from before goes on
            self._opened = self._opened[0], opened.model
            self.failed.emit(opened.failure)
        self.changed.emit()
