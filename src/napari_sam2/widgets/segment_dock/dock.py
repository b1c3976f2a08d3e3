"""The dock widget "Segment and track (SAM 2)"."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.layers.viewer.image_geometry import is_read_whole, is_stack
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of
from napari_sam2.widgets.controls.collapsible import foldable
from napari_sam2.widgets.controls.dock_page import fill_dock
from napari_sam2.widgets.controls.form_rows import PromptSection
from napari_sam2.widgets.controls.image_chooser import ImageChoice
from napari_sam2.widgets.controls.key_bindings import KeyBindings, KeyOverlay
from napari_sam2.widgets.controls.preferences import Defaults, read_defaults
from napari_sam2.widgets.controls.vertical_scroll import TallScroll
from napari_sam2.widgets.image.image_row import ImageRow
from napari_sam2.widgets.inference.loaded_model import short_name
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from napari_sam2.widgets.model.model_chooser import ModelChooser
from napari_sam2.widgets.model.model_section import ModelSection
from napari_sam2.widgets.objects.object_actions import ObjectActions
from napari_sam2.widgets.objects.object_section import ObjectSection
from napari_sam2.widgets.objects.review import Review
from napari_sam2.widgets.objects.review_section import ReviewSection
from napari_sam2.widgets.propagation.propagation_section import PropagationSection, Which
from napari_sam2.widgets.propagation.run_estimate import Preflight
from napari_sam2.widgets.segment_dock.appearance_section import AppearanceSection
from napari_sam2.widgets.segment_dock.hint_bar import Heading
from napari_sam2.widgets.segment_dock.hints import Situation, beside_pictures, next_step
from napari_sam2.widgets.segment_dock.many_objects_section import SeedsSection
from napari_sam2.widgets.segment_dock.preview_switch import NeighbourSwitch
from napari_sam2.widgets.segment_dock.readiness import Readiness
from napari_sam2.widgets.segment_dock.session_section import SessionSection

if TYPE_CHECKING:
    import napari.viewer

LOAD_AFTER_MS = 60
MARGIN_PX, SPACING_PX = 8, 4


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

    _shown: Workspace | None = None  # the image whose frames can be propagated

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__()
        # napari gives plugins a proxy, through which one layer is never the same object twice
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.annotator = annotator_of(self._viewer, owner)
        self.heading = Heading()
        self.image, self.axes = self._image_parts()
        self.appearance = AppearanceSection(self.annotator)
        self._defaults = self._read_defaults()
        self.model = ModelSection()
        self.chooser = ModelChooser(self.model, self.annotator)
        self.objects = ObjectSection()
        self.prompts = PromptSection()
        self.seeds = SeedsSection(self._viewer, self.annotator)
        self.session = SessionSection(self.annotator)
        self.neighbours = NeighbourSwitch(self.annotator, self.heading)
        self.propagation = PropagationSection(self.neighbours)
        self.checking = ReviewSection()
        self.checked = foldable("Check", self.checking)
        self.review = Review(self.annotator)
        self.actions_of_objects = ObjectActions(self.annotator, self.review)
        self.preflight = Preflight(self.annotator)
        self.content = QWidget()
        self.scrolled = TallScroll(self.content)
        self._readiness = Readiness(self.annotator.sessions.files)
        self._is_closed = False
        self._arrange()
        self._keys = KeyBindings(self._viewer, self, self._key_actions())
        self._connect()
        self._image_chosen()
        self._sync()
        # when the dock has been seen: it takes the interpreter much of a second
        QTimer.singleShot(LOAD_AFTER_MS, self._readiness.begin)

    def release(self) -> None:
        """Let go of the viewer; what was done, and what runs, goes on without the dock."""
        if self._is_closed:
            return
        self._is_closed = True
        self._readiness.forget_waiting()
        self.image.close_choice()
        self.axes.release()
        self.chooser.release()
        self.seeds.release()
        self.review.close()
        self.preflight.close()
        self._keys.release()
        self._viewer.dims.events.current_step.disconnect(self._show_place)
        for signal, slot in self._connections():
            signal.disconnect(slot)

    def event(self, event: QEvent | None) -> bool:
        """Release the viewer when napari takes the widget out of its dock, without closing it."""
        handled = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.release()
        return handled

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show as many objects as there is room for, lest the rest has to be scrolled.

        Only here: what is folded away, or appears, must not move what the mouse is at.
        """
        super().resizeEvent(event)
        if event is not None and event.size().height() != event.oldSize().height():
            room = self.scrolled.maximumViewportSize()
            rest = self.content.heightForWidth(room.width()) - self.objects.table.height()
            self.objects.fit_table(room.height() - rest)

    def _arrange(self) -> None:
        layout = QVBoxLayout(self.content)
        layout.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, 0)
        layout.setSpacing(SPACING_PX)
        for widget in (
            self.image,
            self.axes,
            self.model,
            self.prompts,
            foldable("Objects", self.objects),
            foldable("Propagation", self.propagation),
            foldable("Many objects", self.seeds, unfolded=False),
            foldable("Contrast and detail", self.appearance, unfolded=False),
            foldable("Session", self.session),
        ):
            layout.addWidget(widget)
        layout.addStretch()
        # what to do next, and how sure the masks are, is seen wherever the rest is scrolled to
        page = QWidget()
        whole = QVBoxLayout(page)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(SPACING_PX)
        whole.addLayout(_inset(self.heading))
        self.scrolled.setMinimumHeight(1)  # what is above and below it is seen as long as it fits
        whole.addWidget(self.scrolled, stretch=1)
        whole.addLayout(_inset(self.checked))
        fill_dock(self, page, is_scrolled=False)

    def _key_actions(self) -> dict[str, Callable[[], object]]:
        """Say what the keys do."""
        actions = self.actions_of_objects
        return {
            "undo": self.session.undo.click,
            "redo": self.session.redo.click,
            "pick": actions.pick,
            "go_to_current": actions.go_to_current,
            "show_or_hide": actions.show_or_hide_current,
            "next_doubtful": actions.go_to_low_confidence,
            "previous_doubtful": lambda: actions.go_to_low_confidence(backward=True),
            "lock_frame": actions.lock_or_unlock_frame,
            "propagate": self._propagate_or_pause,
            "explain": self._explain_keys,
        }

    def _connect(self) -> None:
        annotator, actions = self.annotator, self.actions_of_objects
        self.heading.help.clicked.connect(self._explain_keys)
        self.heading.hint.linkActivated.connect(lambda _: annotator.sessions.recover())
        self.image.chosen.connect(self._image_chosen)
        self.objects.table.chosen.connect(actions.go_to)
        self.objects.table.objects.renamed.connect(actions.rename)
        self.objects.table.objects.classified.connect(actions.classify)
        self.objects.table.show_wanted.connect(actions.show)
        self.objects.table.lock_wanted.connect(actions.lock)
        self.objects.duplicated.connect(actions.duplicate)
        self.objects.merged.connect(actions.merge)
        self.objects.created.connect(lambda: annotator.work.new_object())
        self.objects.deleted.connect(actions.delete)
        self.objects.per_object_chosen.connect(
            lambda per_object: annotator.work.set_per_object(per_object)
        )
        self.prompts.points_wanted.connect(partial(self._draw, Workspace.prompt_with_points))
        self.prompts.shapes_wanted.connect(partial(self._draw, Workspace.prompt_with_shapes))
        self.prompts.label_chosen.connect(lambda label: annotator.work.set_label(label))
        self.propagation.started.connect(self._propagate)
        self.propagation.from_here_wanted.connect(self._propagate_from_here)
        self.propagation.everywhere_wanted.connect(self._propagate_changes)
        self.propagation.paused.connect(annotator.propagation.pause)
        self.propagation.cancelled.connect(annotator.propagation.cancel)
        self.propagation.changed.connect(self._estimate)
        self.propagation.follow.toggled.connect(self._follow_toggled)
        self.checking.timeline.pointed.connect(actions.go_to)
        self.checking.next_wanted.connect(actions.go_to_low_confidence)
        self._viewer.dims.events.current_step.connect(self._show_place)
        for signal, slot in self._connections():
            signal.connect(slot)
        self.heading.busy.setVisible(annotator.worker.is_busy)
        self._show_defaults()

    def _image_parts(self) -> tuple[ImageChoice, ImageRow]:
        chooser = ImageChoice.at(self._viewer, self.annotator.workspace)
        return chooser, ImageRow(self.annotator)

    def _show_defaults(self) -> None:
        self.propagation.show_direction(self._defaults.direction)
        self.propagation.follow.setChecked(self._defaults.follow)
        self.neighbours.setChecked(self._defaults.preview)

    def _read_defaults(self) -> Defaults:
        """Read the user's settings, unless work has begun."""
        defaults = read_defaults()
        if self.annotator.workspace is None and not self.annotator.network.device:
            self.annotator.network.model = (defaults.model, defaults.device)
        return defaults

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        """List what of the annotator is shown here, for as long as the dock is open."""
        annotator = self.annotator
        return [
            (annotator.changed, self._sync),
            (annotator.changed, self.appearance.show_state),
            (annotator.progressed, self._show_progress),
            (annotator.ended, self._propagation_ended),
            (annotator.worker.busy, self.heading.busy.setVisible),
            (annotator.neighbours.changed, self.neighbours.show_found),
            (annotator.candidates.changed, self._show_hint),
            (annotator.closed, self.release),
            (annotator.suggestions.changed, self._show_suggested),
            (self.objects.names_toggled, self._show_names),
            (self.objects.click_toggled, self._choose_new_per_click),
            (self.propagation.exclude.toggled, self._choose_exclusion),
            (self.checking.timeline.decided, annotator.suggestions.decide),
            (self.review.updated, self._show_review),
            (self.preflight.estimated, self.propagation.show_estimate),
        ]

    def _image_chosen(self) -> None:
        self.annotator.choose_image(self.image.image, self.image.frame_axis)
        workspace = self.annotator.workspace
        self._show_movie()
        if workspace is not None and not (workspace.marks or workspace.masklets.object_ids):
            self.annotator.work.set_per_object(self._defaults.layer_for_each_object)
        if workspace is not None and (workspace.points or workspace.shapes):
            self._open()  # it was left, and is worked on again

    def _show_movie(self) -> None:
        """Show the frames of the image that is worked on, and no run of another one."""
        self._shown, workspace = self.annotator.workspace, self.annotator.workspace
        self.propagation.show_movie(workspace.geometry.n_times if workspace else 1)
        self.propagation.show_end("")
        self.propagation.show_estimate("")

    def _draw(self, make_layer: Callable[[Workspace], object]) -> None:
        if not self._readiness.when_ready(partial(self._draw_now, make_layer)):
            self.heading.show_hint("Getting ready …")

    def _draw_now(self, make_layer: Callable[[Workspace], object]) -> None:
        workspace = self._prepare()
        if workspace is not None:
            make_layer(workspace)
            self._sync()

    def _prepare(self) -> Workspace | None:
        """Prepare the layers of the image, and load the model right afterwards."""
        if self.annotator.workspace is not None and not self.annotator.workspace.marks:
            # the viewer may stand at another plane by now
            self.annotator.choose_image(self.image.image, self.image.frame_axis)
        # importing torch keeps the interpreter busy: first let the layer be seen
        QTimer.singleShot(LOAD_AFTER_MS, self._open)
        return self.annotator.workspace

    def _open(self) -> None:
        if not self._is_closed:
            self.annotator.open()

    def _propagate(
        self, direction: Direction, frames: tuple[int, int] | None, which: Which
    ) -> None:
        self._open()  # unless it is; the last time may have failed
        self.annotator.work.propagate(direction, frames, self._objects_of(which))

    def _propagate_from_here(self, frames: tuple[int, int] | None) -> None:
        workspace = self.annotator.workspace
        if workspace is None or workspace.shown_frame is None:
            return
        stop = workspace.geometry.n_times if frames is None else frames[1]
        here = workspace.shown_frame // workspace.geometry.n_planes
        self._propagate("forward", (here, max(stop, here + 1)), Which.CURRENT)

    def _propagate_changes(self) -> None:
        self._open()
        self.annotator.work.propagate_changes()

    def _propagate_or_pause(self) -> None:
        if self.annotator.propagation.is_running:
            self.annotator.propagation.pause(not self.annotator.propagation.is_paused)
        elif self.propagation.run.isEnabled():
            self.propagation.start()

    def _objects_of(self, which: Which) -> list[int] | None:
        """List the objects to carry on; None stands for all, also those that come meanwhile."""
        workspace = self.annotator.workspace
        if workspace is None or which == Which.ALL:
            return None
        if which == Which.CURRENT:
            return [workspace.current_object]
        drawn = {object_id for object_id, _ in workspace.marks}
        return [i for i in self.objects.table.selected_ids if i in drawn]

    def _show_names(self, shown: bool) -> None:
        workspace = self.annotator.workspace
        if workspace is not None:
            workspace.pointers.shows_all_names = shown
            workspace.pointers.update()

    def _choose_new_per_click(self, new: bool) -> None:
        if self.annotator.workspace is not None:
            self.annotator.workspace.new_object_per_click = new

    def _choose_exclusion(self, exclude: bool) -> None:
        if self.annotator.workspace is not None:
            self.annotator.workspace.objects_exclude = exclude

    def _follow_toggled(self, follow: bool) -> None:
        self.annotator.propagation.view.shows_newest = follow

    def _propagation_ended(self, completed: bool) -> None:
        self.propagation.show_end("Done." if completed else "Stopped; what was done is kept.")

    def _show_progress(self, progress: Progress) -> None:
        if self.annotator.propagation.is_running:  # else frames of a run that another model ended
            self.propagation.show_progress(progress)
        self.preflight.note(progress)

    def _estimate(self) -> None:
        """Say before a run how much it is."""
        section = self.propagation
        self.annotator.neighbours.direction = section.chosen_direction
        which = self._objects_of(section.chosen_objects)
        self.preflight.ask(section.chosen_direction, section.frames, which)

    def _show_review(self) -> None:
        """Show how sure the masks are."""
        workspace = self.annotator.workspace
        rows = self.review.rows()
        current = None if workspace is None else workspace.current_object
        self.objects.show_rows(rows, current)
        names = {row.object_id: row.name for row in rows}
        locks = frozenset() if workspace is None else frozenset(workspace.locks)
        locked = frozenset(row.object_id for row in rows if row.is_locked)
        self.checking.timeline.show_table(self.review.table, names, locks, locked)
        self.checking.show_count(self.review.n_low())
        self._show_suggested()
        self._show_place()

    def _show_place(self) -> None:
        """Mark in the timeline where the viewer is."""
        workspace = self.annotator.workspace
        if workspace is not None:
            self.checking.timeline.show_current(workspace.current_object, workspace.shown_frame)
            self._show_hint()

    def _show_hint(self) -> None:
        """Say what to do next."""
        now = self._situation()
        self.heading.show_hint(next_step(now), beside_pictures(now))

    def _show_suggested(self) -> None:
        """Mark in the timeline what may have happened."""
        self.checking.timeline.show_suggested(self.annotator.suggestions.words)

    def _explain_keys(self) -> None:
        KeyOverlay(self).show_over(self.window() or self)

    def _sync(self) -> None:
        """Show the state that the annotator is in."""
        annotator, workspace = self.annotator, self.annotator.workspace
        if workspace is not self._shown:  # chosen elsewhere, or given another size
            self._show_movie()
        self._show_hint()
        self.prompts.setEnabled(workspace is not None)
        self.seeds.show_state()
        self.session.show_state()
        running = annotator.propagation.is_running
        if running:
            self.propagation.show_running(True, annotator.propagation.is_paused)
        elif self.propagation.cancel.isEnabled():  # left without an end: another model, say
            self._propagation_ended(False)
        self.objects.setEnabled(workspace is not None)
        if workspace is None:
            self.objects.show_rows([], None)
            return
        self.objects.show_rows(self.review.rows(), workspace.current_object)
        self.prompts.show_label(workspace.label)
        self.prompts.show_paintable(workspace.outputs.is_paintable)
        self.objects.show_per_object(workspace.outputs.per_object)
        self.objects.show_switches(
            workspace.pointers.shows_all_names, workspace.new_object_per_click
        )
        self.propagation.exclude.setChecked(workspace.objects_exclude)
        self.propagation.show_ready(bool(workspace.marks) and not running)
        self._estimate()

    def _situation(self) -> Situation:
        annotator, workspace = self.annotator, self.annotator.workspace
        if workspace is None:
            return Situation()
        current, frame = workspace.current_object, workspace.shown_frame
        return Situation(
            image=True,
            movie=workspace.geometry.n_frames > 1,
            unknown_axis=self.axes.asks,
            in_depth=is_stack(workspace.image, workspace.geometry),
            drawing=workspace.points is not None or workspace.shapes is not None,
            loading=short_name(annotator.network.model[0]) if annotator.network.is_loading else "",
            marked=workspace.is_marked(current),
            second_piece=annotator.work.has_second_piece,
            propagating=annotator.propagation.is_running,
            propagated=workspace.is_propagated(current),
            read_whole=is_read_whole(workspace.image),
            choice=annotator.candidates.choice,
            recoverable=annotator.sessions.recoverable is not None,
            locked=frame is not None and workspace.is_locked(current, frame),
            expected=self.review.expected_iou(current, frame),
        )


def _inset(widget: QWidget) -> QVBoxLayout:
    """Keep as far from the dock's edges as what is scrolled does."""
    layout = QVBoxLayout()
    layout.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, SPACING_PX)
    layout.addWidget(widget)
    return layout
