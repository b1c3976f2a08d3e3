"""The panel that writes objects, masks and tracks to files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from napari_sam2.io.outputs import check_outputs
from napari_sam2.io.tracks.formats import FOLDERS, FORMATS, export, find_format
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, row
from napari_sam2.widgets.controls.job_panel import JobPanel

_HINTS = {
    ".csv": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".parquet": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".geff": "Keeps overlapping masks and divisions; can be opened again.",
    ".ctc": "A folder of masks with res_track.txt; can be opened again.",
    ".mp4": "With names, the time and a scale bar.",
}


class ExportSection(QWidget):
    """Chooses a form and a place, and writes there.

    Parameters
    ----------
    tracked
        Gives what to write; None if there is nothing.
    files
        Gives the files of the image, which are never replaced.
    """

    def __init__(
        self,
        tracked: Callable[[], Tracked | None],
        files: Callable[[], list[Path]] = list,
    ) -> None:
        super().__init__()
        self._tracked, self._files = tracked, files
        self._confirmed: Path | None = None
        self.format = combo_box("Format of the exported file", [f.name for f in FORMATS.values()])
        self.path = QLineEdit()
        self.browse = button("Choose…", "Choose the file to export to")
        start = button("Export", "Export all objects that have masks")
        self.job = JobPanel(start, "Stop; the unfinished file is removed", "nothing was exported")
        self._arrange()
        self._connect()
        self._format_chosen()

    @property
    def suffix(self) -> str:
        """The suffix of the chosen form."""
        return list(FORMATS)[self.format.currentIndex()]

    def close_section(self) -> None:
        """Stop what is being written."""
        self.job.close_panel()

    def _arrange(self) -> None:
        self.path.setPlaceholderText("File to write")
        self.path.setToolTip("File to export to; the suffix selects the format.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Format", self.format)
        add_row(fields, "File", self.path)
        layout.addLayout(fields)
        layout.addLayout(row(self.browse))
        layout.addWidget(self.job)

    def _connect(self) -> None:
        self.format.currentIndexChanged.connect(self._format_chosen)
        self.browse.clicked.connect(self._browse)
        self.job.start.clicked.connect(self._start)
        self.job.finished.connect(lambda path: self.job.show_end(f"Written: {path}"))

    def _format_chosen(self) -> None:
        self.job.state.setText(_HINTS.get(self.suffix, ""))
        text = self.path.text()
        if text:
            self.path.setText(str(with_suffix(Path(text), self.suffix)))

    def _browse(self) -> None:
        name = FORMATS[self.suffix].name
        text, _ = QFileDialog.getSaveFileName(
            self, "Export", self.path.text(), f"{name} (*{self.suffix})"
        )
        if text:
            self._confirmed = Path(text)  # the dialog asks before it gives a file that exists
            self.path.setText(str(with_suffix(Path(text), self.suffix)))

    def _start(self) -> None:
        tracked = self._tracked()
        text = self.path.text().strip()
        if tracked is None or not tracked.tracks:
            self.job.state.setText("Nothing to write yet: click a cell and propagate it first.")
        elif not text:
            self.job.state.setText("Choose a file first.")
        else:
            path = Path(text).expanduser()
            try:
                find_format(path)
            except ValueError:
                path = with_suffix(path, self.suffix)
                self.path.setText(str(path))
            write = partial(_write, path, tracked, self._files(), path == self._confirmed)
            self.job.run(write, f"Writing {path.name} …")


def with_suffix(path: Path, suffix: str) -> Path:
    """Give a path the suffix of a form, in place of that of another form."""
    known = sorted((*FORMATS, *FOLDERS, ".ome.tiff", ".tiff"), key=len, reverse=True)
    name = path.name
    before = next((end for end in known if name.lower().endswith(end)), "")
    return path.with_name(name[: len(name) - len(before)] + suffix)


def _write(
    path: Path,
    tracked: Tracked,
    inputs: list[Path],
    overwrite: bool,
    progress: Callable[[int, int], None],
) -> Path:
    check_outputs(find_format(path).files(path), inputs, overwrite)
    export(path, tracked, progress)
    return path
