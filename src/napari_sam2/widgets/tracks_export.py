"""The panel that writes objects, masks and tracks to files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.io import export, form_of
from napari_sam2.io.exports import FOLDERS, FORMS
from napari_sam2.tracked import Tracked
from napari_sam2.widgets.sections import add_row, button, combo_box, form, row
from napari_sam2.widgets.tracks_background import Background

_HINTS = {
    ".csv": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".parquet": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".geff": "Keeps overlapping masks and divisions; can be opened again.",
    ".ctc": "A folder of masks with res_track.txt; can be opened again.",
    ".mp4": "With names, the time and a scale bar.",
}


class ExportSection(QWidget):
    """Chooses a form and a place, and writes there on a thread of its own.

    Parameters
    ----------
    tracked
        Gives what to write; None if there is nothing.

    Signals
    -------
    failed
        The exception of a job.
    """

    failed = Signal(object)

    def __init__(self, tracked: Callable[[], Tracked | None]) -> None:
        super().__init__()
        self._tracked = tracked
        self.background = Background()
        self.form = combo_box("What kind of file to write", [f.name for f in FORMS.values()])
        self.path = QLineEdit()
        self.browse = button("Choose…", "Choose where to write")
        self.start = button("Export", "Write all objects with masks")
        self.cancel = button("Cancel", "Stop; nothing is left of the new file")
        self.bar = QProgressBar()
        self.state = QLabel()
        self._arrange()
        self._connect()
        self._form_chosen()
        self._show_running(False)

    @property
    def suffix(self) -> str:
        """The suffix of the chosen form."""
        return list(FORMS)[self.form.currentIndex()]

    def close_section(self) -> None:
        """Stop what is being written."""
        self.background.close()

    def _arrange(self) -> None:
        self.path.setPlaceholderText("File to write")
        self.path.setToolTip("Where to write; the suffix says the form.")
        self.state.setWordWrap(True)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Form", self.form)
        add_row(fields, "File", self.path)
        layout.addLayout(fields)
        layout.addLayout(row(self.browse))
        layout.addLayout(row(self.start, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.state)

    def _connect(self) -> None:
        self.form.currentIndexChanged.connect(self._form_chosen)
        self.browse.clicked.connect(self._browse)
        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self.background.cancel)
        self.background.progressed.connect(self._show_progress)
        self.background.finished.connect(self._finished)
        self.background.failed.connect(self._failed)
        self.background.stopped.connect(partial(self._end, "Cancelled; nothing was written."))

    def _form_chosen(self) -> None:
        self.state.setText(_HINTS.get(self.suffix, ""))
        text = self.path.text()
        if text:
            self.path.setText(str(with_suffix(Path(text), self.suffix)))

    def _browse(self) -> None:
        name = FORMS[self.suffix].name
        text, _ = QFileDialog.getSaveFileName(
            self, "Export", self.path.text(), f"{name} (*{self.suffix})"
        )
        if text:
            self.path.setText(str(with_suffix(Path(text), self.suffix)))

    def _start(self) -> None:
        tracked = self._tracked()
        text = self.path.text().strip()
        if tracked is None or not tracked.tracks:
            self.state.setText("Nothing to write yet: click a cell and propagate it first.")
        elif not text:
            self.state.setText("Choose a file first.")
        else:
            path = Path(text).expanduser()
            try:
                form_of(path)
            except ValueError:
                path = with_suffix(path, self.suffix)
                self.path.setText(str(path))
            if self.background.run(partial(_write, path, tracked)):
                self._show_running(True)
                self.state.setText(f"Writing {path.name} …")

    def _show_progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _finished(self, path: Path) -> None:
        self._end(f"Written: {path}")

    def _failed(self, error: Exception) -> None:
        self._end("Nothing was written.")
        self.failed.emit(error)

    def _end(self, text: str) -> None:
        self._show_running(False)
        self.state.setText(text)

    def _show_running(self, running: bool) -> None:
        self.start.setEnabled(not running)
        self.cancel.setEnabled(running)
        self.bar.setVisible(running)
        if running:
            self.bar.setRange(0, 1)
            self.bar.setValue(0)


def with_suffix(path: Path, suffix: str) -> Path:
    """Give a path the suffix of a form, in place of that of another form."""
    known = sorted((*FORMS, *FOLDERS, ".ome.tiff", ".tiff"), key=len, reverse=True)
    name = path.name
    before = next((end for end in known if name.lower().endswith(end)), "")
    return path.with_name(name[: len(name) - len(before)] + suffix)


def _write(path: Path, tracked: Tracked, progress: Callable[[int, int], None]) -> Path:
    export(path, tracked, progress)
    return path
