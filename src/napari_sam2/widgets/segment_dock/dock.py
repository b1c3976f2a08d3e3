"""The tab *Segment*: prompts, objects and propagation."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.panel import Panel
from napari_sam2.widgets.controls.collapsible import Fold, foldable
from napari_sam2.widgets.controls.preferences import read_defaults
from napari_sam2.widgets.controls.vertical_scroll import TallScroll
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from napari_sam2.widgets.objects.object_actions import ObjectActions
from napari_sam2.widgets.objects.object_section import ObjectSection
from napari_sam2.widgets.objects.review import Review
from napari_sam2.widgets.objects.review_section import ReviewSection
from napari_sam2.widgets.propagation.propagation_section import PropagationSection, Which
from napari_sam2.widgets.propagation.run_estimate import Preflight
from napari_sam2.widgets.segment_dock.appearance_section import AppearanceSection
from napari_sam2.widgets.segment_dock.many_objects_section import SeedsSection
from napari_sam2.widgets.segment_dock.prompt_section import PromptSection

if TYPE_CHECKING:
    import napari.viewer

LOAD_AFTER_MS = 60
MARGIN_PX, SPACING_PX = 8, 4


class SegmentAndTrack(Panel):
    """Click a cell, see its mask, propagate it through the movie.

    Parameters
    ----------
    viewer
        The napari viewer that the tab belongs to.
    owner
        What the inference thread owns; tests give one without a network.

    Attributes
    ----------
    sessions
        Where the dock puts what saves and opens sessions.

    Signals
    -------
    waiting
        A layer to draw in comes once napari is ready.
    """

    waiting = Signal()
    _shown: Workspace | None = None  # the image whose frames can be propagated

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__(viewer, owner)
        self._defaults = read_defaults()
        self.appearance = AppearanceSection(self.annotator)
        self.objects = ObjectSection()
        self.prompts = PromptSection()
        self.seeds = SeedsSection(self._viewer, self.annotator)
        self.sessions = Fold("Session")
        self.neighbours = QCheckBox("Preview neighbours")
        self.neighbours.setToolTip(
            "After each prompt, show how the object would continue in the next and the previous "
            "two frames: dashed outlines in the image, and pictures at the top of the dock. "
            "It is not kept: press Propagate for that. The next prompt stops it."
        )
        self.propagation = PropagationSection(self.neighbours)
        self.propagating = foldable("Propagation settings", self.propagation)
        self.checking = ReviewSection()
        self.checked = foldable("Check", self.checking)
        self.review = Review(self.annotator)
        self.actions_of_objects = ObjectActions(self.annotator, self.review)
        self.preflight = Preflight(self.annotator)
        self.content = QWidget()
        self.scrolled = TallScroll(self.content)
        self._arrange()
        self._connect()
        self._sync()

    def stop(self) -> None:
        """Release the layers that are listed."""
        self.seeds.release()
        self.review.close()
        self.preflight.close()

    def key_actions(self) -> dict[str, Callable[[], object]]:
        """Return what keys do, by their action."""
        actions = self.actions_of_objects
        keys: dict[str, Callable[[], object]] = {
            "pick": actions.pick,
            "go_to_current": actions.go_to_current,
            "show_or_hide": actions.show_or_hide_current,
            "next_low": actions.go_to_low_confidence,
            "previous_low": lambda: actions.go_to_low_confidence(backward=True),
            "lock_frame": actions.lock_or_unlock_frame,
            "propagate": self._propagate_or_pause,
        }
        return {name: self.with_image(call) for name, call in keys.items()}

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
        self._parts: tuple[QWidget, ...] = (
            self.prompts,
            self.propagation.progress,
            self.propagation.estimate,
            foldable("Objects", self.objects),
            self.propagating,
            foldable("Boxes and labels", self.seeds, unfolded=False),
            foldable("Contrast and detail", self.appearance, unfolded=False),
        )
        for widget in (*self._parts, self.sessions):
            layout.addWidget(widget)
        layout.addStretch()
        # how sure the masks are is seen wherever the rest is scrolled to
        self.scrolled.setMinimumHeight(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(SPACING_PX)
        whole.addWidget(self.scrolled, stretch=1)
        below = QVBoxLayout()
        below.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, SPACING_PX)
        below.addWidget(self.checked)
        whole.addLayout(below)

    def _connect(self) -> None:
        annotator, actions = self.annotator, self.actions_of_objects
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
        self.propagation.show_frames.toggled.connect(self._show_frames_toggled)
        self.checking.timeline.pointed.connect(actions.go_to)
        self.checking.next_wanted.connect(actions.go_to_low_confidence)
        self.neighbours.toggled.connect(annotator.neighbours.want)
        self.listen(
            (annotator.changed, self._sync),
            (annotator.progressed, self._show_progress),
            (annotator.ended, self._propagation_ended),
            (annotator.suggestions.changed, self._show_suggested),
            (self.objects.names_toggled, self._show_names),
            (self.objects.click_toggled, self._choose_new_per_click),
            (self.propagation.exclude.toggled, self._choose_exclusion),
            (self.checking.timeline.decided, annotator.suggestions.decide),
            (self.review.updated, self.with_image(self._show_review)),
            (self.preflight.estimated, self.propagation.show_estimate),
            (self._viewer.dims.events.current_step, self.with_image(self._show_place)),
        )
        self.propagation.show_direction(self._defaults.direction)
        self.propagation.show_frames.setChecked(self._defaults.show_frames)
        self.neighbours.setChecked(self._defaults.preview)
        self.review.start()

    def _show_movie(self) -> None:
        """Show the frames of the image that is worked on, and no run of another one."""
        self._shown = workspace = self.workspace
        self.propagation.show_movie(workspace.geometry.n_times)
        run = self.propagation
        for of_movies in (run.progress, run.estimate, self.propagating, self.checked):
            of_movies.setVisible(workspace.geometry.n_frames > 1)
        self.propagation.show_end("")
        self.propagation.show_estimate("")
        if not (workspace.prompts or workspace.masklets.object_ids):
            self.annotator.work.set_per_object(self._defaults.layer_for_each_object)

    def _draw(self, make_layer: Callable[[Workspace], object]) -> None:
        if not self.annotator.readiness.when_ready(partial(self._draw_now, make_layer)):
            self.waiting.emit()

    def _draw_now(self, make_layer: Callable[[Workspace], object]) -> None:
        annotator = self.annotator
        if not annotator.has_image:  # it was removed before napari was ready
            return
        if not self.workspace.prompts:
            # the viewer may stand at another plane by now
            annotator.choose_image(self.workspace.image, self.workspace.geometry.along)
        make_layer(self.workspace)
        annotator.changed.emit()
        # importing torch keeps the interpreter busy: first let the layer be seen
        QTimer.singleShot(LOAD_AFTER_MS, self._open_to_draw)

    def _open_to_draw(self) -> None:
        if self.annotator.has_image and not self.is_released:
            self.annotator.open()
            # napari takes long to make the first Labels layer; while the model is loaded, longer
            show_layer = self.annotator.work.show_layer
            self.annotator.network.submit(bool, then=lambda _: show_layer())

    def _propagate(
        self, direction: Direction, frames: tuple[int, int] | None, which: Which
    ) -> None:
        self.annotator.open()  # unless it is; the last time may have failed
        self.annotator.work.propagate(direction, frames, self._objects_of(which))

    def _propagate_from_here(self, frames: tuple[int, int] | None) -> None:
        workspace = self.workspace
        if workspace.shown_frame is None:
            return
        stop = workspace.geometry.n_times if frames is None else frames[1]
        here = workspace.shown_frame // workspace.geometry.n_planes
        self._propagate("forward", (here, max(stop, here + 1)), Which.CURRENT)

    def _propagate_changes(self) -> None:
        self.annotator.open()
        self.annotator.work.propagate_changes()

    def _propagate_or_pause(self) -> None:
        if self.annotator.propagation.is_running:
            self.annotator.propagation.pause(not self.annotator.propagation.is_paused)
        elif self.propagation.run.isEnabled():
            self.propagation.start()

    def _objects_of(self, which: Which) -> list[int] | None:
        """List the objects to propagate; None stands for all, also those that come meanwhile."""
        if which == Which.ALL:
            return None
        if which == Which.CURRENT:
            return [self.workspace.current_object]
        drawn = {object_id for object_id, _ in self.workspace.prompts}
        return [i for i in self.objects.table.selected_ids if i in drawn]

    def _show_names(self, shown: bool) -> None:
        self.workspace.pointers.shows_all_names = shown
        self.workspace.pointers.update()

    def _choose_new_per_click(self, new: bool) -> None:
        self.workspace.new_object_per_click = new

    def _choose_exclusion(self, exclude: bool) -> None:
        self.workspace.objects_exclude = exclude

    def _show_frames_toggled(self, shown: bool) -> None:
        self.annotator.propagation.view.shows_newest = shown

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
        """Show the confidence of the masks."""
        workspace, rows = self.workspace, self.review.rows()
        self.objects.show_rows(rows, workspace.current_object)
        names = {row.object_id: row.name for row in rows}
        locks = frozenset(workspace.locks)
        locked = frozenset(row.object_id for row in rows if row.is_locked)
        self.checking.timeline.show_table(self.review.table, names, locks, locked)
        self.checking.show_count(self.review.n_low())
        self._show_suggested()
        self._show_place()

    def _show_place(self) -> None:
        """Mark in the timeline where the viewer is."""
        workspace = self.workspace
        self.checking.timeline.show_current(workspace.current_object, workspace.shown_frame)

    def _show_suggested(self) -> None:
        """Mark in the timeline what may have happened."""
        self.checking.timeline.show_suggested(self.annotator.suggestions.words)

    def _sync(self) -> None:
        """Show the state that the annotator is in."""
        annotator, is_there = self.annotator, self.annotator.has_image
        for part in self._parts:
            part.setEnabled(is_there)
        if not is_there:
            self._shown = None
            self.propagation.show_end("")
            self.objects.show_rows([], None)
            return
        workspace = self.workspace
        if workspace is not self._shown:  # chosen elsewhere, or given another size
            self._show_movie()
        self.seeds.show_state()
        self.appearance.show_state()
        running = annotator.propagation.is_running
        if running:
            self.propagation.show_running(True, annotator.propagation.is_paused)
        elif self.propagation.progress.is_running:  # left without an end: another model, say
            self._propagation_ended(False)
        self.objects.show_rows(self.review.rows(), workspace.current_object)
        self.prompts.show_label(workspace.label)
        self.prompts.show_paintable(workspace.outputs.is_paintable)
        self.objects.show_per_object(workspace.outputs.per_object)
        self.objects.show_switches(
            workspace.pointers.shows_all_names, workspace.new_object_per_click
        )
        self.propagation.exclude.setChecked(workspace.objects_exclude)
        self.propagation.show_ready(bool(workspace.prompts) and not running)
        self._estimate()
