"""The panel that reads masks and tracks, from files or a Labels layer, to be corrected."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeAlias

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from napari_sam2.io.images.napari_reader import shown_warnings
from napari_sam2.io.tracks.formats import read_tracked
from napari_sam2.io.tracks.imagej_rois import Size
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form
from napari_sam2.widgets.controls.run_bar import JobPanel

Sources: TypeAlias = Mapping[str, Callable[[], Tracked]]
"""What can be taken without a file, by name."""


class Identities(StrEnum):
    """Where the identities of objects come from: the labels, or the network."""

    KEPT = "as they are"
    LINKED = "link through time"
    LINKED_WHOLE = "link, no divisions"


class OpenSection(QWidget):
    """Chooses what to read, and reads it; linking, too, is shown by its panel of the job.

    Parameters
    ----------
    sources
        Lists what is in the viewer that can be taken, by name.
    size
        Returns the number of frames and the (H, W) of the image; None if there is none.

    Signals
    -------
    opened
        What was read, to be taken as it is: `Tracked`.
    linked
        What was read, to be linked first, and whether objects may divide.
    """

    opened = Signal(object)
    linked = Signal(object, bool)

    def __init__(
        self,
        sources: Callable[[], Sources] = dict,
        size: Callable[[], Size | None] = lambda: None,
    ) -> None:
        super().__init__()
        self._sources, self._size = sources, size
        self.identities = combo_box(
            "As they are, the same label is the same object. Programs that segment each frame by "
            "itself, like Cellpose, give new numbers in each frame: link them, and the network "
            "finds which belong together. The masks stay as they are.",
            list(Identities),
        )
        start = button("Import…", "Import masks and tracks, to correct them here")
        self.job = JobPanel(start, "Stop; nothing is imported", "nothing was imported")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Labels", self.identities)
        layout.addLayout(fields)
        layout.addWidget(self.job)
        start.clicked.connect(self._choose)
        self.job.finished.connect(self._finished)
        self.job.running.connect(self.identities.setDisabled)

    def close_section(self) -> None:
        """Stop what is being read."""
        self.job.close_panel()

    def read(self, path: Path) -> None:
        """Read masks and tracks from a file or folder, on the thread."""
        self._read(path.name, partial(_read_file, path, self._size()))

    def menu(self) -> QMenu:
        """Return the menu of what can be imported."""
        menu = QMenu(self)
        menu.addAction("A file: labels, session, .xml, .json, ROIs…", self._choose_file)
        menu.addAction("A folder: .ctc, .geff, .ome.zarr…", self._choose_folder)
        for name, source in self._sources().items():
            menu.addAction(f"The layer “{name}”", partial(self._read, name, source))
        return menu

    def _choose(self) -> None:
        start = self.job.start
        self.menu().exec(start.mapToGlobal(start.rect().bottomLeft()))

    def _choose_file(self) -> None:
        text, _ = QFileDialog.getOpenFileName(self, "Import tracks")
        if text:
            self.read(Path(text))

    def _choose_folder(self) -> None:
        text = QFileDialog.getExistingDirectory(self, "Import tracks")
        if text:
            self.read(Path(text))

    def _read(self, name: str, source: Callable[[], Tracked]) -> None:
        self.job.run(partial(_read, source), f"Reading {name} …")

    def _finished(self, tracked: Tracked) -> None:
        chosen = Identities(self.identities.currentText())
        if not tracked.tracks:
            self.job.show_end("It holds no object.")
        elif chosen is Identities.KEPT:
            n = len(tracked.tracks)
            self.job.show_end(f"Read {n} object{'s' * (n != 1)}.")
            self.opened.emit(tracked)
        else:
            self.job.show_progress(0, tracked.n_frames, "Linking …")
            self.linked.emit(tracked, chosen is Identities.LINKED)


def _read(source: Callable[[], Tracked], progress: Callable[[int, int], None]) -> Tracked:
    tracked = source()
    tracked.tracks  # noqa: B018  # worked out here, not on the GUI thread
    return tracked


def _read_file(path: Path, size: Size | None) -> Tracked:
    with shown_warnings():
        return read_tracked(path, size=size)
