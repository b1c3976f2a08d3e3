"""The state that all docks of a viewer share: its images, its model and its session files."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.history import History
from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.layers.mask_layers.masklet_levels import is_own
from napari_sam2.layers.viewer.image_geometry import Along, FrameGeometry
from napari_sam2.layers.workspace import Workspace
from napari_sam2.movies.background_threads import freeze, is_frozen, thaw
from napari_sam2.widgets.annotator.mask_candidates import MaskCandidates
from napari_sam2.widgets.annotator.object_commands import ObjectCommands
from napari_sam2.widgets.annotator.open_suggestions import OpenSuggestions
from napari_sam2.widgets.annotator.preview_request import Neighbours
from napari_sam2.widgets.annotator.propagation import Propagation
from napari_sam2.widgets.annotator.readiness import Readiness
from napari_sam2.widgets.annotator.work import Work
from napari_sam2.widgets.annotator.works import Works
from napari_sam2.widgets.inference.network import Network
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import SessionWorker
from napari_sam2.widgets.sessions.sessions import Sessions

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer


class Annotator(QObject):
    """Chooses the image and the model that the docks of a viewer work with.

    All docks of a viewer share one: `annotator_of_viewer.annotator_of` returns it.

    Parameters
    ----------
    viewer
        The viewer of the images.
    owner
        Loads models and starts sessions on the inference thread.

    Attributes
    ----------
    worker
        The inference thread.
    network
        The model, and the image that is open with it.
    propagation, candidates, neighbours
        The propagation that runs; the other candidates of a click; the preview of a prompt on
        neighbouring frames.
    sessions
        Session files.
    readiness
        Lets the first layers wait until napari is ready for them.
    suggestions
        Suggested corrections of tracks that the user has not decided on.
    is_closed
        Whether the viewer is closed.

    Signals
    -------
    changed
        Something that a dock shows changed.
    progressed, ended
        Of a propagation: `Progress`, and whether it reached its end.
    noticed, failed
        A sentence for the user, and an exception.
    closed
        The viewer's window is closed; the thread has ended.
    """

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(bool)
    noticed = Signal(str)
    failed = Signal(object)
    closed = Signal()

    def __init__(self, viewer: "ViewerModel", owner: SessionOwner | None = None) -> None:
        super().__init__()
        self.viewer = viewer
        self.is_closed = False
        self.worker = SessionWorker()
        self.network = Network(self.worker, owner or SessionOwner())
        self.propagation = Propagation(self.network)
        self.candidates = MaskCandidates()
        self.neighbours = Neighbours(self.network)
        self.sessions = Sessions(lambda: self.network.model[0], self._restore)
        self.readiness = Readiness(self.sessions.files)
        self.suggestions = OpenSuggestions()
        self._works = Works(viewer, self._begin_work)
        self._work: Work | None = None
        self._connect()

    @property
    def has_image(self) -> bool:
        """Whether an image is chosen."""
        return self._work is not None

    @property
    def work(self) -> Work:
        """The work on the chosen image.

        Raises
        ------
        LookupError
            If no image is chosen.
        """
        if self._work is None:
            raise LookupError("expected an image that is worked on, found none: choose one first")
        return self._work

    @property
    def workspace(self) -> Workspace | None:
        """Layers and log of the chosen image; None if none is chosen."""
        return None if self._work is None else self._work.workspace

    @property
    def workspaces(self) -> tuple[Workspace, ...]:
        """Layers and logs of all images that were worked on, the first one first."""
        return tuple(work.workspace for work in self._works)

    # Short names that scripts outside of this package drive a dock by (`benchmarks/`, reports of
    # faults): each is what the part itself offers.

    @property
    def edit(self) -> ObjectCommands:
        """`work.edit`."""
        return self.work.edit

    @property
    def model(self) -> tuple[str, str]:
        """`network.model`."""
        return self.network.model

    @model.setter
    def model(self, model: tuple[str, str]) -> None:
        self.network.model = model

    @property
    def is_propagating(self) -> bool:
        """`propagation.is_running`."""
        return self.propagation.is_running

    def new_object(self) -> None:
        """Call `work.new_object`."""
        self.work.new_object()

    def propagate(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None = None,
    ) -> None:
        """Call `work.propagate`."""
        self.work.propagate(direction, frames, object_ids)

    def choose_image(self, image: "Image | None", frame_axis: Along = None) -> None:
        """Choose an image, with all that was done on it before. None leaves all images.

        An image without a pixel is reported and not chosen.
        """
        try:
            work = None if image is None else self._works.of(image, frame_axis)
        except ValueError as error:
            self.failed.emit(error)
            work = None
        if work is not None and work is self._work:
            return
        self._leave()
        self._work = work
        if work is not None:
            work.is_chosen = True
        self.sessions.choose(None if work is None else work.workspace)
        self.changed.emit()

    def forget_image(self, image: "Layer") -> None:
        """Release an image that left the viewer; the layers that were made for it stay."""
        for work in self._works.pop(image):
            self.sessions.forget(work.workspace)
            work.workspace.close()
            # not now: napari may be removing several layers, and has listed them already
            QTimer.singleShot(0, work.workspace.remove_previews)
            if work is self._work:
                self.choose_image(None)

    def open(self, model: tuple[str, str] | None = None) -> None:
        """Load the model and open the chosen image with it, unless it is open.

        Parameters
        ----------
        model
            Name or path, and device; by default the one that was chosen last.
        """
        self.network.model = model or self.network.model
        if self._work is not None:
            self._work.open()

    def choose_model(self, name: str, device: str) -> None:
        """Continue with another model; prompts and masks stay. It is loaded when needed."""
        self.network.model = (name, device)
        workspace = self.workspace
        if self.network.is_open or (workspace and (workspace.points or workspace.shapes)):
            self.open()
        else:
            self.changed.emit()

    def unload(self) -> None:
        """Free the memory of the model; the next prompt or propagation loads it again."""
        self.network.unload()
        self.propagation.leave()
        self.changed.emit()

    def choose_candidate(self) -> None:
        """Take the next candidate mask of the click on the shown frame."""
        if self._work is not None:
            self.neighbours.discard()
            self._work.choose_candidate()

    def close(self) -> None:
        """Release the viewer and end the thread; a second call does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        self.viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self.viewer.layers.events.removing.disconnect(self._layer_removing)
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        thaw()  # the viewer itself can go
        self.propagation.view.close()
        self.candidates.hide()
        self.neighbours.discard()
        self.worker.close()
        self._works.end_strokes()
        self.sessions.close()
        self._works.close()
        self._work = None
        self.closed.emit()

    def _connect(self) -> None:
        """Connect the parts with each other and with the signals of the docks."""
        network, propagation, sessions = self.network, self.propagation, self.sessions
        network.changed.connect(self._note_settings)  # first: then they are saved
        for noticing in (propagation, sessions):
            noticing.noticed.connect(self.noticed)
        for changing in (network, propagation, sessions):
            changing.changed.connect(self.changed)
            changing.failed.connect(self.failed)
        self.worker.failed.connect(self._fail)
        propagation.progressed.connect(self.progressed)
        propagation.ended.connect(self.ended)
        propagation.recorded.connect(sessions.later)
        propagation.changed.connect(self.neighbours.discard)
        self.changed.connect(sessions.later)
        self.changed.connect(self.neighbours.discard_outdated)
        self.viewer.layers.events.inserted.connect(self._layer_inserted)
        self.viewer.layers.events.removing.connect(self._layer_removing)
        self.viewer.layers.events.removed.connect(self._layer_removed)

    def _begin_work(self, viewer: "ViewerModel", image: "Image", geometry: FrameGeometry) -> Work:
        parts = (self.network, self.propagation, self.candidates)
        work = Work(viewer, image, geometry, *parts)
        work.noticed.connect(self.noticed)
        work.changed.connect(self.changed)
        work.edited.connect(self.neighbours.discard)
        work.answered.connect(partial(self.neighbours.look_soon, work.workspace))
        return work

    def _leave(self) -> None:
        """Leave the image that was chosen."""
        self.propagation.forget_waiting()
        self.network.leave()
        self.propagation.leave()
        self.neighbours.discard()
        if self._work is not None:
            self._work.is_chosen = False

    def _restore(self, workspace: Workspace, history: History) -> None:
        """Continue with a session from a file, once no propagation runs."""

        def restore() -> None:
            for work in self._works:
                if work.workspace is workspace:
                    self.sessions.begin_file(workspace)
                    work.restore(history)

        self.propagation.when_idle(restore)

    def _note_settings(self) -> None:
        if self._work is not None:
            self._work.note_settings()

    def _layer_inserted(self, event: Any) -> None:
        """Say that what napari's *Duplicate layer* makes of a layer of ours is none of ours."""
        layer, of = event.value, event.value.source.parent
        original: Any = None if of is None else of()
        if type(original) is not type(layer):
            return
        prompts = [p for w in self._works for p in (w.workspace.points, w.workspace.shapes)]
        if is_own(original) or original in prompts:
            self.noticed.emit(
                f"{layer.name} is a copy, and drawing in it changes no mask: use {original.name}."
            )

    def _layer_removing(self, event: Any) -> None:
        # napari collects garbage at each removal: 0.3 s with PyTorch in memory. It may find the
        # pixels of images and labels; masks and prompts are small, and wait until one of these goes
        from napari.layers import Image, Labels

        layer = self.viewer.layers[event.index]
        if isinstance(layer, Image | Labels) and not is_own(layer):
            thaw()
        if is_frozen():
            freeze()
        else:  # an image goes, or a dock was closed
            QTimer.singleShot(0, self._freeze_again)

    def _freeze_again(self) -> None:
        if not self.is_closed:
            freeze()

    def _layer_removed(self, event: Any) -> None:
        self.forget_image(event.value)

    def _fail(self, error: Exception) -> None:
        """Report an error of the inference thread, and show the state that it left."""
        self.network.note_failure()
        self.failed.emit(error)
        self.changed.emit()
