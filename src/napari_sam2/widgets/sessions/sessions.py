"""Session files: autosaved, saved and opened by the user, and recovered after a crash."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.history import History
from napari_sam2.io.sessions.saved_sessions import find_sessions
from napari_sam2.io.sessions.session_files import Fingerprint, Header, read_session
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, LayerFrames
from napari_sam2.movies.appearance import Appearance
from napari_sam2.widgets.inference.worker import SessionWorker
from napari_sam2.widgets.sessions.autosave import Autosave

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.layers.workspace import Workspace

FIRST_CHANNEL = Appearance(channels=(0,))


class Sessions(QObject):
    """The session files of one viewer.

    Parameters
    ----------
    model
        Returns the name of the model.
    restore
        Called with a workspace and the log from a file that it is to continue with.

    Attributes
    ----------
    recoverable
        The newest autosaved session of the chosen image, as long as nothing was done on it here;
        None if there is none.

    Signals
    -------
    changed
        `recoverable` changed.
    noticed, failed
        A sentence for the user, and an exception.
    """

    changed = Signal()
    noticed = Signal(str)
    failed = Signal(object)

    def __init__(
        self, model: Callable[[], str], restore: "Callable[[Workspace, History], None]"
    ) -> None:
        super().__init__()
        self.recoverable: Path | None = None
        self.files = SessionWorker("napari-sam2 files")
        self.files.failed.connect(self.failed)
        self._model = model
        self._restore = restore
        self._workspace: Workspace | None = None
        self._autosaves: dict[Workspace, Autosave] = {}
        self._left: list[Autosave] = []  # of images that left before they could be saved

    def choose(self, workspace: "Workspace | None") -> None:
        """Choose an image: autosave its log, and look for an earlier session of it."""
        self._workspace, self.recoverable = workspace, None
        if workspace is None:
            return
        if workspace not in self._autosaves:
            self._autosaves[workspace] = self._new_autosave(workspace)
        autosave = self._autosaves[workspace]
        if workspace.history.is_empty:
            self.files.submit(
                partial(find_sessions, autosave.image),
                then=partial(self._found, workspace),
                topic="found",
            )

    def begin_file(self, workspace: "Workspace") -> None:
        """Save what was done on an image, and what follows to another file."""
        self._autosaves[workspace].begin_file()

    def forget(self, workspace: "Workspace") -> None:
        """Save the log of an image that left the viewer."""
        autosave = self._autosaves.pop(workspace, None)
        if autosave is not None:
            autosave.save_now()
            self._left = [each for each in (*self._left, autosave) if each.has_new]

    def later(self) -> None:
        """Save new entries soon."""
        for autosave in self._autosaves.values():
            autosave.later()
        if self._workspace is not None and not self._workspace.history.is_empty:
            self.recoverable = None

    def save(self, path: Path) -> None:
        """Write the session of the chosen image to a file."""
        if self._workspace is not None:
            self._autosaves[self._workspace].save_as(path)

    def open(self, path: Path) -> None:
        """Continue with a session from a file in place of the log of the chosen image.

        That log stays in its autosaved file. A file of another image is reported.
        """
        workspace = self._workspace
        if workspace is None:
            return
        autosave = self._autosaves[workspace]
        notes: list[str] = []
        self.files.submit(
            lambda: (*read_session(path, notes.append), autosave.image()),
            then=lambda read: self._take(workspace, path, notes, *read),
            topic="open",
        )

    def recover(self) -> None:
        """Continue with the recoverable session."""
        if self.recoverable is not None:
            self.open(self.recoverable)

    @property
    def is_saved(self) -> bool:
        """Whether the files hold all that was done."""
        waiting = any(autosave.has_new for autosave in (*self._left, *self._autosaves.values()))
        return not (waiting or self.files.is_busy)

    @property
    def own_files(self) -> set[Path]:
        """The files that the logs are saved to."""
        return {autosave.path for autosave in self._autosaves.values() if autosave.path}

    def close(self) -> None:
        """End the thread and save new entries."""
        self.files.close()
        for autosave in (*self._left, *self._autosaves.values()):
            autosave.flush()
        self._left.clear()
        self._autosaves.clear()

    def _new_autosave(self, workspace: "Workspace") -> Autosave:
        look = fingerprint(workspace.image, workspace.geometry)
        autosave = Autosave(self.files, workspace.history, look, self._model)
        autosave.failed.connect(self.failed)
        autosave.noticed.connect(self.noticed)
        return autosave

    def _found(self, workspace: "Workspace", paths: list[Path]) -> None:
        paths = [path for path in paths if path not in self.own_files]
        if workspace is self._workspace and workspace.history.is_empty and paths:
            self.recoverable = paths[0]
            self.changed.emit()
            self.noticed.emit(
                f"You worked on {workspace.image.name} before: the link at the top of "
                "the dock reopens the last session."
            )

    def _take(
        self,
        workspace: "Workspace",
        path: Path,
        notes: list[str],
        header: Header,
        history: History,
        image: Fingerprint,
    ) -> None:
        if workspace not in self._autosaves:  # the image left meanwhile
            return
        difference = header.image.difference(image)
        if header.image.frames_differ(image):
            self.failed.emit(
                ValueError(
                    f"{path.name} belongs to another image, {header.image.name}: it {difference}"
                )
            )
            return
        for note in notes:
            self.noticed.emit(note)
        if difference:
            self.noticed.emit(
                f"{path.name} was made on another image, {header.image.name}: it {difference}. "
                "Its prompts and masks are shown on this one."
            )
        self.recoverable = None
        self._restore(workspace, history)
        self.changed.emit()


def fingerprint(image: "Image", geometry: FrameGeometry) -> Callable[[], Fingerprint]:
    """Return a function that makes the fingerprint of an image layer as it is now.

    It may be called on any thread, also when the layer has other pixels by then; it reads up to
    three frames, of the first channel.
    """
    return partial(
        Fingerprint.of,
        LayerFrames(image, geometry, FIRST_CHANNEL),
        image.name,
        place=geometry.place(),
        axes=tuple(map(str, image.axis_labels)),
        scale=tuple(map(float, image.scale)),
    )
