"""The tab *All cells*: find all objects, and track them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2.annotation import history
from napari_sam2.annotation.history import Action
from napari_sam2.layers.mask_layers.candidates_layer import FoundLayer
from napari_sam2.layers.workspace import Workspace
from napari_sam2.tracks.suggestions import of_divisions
from napari_sam2.widgets.annotator.panel import Panel
from napari_sam2.widgets.annotator.work import Work
from napari_sam2.widgets.automatic_dock.examples import are_objects, examples_of
from napari_sam2.widgets.automatic_dock.jobs import CompareJob, Examples, SegmentJob, Step, TrackJob
from napari_sam2.widgets.automatic_dock.sections import (
    ALL_FRAMES,
    LEAST_SCORE,
    ObjectsWanted,
    SegmentSection,
    SimilarSection,
    TrackSection,
)
from napari_sam2.widgets.automatic_dock.seeds import seeds_of
from napari_sam2.widgets.controls.collapsible import foldable
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.controls.run_bar import RunBar
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.controls.vertical_scroll import TallScroll
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.inference.worker import Guarded
from sam2_torch.automatic.options import EverythingOptions

if TYPE_CHECKING:
    import napari.viewer

REFRESH_MS = 100
FEW_OBJECTS = 3  # of more, a layer each would keep the window busy for seconds


class SegmentEverything(Panel):
    """Find all objects without a click; keep the good ones; track them.

    *Make objects of these* and *Track everything* make ordinary objects of the annotator.

    Parameters
    ----------
    viewer
        The napari viewer that the tab belongs to.
    owner
        What the inference thread owns; tests give one without a network.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__(viewer, owner)
        self.wanted = ObjectsWanted()
        self.segment = SegmentSection()
        self.similar = SimilarSection()
        self.track = TrackSection()
        self._found: dict[Workspace, FoundLayer] = {}
        self.progress = self.segment.progress  # of the run that goes on, or was the last one
        self._is_running = False
        self._broken = "Stopped"
        self._tracked: set[int] = set()
        self._refresh = single_shot(self, self._show_tracked, REFRESH_MS)
        self._arrange()
        self._connect()
        self._layers_changed()
        self._sync()

    @property
    def _sections(self) -> tuple[SegmentSection, SimilarSection, TrackSection]:
        return self.segment, self.similar, self.track

    @property
    def found(self) -> FoundLayer | None:
        """What was found in the chosen image; None if nothing was looked for.

        Raises
        ------
        LookupError
            If no image is chosen.
        """
        return self._found.get(self.workspace)

    @property
    def _kept(self) -> str:
        """Say of a job that did not go to its end how that came, and what is left of it."""
        return f"{self._broken}; what was done is kept."

    def stop(self) -> None:
        """Stop showing; what runs goes on."""
        self._refresh.stop()

    def _arrange(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        self._tracking = foldable("In the whole movie", self.track)
        for widget in (
            self.wanted,
            self._tracking,
            foldable("In single frames", self.segment),
            foldable("Similar objects", self.similar),
        ):
            layout.addWidget(widget)
        layout.addStretch()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        self._scroll = TallScroll(content)
        whole.addWidget(self._scroll)

    def _connect(self) -> None:
        self.segment.run.clicked.connect(self._segment)
        self.segment.made.connect(self._make_objects)
        self.segment.least_changed.connect(self._least_changed)
        self.similar.run.clicked.connect(self._find_similar)
        self.similar.least_changed.connect(self._least_changed)
        self.track.run.clicked.connect(self._track)
        for section in self._sections:
            section.progress.cancel.clicked.connect(self.annotator.propagation.cancel)
        events = self._viewer.layers.events
        self.listen(
            (self.annotator.changed, self._sync),
            (events.inserted, self._layers_changed),
            (events.removed, self._layers_changed),
        )

    def _layers_changed(self, event: Any = None) -> None:
        own = {found.layer for found in self._found.values()}
        self.wanted.show_seed_layers([each for each in self._viewer.layers if each not in own])

    def _start(self, progress: RunBar, doing: str) -> Workspace | None:
        """Start a long job, unless one runs."""
        if self._is_running:
            return None
        self.annotator.open()
        self._is_running = True
        self.progress.show_end("")
        self.progress = progress
        progress.show_progress(0, 1, doing)
        self._scroll.ensureWidgetVisible(progress)
        self._sync()
        return self.workspace

    def _run(
        self,
        job: Callable[[SessionOwner], Iterator[Step]],
        each: Callable[[Step], None],
        then: Callable[[bool], None],
    ) -> None:
        """Run a job; `then` is told whether it went to its end, also where it failed."""
        stream = Guarded(job)
        self.annotator.network.stream(stream, each=each, then=partial(self._end, stream, then))

    def _end(self, stream: Guarded, then: Callable[[bool], None], completed: bool) -> None:
        self._broken = "Stopped" if stream.error is None else "Failed"
        then(completed and stream.error is None)
        workspace = self.annotator.workspace
        if workspace is not None and (sentence := workspace.blank.new_sentence()):
            self.annotator.noticed.emit(f"{sentence}.")
        if stream.error is not None:
            self.annotator.failed.emit(stream.error)

    def _segment(self) -> None:
        workspace = self._start(self.segment.progress, "Segmenting …")
        if workspace is not None:
            self._run_segment(workspace, self._taken)

    def _run_segment(
        self, workspace: Workspace, then: Callable[[Workspace, SegmentJob, bool], None]
    ) -> None:
        try:
            options = self._options(workspace)
            numbers = self._numbers(workspace)
            seeds = {number: seeds_of(self.wanted, workspace, number) for number in numbers}
        except ValueError as error:
            self._finish("")
            report(error)
            return
        frames = workspace.frames
        job = SegmentJob(frames, numbers, options, lambda number: seeds[number])
        self._run(job.run, self._show_step, partial(then, workspace, job))

    def _options(self, workspace: Workspace) -> EverythingOptions:
        height, width = (float(s) for s in workspace.image.scale[-2:])
        return self.wanted.options((height, width), LEAST_SCORE, "grid")

    def _numbers(self, workspace: Workspace) -> list[int]:
        if self.segment.frames.currentText() == ALL_FRAMES:
            return list(range(workspace.geometry.n_frames))
        shown = workspace.shown_frame
        return [0 if shown is None else shown]

    def _show_step(self, step: Step) -> None:
        self.progress.show_progress(step.done, step.total, step.doing)

    def _taken(self, workspace: Workspace, job: SegmentJob, completed: bool) -> None:
        self._take(workspace, job)
        note = f" Note: {job.note}." if job.note else ""
        self._finish(("Done." if completed else self._kept) + note)

    def _take(self, workspace: Workspace, job: SegmentJob) -> FoundLayer:
        if workspace not in self._found:
            self._found[workspace] = FoundLayer(self._viewer, workspace.image, workspace.geometry)
        found = self._found[workspace]
        found.min_score, found.min_likeness = self._least()
        found.replace(job.found)
        return found

    def _least(self) -> tuple[float, float]:
        return float(self.segment.score.value()), float(self.similar.likeness.value())

    def _least_changed(self) -> None:
        if self.found is not None:
            self.found.set_least(*self._least())
        self._sync()

    def _make_objects(self) -> None:
        workspace, found = self.workspace, self.found
        frame = workspace.shown_frame
        if found is None or frame is None:
            return
        shown = found.shown(frame)
        if not shown:
            self.annotator.noticed.emit("This frame shows no mask: go to one that has some.")
            return
        known = [workspace.masklets.get(i, frame) for i in workspace.masklets.object_ids]
        masks = {i: one.mask for i, one in shown.items()}
        there = are_objects(masks, filter(None, known))
        if there:
            self.annotator.noticed.emit(_left_out(len(there)))
        new = [mask for i, mask in masks.items() if i not in there]
        if len(new) > FEW_OBJECTS:
            self.annotator.work.set_per_object(False)
        made = {i: {frame: mask} for mask, i in zip(new, workspace.new_ids(), strict=False)}
        workspace.leave(made)
        self.annotator.work.add_masks(made)
        found.remove(shown)
        self._sync()

    def _find_similar(self) -> None:
        workspace = self._start(self.similar.progress, "Comparing …")
        if workspace is None:
            return
        by_words = self.similar.by_words
        examples = {} if by_words else examples_of(workspace, self.similar.everything)
        if by_words and not self.similar.words.text().strip():
            self._finish("")
            self.annotator.noticed.emit("Type what to look for into “Words” first.")
            return
        if not examples and not by_words:
            self._finish("")
            self.annotator.noticed.emit(
                "There is no object yet to compare with: click one in the tab “Segment” first, "
                "or make objects of what was found."
            )
            return
        found = self.found
        numbers = self._numbers(workspace)
        if found is not None and {o.frame for o in found.objects.values()}.issuperset(numbers):
            self._compare(workspace, examples)
        else:
            self._run_segment(workspace, partial(self._compare_found, examples))

    def _compare_found(
        self, examples: Examples, workspace: Workspace, job: SegmentJob, completed: bool
    ) -> None:
        self._take(workspace, job)
        if completed:
            self._compare(workspace, examples)
        else:
            self._finish(self._kept)

    def _compare(self, workspace: Workspace, examples: Examples) -> None:
        found, numbers = self._found[workspace], self._numbers(workspace)
        masks = {
            frame: {i: one.mask for i, one in found.objects.items() if one.frame == frame}
            for frame in numbers
        }
        words = (self.similar.words.text(), self.similar.text_model.text().strip())
        job = CompareJob(
            workspace.frames, examples, lambda: masks, words if self.similar.by_words else None
        )
        self._run(job.run, self._show_step, partial(self._compared, found, job))

    def _compared(self, found: FoundLayer, job: CompareJob, completed: bool) -> None:
        found.compare(job.likenesses)
        self._finish("Done: move the slider." if completed else self._kept)

    def _track(self) -> None:
        workspace = self._start(self.track.progress, "Segmenting the first frame …")
        if workspace is None:
            return
        try:
            height, width = (float(s) for s in workspace.image.scale[-2:])
            least = float(self.segment.score.value())
            everything = self.wanted.options((height, width), least, "decoder")
        except ValueError as error:
            self._finish("")
            report(error)
            return
        self.annotator.work.set_per_object(False)
        frames = workspace.frames
        options, work = self.track.options(everything), self.annotator.work
        job = TrackJob(frames, options, workspace.masklets, workspace.new_ids())
        step = work.history.begin(Action.ADD_MASKS, "everything tracked")
        show = partial(self._show_tracking, work, step)
        self._run(job.run, show, partial(self._end_tracking, work, step, job))

    def _show_tracking(self, work: Work, step: history.Step, progress: Step) -> None:
        self._show_step(progress)
        work.add_tracked_frame(step, progress.frame, progress.masks)
        if work.is_chosen and progress.masks:
            self._tracked.update(progress.masks)
            if not self._refresh.isActive():
                self._refresh.start()

    def _show_tracked(self) -> None:
        workspace = self.annotator.workspace
        if workspace is not None and self._tracked:
            workspace.outputs.show(self._tracked)
            workspace.outputs.refresh()
        self._tracked.clear()

    def _end_tracking(self, work: Work, step: history.Step, job: TrackJob, completed: bool) -> None:
        self._tracked.clear()
        work.workspace.proposed.extend(of_divisions(job.divisions))
        work.workspace.leave(job.seeds)
        work.add_tracked(step, job.withdrawn, job.seeds)
        found = _in_words(len(job.seeds), len(job.divisions))
        self._finish(found if completed else f"{self._kept[:-1]}: {found}")

    def _finish(self, text: str) -> None:
        self._is_running = False
        self.progress.show_end(text)
        self._sync()

    def _sync(self) -> None:
        """Show the state that things are in."""
        self.setEnabled(self.annotator.has_image)
        if not self.annotator.has_image:
            return
        free = not self._is_running and not self.annotator.propagation.is_running
        for section in self._sections:
            section.run.setEnabled(free)
        self.wanted.show_unit(_short(str(self.workspace.image.units[-1])))
        is_movie = self.workspace.geometry.n_frames > 1
        self._tracking.setVisible(is_movie)
        self.segment.show_movie(is_movie)
        found = self.found
        n_shown, n_found = (len(found.shown()), len(found.objects)) if found else (0, 0)
        self.segment.show_count(n_shown, n_found)


def _in_words(n: int, divisions: int) -> str:
    """Say what was tracked; objects that were there before are not."""
    if n == 0:
        return "no new objects. Propagate those that are there already in the tab “Segment”."
    found = f"{n} new object{'s' * (n != 1)}, {divisions} division{'s' * (divisions != 1)} proposed"
    return found + (": see the tab “Tracks”." if divisions else ".")


def _left_out(n: int) -> str:
    if n == 1:
        return "1 mask was left out: it lies on an object that is there already."
    return f"{n} masks were left out: they lie on objects that are there already."


def _short(unit: str) -> str:
    return {"pixel": "px", "micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}.get(
        unit, unit
    )
