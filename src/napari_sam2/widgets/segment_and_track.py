"""The dock widget "Segment and track (SAM 2)"."""

import logging
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_sam2.annotation import Direction
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator import Annotator
from napari_sam2.widgets.hints import Situation, next_step
from napari_sam2.widgets.image_choice import ImageChoice
from napari_sam2.widgets.model_section import ModelSection
from napari_sam2.widgets.sections import (
    ObjectSection,
    OutputSection,
    PromptSection,
    PropagationSection,
)
from napari_sam2.widgets.session_owner import SessionOwner

if TYPE_CHECKING:
    import napari.viewer

LOAD_AFTER_MS = 60
BUSY_COLOUR = "#3f8cff"  # seen on dark and on light

log = logging.getLogger(__name__)

# What a user can cause: told in a sentence. Anything else is a fault of ours: with its traceback
USER_ERRORS = (ValueError, LookupError, OSError, MemoryError)


class SegmentAndTrack(QWidget):
    """Click a cell, see its mask, carry it through the movie.

    Parameters
    ----------
    viewer
        The napari viewer that the dock belongs to.
    owner
        What the worker's thread owns; tests give one without a network.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__()
        # napari gives plugins a proxy, through which one layer is never the same object twice
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.annotator = Annotator(self._viewer, owner)
        self.hint = QLabel()
        self.busy = QProgressBar()
        self.image = ImageChoice(self._viewer)
        self.model = ModelSection()
        self.objects = ObjectSection()
        self.prompts = PromptSection()
        self.output = OutputSection()
        self.propagation = PropagationSection()
        self._window: QWidget | None = None
        self._is_closed = False
        self._arrange()
        self._connect()
        self._image_chosen()
        self._sync()

    def close_session(self) -> None:
        """Let go of the viewer and end the worker's thread; nothing happens the second time."""
        if self._is_closed:
            return
        self._is_closed = True
        self.image.close_choice()
        self.annotator.close()
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None

    def event(self, event: QEvent | None) -> bool:
        """Notice when napari takes the widget out of its dock, which does not close it."""
        handled = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.close_session()
        return handled

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice when the window closes."""
        if event is not None and event.type() == QEvent.Type.Close and watched is self._window:
            self.close_session()
        return False

    def _arrange(self) -> None:
        self.hint.setWordWrap(True)
        self.hint.setTextFormat(Qt.TextFormat.RichText)
        self.hint.setMinimumHeight(3 * self.hint.fontMetrics().lineSpacing() + 6)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        # standing still: an animation draws the whole window anew, canvas and all, many times a
        # second, and without a graphics card that takes most of the CPU from the network
        self.busy.setRange(0, 1)
        self.busy.setValue(1)
        self.busy.setStyleSheet(f"QProgressBar::chunk {{ background: {BUSY_COLOUR}; }}")
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(4)
        policy = self.busy.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.busy.setSizePolicy(policy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        sections = (self.image, self.model, self.objects, self.prompts, self.output)
        for widget in (self.hint, self.busy, *sections, _line(), self.propagation):
            layout.addWidget(widget)
        layout.addStretch()

    def _connect(self) -> None:
        annotator = self.annotator
        self.image.chosen.connect(self._image_chosen)
        self.image.left.connect(annotator.forget_image)
        self.model.chosen.connect(self._model_chosen)
        self.objects.selected.connect(annotator.select_object)
        self.objects.created.connect(annotator.new_object)
        self.objects.deleted.connect(annotator.delete_object)
        self.prompts.points_wanted.connect(self._draw_points)
        self.prompts.shapes_wanted.connect(self._draw_shapes)
        self.prompts.label_chosen.connect(annotator.set_label)
        self.output.per_object_chosen.connect(annotator.set_per_object)
        self.propagation.started.connect(self._propagate)
        self.propagation.cancelled.connect(annotator.cancel)
        self.propagation.follow.toggled.connect(self._follow_toggled)
        annotator.changed.connect(self._sync)
        annotator.progressed.connect(self.propagation.show_progress)
        annotator.ended.connect(self._propagation_ended)
        annotator.failed.connect(report)
        annotator.noticed.connect(show_info)
        annotator.worker.busy.connect(self.busy.setVisible)
        self.busy.setVisible(False)
        # the worker has no parent: it is still there when this widget is gone
        self.destroyed.connect(annotator.worker.close)

    def _image_chosen(self) -> None:
        self.annotator.choose_image(self.image.image, self.image.frame_axis)
        workspace = self.annotator.workspace
        self.propagation.show_movie(workspace.geometry.n_frames if workspace else 1)
        self.propagation.show_end("")
        if workspace is not None and (workspace.points or workspace.shapes):
            self._open()  # it was left, and is worked on again

    def _model_chosen(self, name: str, device: str) -> None:
        workspace = self.annotator.workspace
        if workspace is not None and (workspace.points or workspace.shapes):
            self.annotator.open((name, device))

    def _draw_points(self) -> None:
        workspace = self._prepare()
        if workspace is not None:
            workspace.prompt_with_points()
            self._sync()

    def _draw_shapes(self) -> None:
        workspace = self._prepare()
        if workspace is not None:
            workspace.prompt_with_shapes()
            self._sync()

    def _prepare(self) -> Workspace | None:
        """Get the layers of the image ready, and let the model be loaded right afterwards."""
        if self._window is None:
            self._window = self.window() or self
            self._window.installEventFilter(self)
        if self.annotator.workspace is not None and not self.annotator.workspace.marks:
            # the viewer may stand at another plane by now
            self.annotator.choose_image(self.image.image, self.image.frame_axis)
        # importing torch keeps the interpreter busy: first let the layer be seen
        QTimer.singleShot(LOAD_AFTER_MS, self._open)
        return self.annotator.workspace

    def _open(self) -> None:
        if not self._is_closed:
            self.annotator.open(self.model.choice)

    def _propagate(self, direction: Direction, frames: tuple[int, int] | None) -> None:
        self._open()  # unless it is; the last time may have failed
        self.annotator.propagate(direction, frames)

    def _follow_toggled(self, follow: bool) -> None:
        self.annotator.follow = follow

    def _propagation_ended(self, completed: bool) -> None:
        self.propagation.show_end("Done." if completed else "Cancelled; what was done is kept.")

    def _sync(self) -> None:
        """Show the state that the annotator is in."""
        annotator, workspace = self.annotator, self.annotator.workspace
        self.hint.setText(next_step(self._situation()))
        self.model.show_state(annotator.device)
        self.prompts.setEnabled(workspace is not None)
        self.output.setEnabled(workspace is not None)
        running = annotator.is_propagating
        if running != self.propagation.cancel.isEnabled():
            self.propagation.show_running(running)
        if workspace is None:
            self.objects.show_objects({}, None)
            return
        names = {i: workspace.objects.name(i) for i in workspace.objects.ids}
        self.objects.show_objects(names, workspace.current_object)
        self.prompts.show_label(workspace.label)
        self.output.show_per_object(workspace.outputs.per_object)
        self.propagation.run.setEnabled(bool(workspace.marks) and not running)

    def _situation(self) -> Situation:
        annotator, workspace = self.annotator, self.annotator.workspace
        if workspace is None:
            return Situation()
        return Situation(
            image=True,
            movie=workspace.geometry.n_frames > 1,
            drawing=workspace.points is not None or workspace.shapes is not None,
            loading=self.model.model.currentText() if annotator.is_loading else "",
            marked=workspace.is_marked(workspace.current_object),
            propagating=annotator.is_propagating,
            propagated=workspace.is_propagated(workspace.current_object),
        )


def report(error: Exception) -> None:
    """Tell the user what went wrong: in a sentence what they caused, the rest in full.

    Raises
    ------
    Exception
        `error` itself if it is a fault of the program; napari shows it with its traceback.
    """
    if type(error).__name__ == "OutOfMemoryError":  # torch's; a RuntimeError
        show_error("The GPU has no memory left: choose the device cpu, or a smaller model.")
    elif isinstance(error, USER_ERRORS):
        log.info("told the user", exc_info=error)
        # str(KeyError) would put the sentence in quotes
        show_error(str(error.args[0]) if isinstance(error, KeyError) else str(error))
    else:
        raise error


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
