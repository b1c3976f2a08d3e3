"""The panel that reads masks and tracks, from files or a Labels layer, to be corrected."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeAlias

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.io import read_tracked
from napari_sam2.tracked import Tracked
from napari_sam2.widgets.sections import add_row, button, combo_box, form, row
from napari_sam2.widgets.tracks_background import Background

Sources: TypeAlias = Mapping[str, Callable[[], Tracked]]
"""What can be taken without a file, by name."""


class Identities(StrEnum):
    """Where the identities of objects come from: the labels, or the network."""

    KEPT = "as they are"
    LINKED = "link through time"
    LINKED_WHOLE = "link, no divisions"


class OpenSection(QWidget):
    """Chooses what to read, and reads it on a thread of its own.

    Parameters
    ----------
    sources
        Lists what is in the viewer that can be taken, by name.

    Signals
    -------
    opened
        What was read, to be taken as it is: `Tracked`.
    linked
        What was read, to be linked first, and whether objects may divide.
    cancelled
        Stop linking.
    failed
        The exception of a job.
    """

    opened = Signal(object)
    linked = Signal(object, bool)
    cancelled = Signal()
    failed = Signal(object)

    def __init__(self, sources: Callable[[], Sources] = dict) -> None:
        super().__init__()
        self._sources = sources
        self.background = Background()
        self.identities = combo_box(
            "As they are, the same label is the same object. Programs that segment each frame by "
            "itself, such as Cellpose, number the cells anew in each: link them, then the network "
            "says who is who. The masks stay as they are.",
            list(Identities),
        )
        self.open = button("Open tracks…", "Read masks and tracks, to be corrected here")
        self.cancel = button("Cancel", "Stop; nothing is taken")
        self.bar = QProgressBar()
        self.state = QLabel()
        self._arrange()
        self._connect()
        self._show_running(False)

    def close_section(self) -> None:
        """Stop what is being read."""
        self.background.close()

    def read(self, path: Path) -> None:
        """Read masks and tracks from a file or folder, on the thread."""
        self._read(path.name, partial(read_tracked, path))

    def show_progress(self, done: int, total: int, doing: str | None = None) -> None:
        """Show how far it is."""
        self._show_running(True)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        if doing is not None:
            self.state.setText(doing)

    def show_end(self, text: str) -> None:
        """Show how it ended, in a sentence."""
        self._show_running(False)
        self.state.setText(text)

    def _arrange(self) -> None:
        self.state.setWordWrap(True)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Labels", self.identities)
        layout.addLayout(fields)
        layout.addLayout(row(self.open, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.state)

    def _connect(self) -> None:
        self.open.clicked.connect(self._choose)
        self.cancel.clicked.connect(self.background.cancel)
        self.cancel.clicked.connect(self.cancelled)
        self.background.progressed.connect(self.show_progress)
        self.background.finished.connect(self._finished)
        self.background.failed.connect(self._failed)
        self.background.stopped.connect(partial(self.show_end, "Cancelled; nothing was taken."))

    def menu(self) -> QMenu:
        """Make the menu of what can be opened."""
        menu = QMenu(self)
        menu.addAction("A label movie or session…", self._choose_file)
        menu.addAction("A folder: .ctc, .geff, .ome.zarr…", self._choose_folder)
        for name, source in self._sources().items():
            menu.addAction(f"The layer “{name}”", partial(self._read, name, source))
        return menu

    def _choose(self) -> None:
        self.menu().exec(self.open.mapToGlobal(self.open.rect().bottomLeft()))

    def _choose_file(self) -> None:
        text, _ = QFileDialog.getOpenFileName(self, "Open tracks")
        if text:
            self.read(Path(text))

    def _choose_folder(self) -> None:
        text = QFileDialog.getExistingDirectory(self, "Open tracks")
        if text:
            self.read(Path(text))

    def _read(self, name: str, source: Callable[[], Tracked]) -> None:
        if self.background.run(partial(_read, source)):
            self.show_progress(0, 1, f"Reading {name} …")

    def _finished(self, tracked: Tracked) -> None:
        chosen = Identities(self.identities.currentText())
        if not tracked.tracks:
            self.show_end("There is no object in it.")
        elif chosen is Identities.KEPT:
            n = len(tracked.tracks)
            self.show_end(f"Read {n} object{'s' * (n != 1)}.")
            self.opened.emit(tracked)
        else:
            self.show_progress(0, tracked.n_frames, "Linking …")
            self.linked.emit(tracked, chosen is Identities.LINKED)

    def _failed(self, error: Exception) -> None:
        self.show_end("Nothing was read.")
        self.failed.emit(error)

    def _show_running(self, running: bool) -> None:
        self.open.setEnabled(not running)
        self.identities.setEnabled(not running)
        self.cancel.setEnabled(running)
        self.bar.setVisible(running)


def _read(source: Callable[[], Tracked], progress: Callable[[int, int], None]) -> Tracked:
    tracked = source()
    tracked.tracks  # noqa: B018  # worked out here, not on the GUI thread
    return tracked
