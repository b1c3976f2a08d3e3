"""The dock *SAM 2*: image, model and undo on top, and a tab for each job below."""

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_sam2.movies.background_threads import thaw
from napari_sam2.widgets.annotator.panel import Panel
from napari_sam2.widgets.automatic_dock.dock import SegmentEverything
from napari_sam2.widgets.controls.key_bindings import KeyBindings, KeyOverlay
from napari_sam2.widgets.controls.key_table import Where, chosen_keys
from napari_sam2.widgets.controls.preferences import read_defaults
from napari_sam2.widgets.controls.vertical_scroll import ShortScroll, TallScroll
from napari_sam2.widgets.dock.hint_bar import Heading
from napari_sam2.widgets.dock.hints import beside_pictures, next_step, situation_of
from napari_sam2.widgets.dock.session_section import SessionSection
from napari_sam2.widgets.image.image_chooser import ImageChoice
from napari_sam2.widgets.image.image_row import ImageRow
from napari_sam2.widgets.model.model_chooser import ModelChooser
from napari_sam2.widgets.model.model_section import ModelSection
from napari_sam2.widgets.segment_dock.dock import SegmentAndTrack
from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers
from napari_sam2.widgets.tuning_dock.dock import TuneToMyData

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_sam2.widgets.inference.session_owner import SessionOwner

# titles of the tabs, and the dock's attributes that build them
_TABS = {"Segment": "segment", "All cells": "everything", "Tracks": "tracks", "Tune": "tuning"}
SEGMENT, ALL_CELLS, TRACKS, TUNE = TITLES = tuple(_TABS)
LOAD_AFTER_MS = 60
MARGIN_PX, SPACING_PX = 8, 4
MIN_WIDTH_PX = 300

AnyPanel = TypeVar("AnyPanel", bound=Panel)


class Sam2Dock(Panel):
    """All of the plugin in one dock; a viewer has one.

    Parameters
    ----------
    viewer
        The napari viewer that the dock belongs to.
    owner
        What the inference thread owns; tests give one without a network.

    Attributes
    ----------
    heading, image, axes, model, session
        What all tabs share: the hint, the image with its axes and calibration, the model, undo
        and redo.
    segment, everything, tracks, tuning
        The tabs; all but the first are built when they are needed.
    tabs
        Holds the tabs.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: "SessionOwner | None" = None) -> None:
        super().__init__(viewer, owner)
        self._close_other()
        network = self.annotator.network
        if not self.annotator.has_image and not network.device:  # unless work has begun
            defaults = read_defaults()
            network.model = (defaults.model, defaults.device)
        self.heading = Heading()
        self.session = SessionSection(self.annotator)
        beside = (self.session.undo, self.session.redo)
        self.image = ImageChoice.at(self._viewer, self.annotator.workspace, beside)
        self.axes = ImageRow(self.annotator)
        self.model = ModelSection()
        self.chooser = ModelChooser(self.model, self.annotator)
        self.segment = SegmentAndTrack(self._viewer)
        self._built: dict[str, Panel] = {SEGMENT: self.segment}
        # short names by which scripts drive the tab Segment
        tab = self.segment
        self.prompts, self.objects, self.propagation = tab.prompts, tab.objects, tab.propagation
        self.seeds, self.checking, self.appearance = tab.seeds, tab.checking, tab.appearance
        self.tabs = QTabWidget()
        self._was_seen = False
        self._arrange()
        self._keys = KeyBindings(self._viewer, self, self._key_actions())
        self._bind_keys_of_tracks()
        self._connect()
        self._image_chosen()
        self._sync()

    def stop(self) -> None:
        """Close the tabs and release the keys; masks and runs stay with the annotator."""
        for tab in self._built.values():
            tab.release()
        self.annotator.readiness.forget_waiting()
        self.image.close_choice()
        self.axes.release()
        self.chooser.release()
        self._keys.release()
        for name in _keys_of_tracks():
            self._viewer.bind_key(name, None)
        thaw()  # some hundred widgets refer to each other: the next collection is to find them

    def show_tab(self, title: str) -> None:
        """Show the tab with this title."""
        self.tabs.setCurrentIndex(TITLES.index(title))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Load the network once the dock is on the screen."""
        super().showEvent(event)
        if not self._was_seen:
            self._was_seen = True
            self._load_soon()

    @cached_property
    def everything(self) -> SegmentEverything:
        """The tab *All cells*."""
        return self._build(ALL_CELLS, SegmentEverything(self._viewer))

    @cached_property
    def tracks(self) -> TracksAndNumbers:
        """The tab *Tracks*."""
        return self._build(TRACKS, TracksAndNumbers(self._viewer))

    @cached_property
    def tuning(self) -> TuneToMyData:
        """The tab *Tune*."""
        return self._build(TUNE, TuneToMyData(self._viewer))

    def _build(self, title: str, tab: AnyPanel) -> AnyPanel:
        """Put a tab into its page."""
        self._built[title] = tab
        self._fill(title, tab)
        return tab

    def _fill(self, title: str, tab: Panel) -> None:
        page = self.tabs.widget(TITLES.index(title))
        layout = None if page is None else page.layout()
        assert layout is not None, "each page has a layout"
        layout.addWidget(TallScroll(tab, has_room_for_bar=False))

    def _build_shown(self, index: int) -> None:
        """Build the tab that is shown for the first time."""
        if not self.is_released:
            getattr(self, _TABS[TITLES[index]])

    def _close_other(self) -> None:
        """Take the place of the dock that the window has already: there is one set of keys."""
        window = getattr(self._viewer, "window", None)
        if window is not None:
            for other in window._qt_window.findChildren(Sam2Dock):
                window.remove_dock_widget(other)
                other.deleteLater()

    def _arrange(self) -> None:
        shared = QWidget()
        rows = QVBoxLayout(shared)
        rows.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, 0)
        rows.setSpacing(SPACING_PX)
        rows.addWidget(self.image)
        rows.addWidget(self.axes)
        rows.addWidget(self.model)
        for title in TITLES:
            page = QWidget()
            QVBoxLayout(page).setContentsMargins(0, 0, 0, 0)
            self.tabs.addTab(page, title)
        self._fill(SEGMENT, self.segment)
        self.tabs.setElideMode(Qt.TextElideMode.ElideNone)
        above = QVBoxLayout()
        above.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, 0)
        above.addWidget(self.heading)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addLayout(above)
        layout.addWidget(ShortScroll(shared))
        layout.addWidget(self.tabs, stretch=1)
        self.setMinimumWidth(MIN_WIDTH_PX)
        # napari puts an empty stretch below what does not ask for all of the height
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _key_actions(self) -> "dict[str, Callable[[], object]]":
        undo, redo = self.session.undo.click, self.session.redo.click
        own = {"undo": undo, "redo": redo, "explain": self._explain_keys}
        return own | self.segment.key_actions()

    def _bind_keys_of_tracks(self) -> None:
        """Bind the keys of the tab *Tracks* until it is built, and binds them itself."""

        def press(action: str) -> "Callable[[object], None]":
            def pressed(_: object) -> None:  # napari wants a function with a name
                self.tracks.key_actions()[action]()

            return pressed

        for name, action in _keys_of_tracks().items():
            self._viewer.bind_key(name, press(action), overwrite=True)

    def _connect(self) -> None:
        annotator = self.annotator
        self.heading.help.clicked.connect(self._explain_keys)
        self.heading.hint.linkActivated.connect(lambda _: annotator.sessions.recover())
        self.heading.strip.pointed.connect(self._go_to)
        self.image.chosen.connect(self._image_chosen)
        self.tabs.currentChanged.connect(self._build_shown)
        self.tabs.currentChanged.connect(self._show_hint)
        self.segment.waiting.connect(lambda: self.heading.show_hint("Getting ready …"))
        self.segment.sessions.addWidget(self.session)
        self.segment.sessions.expand(animate=False)
        self.listen(
            (annotator.changed, self._sync),
            (annotator.worker.busy, self.heading.busy.setVisible),
            (annotator.neighbours.changed, self._show_neighbours),
            (annotator.candidates.changed, self._show_hint),
            (self.segment.review.updated, self._show_hint),
            (self._viewer.dims.events.current_step, self._show_hint),
        )
        self.heading.busy.setVisible(annotator.worker.is_busy)

    def _image_chosen(self) -> None:
        self.annotator.choose_image(self.image.image, self.image.frame_axis)
        workspace = self.annotator.workspace
        is_worked_on = workspace is not None and (workspace.points or workspace.shapes)
        if self._was_seen or is_worked_on:
            self._load_soon()

    def _load_soon(self) -> None:
        # importing torch keeps the interpreter busy: first let the dock be seen
        QTimer.singleShot(LOAD_AFTER_MS, self._load)

    def _load(self) -> None:
        if not self.is_released:
            self.annotator.readiness.when_ready(self._open)

    def _open(self) -> None:
        if self.annotator.has_image and not self.annotator.network.is_unloaded:
            self.annotator.open()

    def _show_neighbours(self) -> None:
        workspace = self.annotator.workspace
        n_planes = 1 if workspace is None else workspace.geometry.n_planes
        self.heading.show_neighbours(self.annotator.neighbours.found, n_planes)

    def _go_to(self, frame: int) -> None:
        if self.annotator.has_image:
            self.annotator.work.workspace.go_to(frame)

    def _explain_keys(self) -> None:
        KeyOverlay(self).show_over(self.window() or self)

    def _sync(self) -> None:
        self.session.show_state()
        self._show_hint()

    def _show_hint(self) -> None:
        """Show what to do next in the tab that is shown."""
        tab = self.tabs.tabText(self.tabs.currentIndex())
        now = situation_of(self.annotator, self.segment.review, self.axes.asks, tab)
        self.heading.show_hint(next_step(now), beside_pictures(now))


def _keys_of_tracks() -> dict[str, str]:
    """Return the keys of the tab *Tracks* and what they do."""
    return {key.name: key.action for key in chosen_keys() if key.where is Where.TRACKS}
