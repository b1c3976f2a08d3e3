"""The dock widget "Segment and track (SAM 2)"."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_sam2.annotation import Direction
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotators import annotator_of
from napari_sam2.widgets.hints import Situation, next_step
from napari_sam2.widgets.image_choice import ImageChoice
from napari_sam2.widgets.model_chooser import ModelChooser
from napari_sam2.widgets.model_section import ModelSection
from napari_sam2.widgets.model_words import short_name
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


class SegmentAndTrack(QWidget):
    """Click a cell, see its mask, carry it through the movie.

    Parameters
    ----------
    viewer
        The napari viewer that the dock belongs to.
    owner
        What the worker's thread owns; tests give one without a network.

    Notes
    -----
    What is done belongs to the viewer's `Annotator`: closing the dock ends nothing.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__()
        # napari gives plugins a proxy, through which one layer is never the same object twice
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.annotator = annotator_of(self._viewer, owner)
        workspace = self.annotator.workspace
        self.hint = QLabel()
        self.busy = QProgressBar()
        self.image = (
            ImageChoice(self._viewer)
            if workspace is None
            else ImageChoice(self._viewer, workspace.image, workspace.geometry.frame_axis)
        )
        self.model = ModelSection()
        self.chooser = ModelChooser(self.model, self.annotator)
        self.objects = ObjectSection()
        self.prompts = PromptSection()
        self.output = OutputSection()
        self.propagation = PropagationSection()
        self._is_closed = False
        self._arrange()
        self._connect()
        self._image_chosen()
        self._sync()

    def release(self) -> None:
        """Let go of the viewer; what was done, and what runs, goes on without the dock."""
        if self._is_closed:
            return
        self._is_closed = True
        self.image.close_choice()
        self.chooser.release()
        for signal, slot in self._connections():
            signal.disconnect(slot)

    def event(self, event: QEvent | None) -> bool:
        """Notice when napari takes the widget out of its dock, which does not close it."""
        handled = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.release()
        return handled

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
        for signal, slot in self._connections():
            signal.connect(slot)
        self.busy.setVisible(annotator.worker.is_busy)

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        """List what of the annotator is shown here, for as long as the dock is open."""
        annotator = self.annotator
        return [
            (annotator.changed, self._sync),
            (annotator.progressed, self.propagation.show_progress),
            (annotator.ended, self._propagation_ended),
            (annotator.worker.busy, self.busy.setVisible),
            (annotator.closed, self.release),
        ]

    def _image_chosen(self) -> None:
        self.annotator.choose_image(self.image.image, self.image.frame_axis)
        workspace = self.annotator.workspace
        self.propagation.show_movie(workspace.geometry.n_frames if workspace else 1)
        self.propagation.show_end("")
        if workspace is not None and (workspace.points or workspace.shapes):
            self._open()  # it was left, and is worked on again

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
        if self.annotator.workspace is not None and not self.annotator.workspace.marks:
            # the viewer may stand at another plane by now
            self.annotator.choose_image(self.image.image, self.image.frame_axis)
        # importing torch keeps the interpreter busy: first let the layer be seen
        QTimer.singleShot(LOAD_AFTER_MS, self._open)
        return self.annotator.workspace

    def _open(self) -> None:
        if not self._is_closed:
            self.annotator.open()

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
            loading=short_name(annotator.model[0]) if annotator.is_loading else "",
            marked=workspace.is_marked(workspace.current_object),
            propagating=annotator.is_propagating,
            propagated=workspace.is_propagated(workspace.current_object),
        )


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
