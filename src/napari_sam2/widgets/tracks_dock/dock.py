"""The tab *Tracks*: lineage, review, measurements, export and import."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_sam2.annotation.daughters import Seeding
from napari_sam2.annotation.objects import default_record
from napari_sam2.annotation.track_edits import lineage_of, reviewed_places
from napari_sam2.layers.mask_layers.object_outlines import DAUGHTER, MOTHER
from napari_sam2.layers.navigation import look_at
from napari_sam2.layers.tracked_image import layer_axes, layer_calibration, measured_channels
from napari_sam2.layers.tracks_layer import TracksLayer
from napari_sam2.layers.workspace import Workspace
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.measurements import NO_TABLE, Table, measure_tracks, outline_numbers
from napari_sam2.tracks.review_queue import ReviewItem
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.annotator.panel import Panel
from napari_sam2.widgets.controls.background_job import Background
from napari_sam2.widgets.controls.collapsible import foldable
from napari_sam2.widgets.controls.key_bindings import KeyBindings
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.controls.vertical_scroll import TallScroll
from napari_sam2.widgets.tracks_dock.export_section import ExportSection
from napari_sam2.widgets.tracks_dock.lineage_section import DIVIDE_KEY, LineageSection
from napari_sam2.widgets.tracks_dock.linking import Linker, label_layers
from napari_sam2.widgets.tracks_dock.measurements_section import NumbersSection
from napari_sam2.widgets.tracks_dock.open_section import OpenSection
from napari_sam2.widgets.tracks_dock.review_list import ReviewList
from napari_sam2.widgets.tracks_dock.reviewing import Reviewing
from napari_sam2.widgets.tracks_dock.track_commands import TrackEdits
from napari_sam2.widgets.tracks_dock.tree_dock import TreeDock

if TYPE_CHECKING:
    import napari.viewer

    from napari_sam2.widgets.inference.session_owner import SessionOwner

UPDATE_AFTER_MS = 400


class Quick(NamedTuple):
    """What is known of the objects without looking at pixels."""

    tracked: Tracked
    objects: Table
    tracks: Table
    places_yx: NDArray[np.floating]


class TracksAndNumbers(Panel):
    """Divisions and tracks, measurements, and files, of the image that is worked on.

    Parameters
    ----------
    viewer
        The napari viewer that the tab belongs to.
    owner
        What the network's thread owns; tests give one without a network.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: "SessionOwner | None" = None) -> None:
        super().__init__(viewer, owner)
        self.edits = TrackEdits(self.annotator)
        self.lineage = LineageSection()
        self.tree = TreeDock(self._viewer)
        self.review = ReviewList(self._name)
        accept = partial(self._try, self.edits.accept)
        self.reviewing = Reviewing(self.annotator, self.review, self._tracked, accept)
        self.numbers = NumbersSection(self._tracked_in_units)
        files = self._usual_path, self._image_files
        self.export = ExportSection(self._tracked_in_units, *files)
        take = partial(self._try, self.edits.bring_in)
        self.opening = OpenSection(partial(label_layers, self.annotator), self._size)
        self.linker = Linker(self.annotator, self.opening, take)
        self.tabs = QTabWidget()
        self._layers: dict[Workspace, TracksLayer] = {}
        self._workspace: Workspace | None = None
        self._asked: set[Workspace] = set()  # of which images the pixel size was asked for
        self._found: Quick | None = None
        self._measured: Workspace | None = None  # whose numbers come next
        self._quick = Background()
        self._timer = single_shot(self, self._measure_quickly, UPDATE_AFTER_MS)
        self._arrange()
        self._connect()
        self._sync()

    def stop(self) -> None:
        """Stop what measures, reads and writes."""
        self._timer.stop()
        self.reviewing.close()
        self._keys.release()
        self._viewer.bind_key(DIVIDE_KEY, None, overwrite=True)
        self._quick.close()
        self.numbers.close_section()
        self.export.close_section()
        self.opening.close_section()
        self.linker.cancel()
        self.tree.close()

    def _arrange(self) -> None:
        files = _page(
            foldable("Export tracks", self.export),
            foldable("Import tracks", self.opening),
        )
        for widget, title in (
            (_page(self.lineage), "Lineage"),
            (TallScroll(self.review), "Review"),
            (self.numbers, "Numbers"),
            (files, "Files"),
        ):
            self.tabs.addTab(widget, title)
        self.tabs.setElideMode(Qt.TextElideMode.ElideNone)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs)

    def _connect(self) -> None:
        lineage, annotator = self.lineage, self.annotator
        for signal, operation in (
            (lineage.divided, self.edits.divide),
            (lineage.cut, self.edits.cut),
            (lineage.split, self.edits.split),
            (lineage.ended, self.edits.finish),
        ):
            signal.connect(partial(self._here, operation))
        lineage.swapped.connect(self._swap)
        lineage.merged.connect(lambda other: self._try(self.edits.merge, self._current, other))
        lineage.linked.connect(lambda other: self._try(self.edits.link, other, self._current))
        lineage.unlinked.connect(lambda: self._try(self.edits.unlink, self._current))
        lineage.selected.connect(lambda object_id: annotator.work.select_object(object_id))
        lineage.seeding.currentTextChanged.connect(self._choose_seeding)
        lineage.remember.toggled.connect(self._choose_memories)
        lineage.tracks_toggled.connect(self._toggle_tracks)
        lineage.tree_wanted.connect(self.tree.open)
        self.tree.place_selected.connect(self._go_to_time)
        self.reviewing.shown.connect(self._show_item)
        self.reviewing.failed.connect(report)
        self.numbers.place_selected.connect(self._go_to)
        self.numbers.measured.connect(self.with_image(self._show_tracks))
        self.opening.opened.connect(lambda tracked: self._try(self.edits.bring_in, tracked))
        for section in (self.numbers, self.export, self.opening):
            section.job.failed.connect(report)
        self._quick.finished.connect(self._show_quick)
        self._quick.failed.connect(report)
        self.listen(
            (annotator.changed, self._sync),
            (annotator.ended, self._later),
            (self._viewer.dims.events.current_step, self.with_image(self._show_place)),
        )
        actions = self.key_actions()
        divide = actions.pop("divide")  # in the canvas alone
        self._viewer.bind_key(DIVIDE_KEY, lambda _: divide(), overwrite=True)
        self._keys = KeyBindings(self._viewer, self, actions)

    def key_actions(self) -> "dict[str, Callable[[], object]]":
        """Return what the keys of this tab do, by their actions."""
        return {
            "divide": self.with_image(partial(self._here, self.edits.divide)),
            "accept_review": partial(self.review.decide, True),
            "reject_review": partial(self.review.decide, False),
            "fix_review": self.review.fix_current,
        }

    @property
    def _current(self) -> int:
        return self.workspace.current_object

    def _name(self, object_id: int) -> str:
        objects = self.workspace.objects
        return (
            objects.record(object_id) if object_id in objects else default_record(object_id)
        ).name

    def _tracked(self) -> Tracked | None:
        """Take the objects as they are now; None without an image."""
        if not self.annotator.has_image:
            return None
        workspace = self.workspace
        image, geometry = workspace.image, workspace.geometry
        return Tracked(
            workspace.masklets.snapshot(),
            lineage_of(workspace.history.values),
            layer_axes(image, geometry),
            layer_calibration(image, geometry),
            {i: workspace.objects.name(i) for i in workspace.objects.ids},
            workspace.frames,
            geometry.n_planes,
            measured_channels(image, geometry, self._viewer.layers),
            reviewed_places(workspace.history.values),
        )

    def _tracked_in_units(self) -> Tracked | None:
        """Take the objects to measure or export; ask once for a pixel size that nobody knows."""
        tracked = self._tracked()
        if tracked is not None and tracked.calibration.pixel_size_yx is None:
            if self.workspace not in self._asked:
                self._asked.add(self.workspace)
                self.annotator.noticed.emit(
                    "The pixel size is not known: sizes are in pixels. Type it in the line below "
                    "Image, then measure or export again."
                )
        return tracked

    def _image_files(self) -> list[Path]:
        path = self.workspace.image.source.path
        return [] if path is None else [Path(path)]

    def _usual_path(self) -> Path:
        """Return the path to propose for exports: beside the file of the image."""
        folder = next((path.parent for path in self._image_files()), Path.home())
        return folder / f"{self.workspace.image.name}_objects"

    def _size(self) -> tuple[int, tuple[int, int]]:
        geometry = self.workspace.geometry
        return geometry.n_frames, geometry.frame_shape

    def _here(self, operation: Callable[[int, int], Any]) -> None:
        """Call a function with the current object and the shown frame."""
        frame = self.workspace.shown_frame
        if frame is not None:
            self._try(operation, self._current, frame)

    def _choose_seeding(self, seeding: str) -> None:
        self.edits.seeding = Seeding(seeding)

    def _choose_memories(self, remember: bool) -> None:
        self.edits.remember_mother = remember

    def _swap(self, other: int) -> None:
        self._here(lambda current, frame: self.edits.swap(current, other, frame))

    def _try(self, operation: Callable[..., Any], *arguments: Any) -> None:
        """Call a function once no propagation runs; report why it cannot be done."""

        def attempt() -> None:
            try:
                operation(*arguments)
            except (ValueError, KeyError) as error:
                report(error)

        self.annotator.propagation.when_idle(attempt)

    def _sync(self) -> None:
        """Show the state that the annotator is in."""
        workspace = self.annotator.workspace
        self.setEnabled(workspace is not None)
        if workspace is not self._workspace:
            self._workspace = workspace
            self.numbers.show_numbers(NO_TABLE, NO_TABLE)
            self._found = None
        self.reviewing.sync()
        if workspace is None:
            return
        in_time = "T" in layer_axes(workspace.image, workspace.geometry)
        self.tabs.setTabVisible(0, in_time)  # nothing divides in a stack or a single image
        self._show_family()
        self._show_place()
        if workspace in self._layers:
            self._layers[workspace].highlight(self._current)
        self._later()

    def _later(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _show_place(self) -> None:
        """Show the current object, and the frame that is looked at."""
        workspace = self.workspace
        frame = workspace.shown_frame
        self.numbers.select([workspace.current_object], frame)
        time = None if frame is None else frame // workspace.geometry.n_planes
        self.tree.select(workspace.current_object, time)

    def _measure_quickly(self) -> None:
        tracked = self._tracked()
        if tracked is None:
            return
        if self._quick.run(partial(_quick_numbers, tracked)):
            self._measured = self.annotator.workspace
        else:
            self._later()

    def _show_quick(self, found: Quick) -> None:
        if self.annotator.workspace is not self._measured:  # left meanwhile
            return
        self._found = found
        self._show_family()
        self.tree.show_tracks(found.tracked, found.objects)
        measured = _still_holds(self.numbers.objects, found.objects)
        if not measured and not self.numbers.job.background.is_running:
            self.numbers.show_numbers(found.objects, found.tracks)
        self._show_tracks()

    def _show_family(self) -> None:
        workspace = self.workspace
        names = {i: workspace.objects.name(i) for i in workspace.objects.ids}
        tracks = self._found.tracked.tracks if self._found is not None else Lineage()
        self.lineage.show_objects(names, workspace.current_object, tracks, workspace.shown_frame)

    def _show_tracks(self) -> None:
        """Draw the tracks if they are wanted."""
        workspace, found = self.workspace, self._found
        if found is None or not self.lineage.tracks.isChecked():
            return
        layer = self._tracks_layer(workspace)
        layer.show(found.objects, found.places_yx, found.tracked.tracks)
        layer.highlight(workspace.current_object)

    def _tracks_layer(self, workspace: Workspace) -> TracksLayer:
        if workspace not in self._layers:
            self._layers[workspace] = TracksLayer(
                self._viewer, workspace.image, workspace.geometry, self.annotator.work.select_object
            )
        return self._layers[workspace]

    def _toggle_tracks(self, shown: bool) -> None:
        if shown:
            self._show_tracks()
        elif self.workspace in self._layers:
            self._layers[self.workspace].remove()

    def _go_to_time(self, object_id: int, time: int) -> None:
        planes = self.workspace.geometry.n_planes
        self._go_to(object_id, time * planes + (self.workspace.shown_frame or 0) % planes)

    def _show_item(self, item: ReviewItem) -> None:
        """Go to what an item is about, and outline its objects, the first one in one colour."""
        (first, *others), frame = item.object_ids, item.frames[0]
        self._go_to(first, frame)
        workspace = self.workspace
        there = [i for i in others if workspace.masklets.outline(i, frame)]
        look_at(workspace, next(iter(there), first), frame)
        workspace.pointers.point_at({first: MOTHER} | dict.fromkeys(others, DAUGHTER))

    def _go_to(self, object_id: int, frame: int) -> None:
        workspace = self.workspace
        if object_id in workspace.objects:
            self.annotator.work.select_object(object_id)
        if 0 <= frame < workspace.geometry.n_frames:
            workspace.go_to(frame)


def _page(*parts: QWidget) -> TallScroll:
    """Lay parts below each other."""
    page = QWidget()
    layout = QVBoxLayout(page)
    for part in parts:
        layout.addWidget(part)
    layout.addStretch()
    return TallScroll(page)


def _quick_numbers(tracked: Tracked, progress: Callable[[int, int], None]) -> Quick:
    objects, places = outline_numbers(tracked)
    return Quick(tracked, objects, measure_tracks(tracked, objects), places)


def _still_holds(measured: Table, quick: Table) -> bool:
    """Tell whether what was measured in full is of the masks as they are now."""
    names = [name for name in quick if name in ("object", "frame") or name.startswith("area_")]
    return bool(names) and {*names} <= {*measured} and bool(measured[names].equals(quick[names]))
