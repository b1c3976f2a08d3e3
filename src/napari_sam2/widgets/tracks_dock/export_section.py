"""The panel that writes objects, masks and tracks to files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_sam2.io.outputs import check_outputs
from napari_sam2.io.tracks.formats import FOLDERS, FORMATS, export, find_format
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form
from napari_sam2.widgets.controls.run_bar import JobPanel

_HINTS = {
    ".csv": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".parquet": "Two tables: objects by frame, and <name>_tracks beside it.",
    ".geff": "Keeps overlapping masks and divisions; can be opened again.",
    ".ctc": "A folder of masks with res_track.txt; can be opened again.",
    ".mp4": "With names, the time and a scale bar.",
}


class ExportSection(QWidget):
    """Chooses a format and a file, and writes it.

    Parameters
    ----------
    tracked
        Returns what to write; None if there is nothing.
    usual
        Returns the path that the file dialog proposes, without a suffix.
    files
        Returns the files of the image, which are never replaced.
    """

    def __init__(
        self,
        tracked: Callable[[], Tracked | None],
        usual: Callable[[], Path],
        files: Callable[[], list[Path]] = list,
    ) -> None:
        super().__init__()
        self._tracked, self._usual, self._files = tracked, usual, files
        self.format = combo_box("Format of the exported file", [f.name for f in FORMATS.values()])
        start = button("Export…", "Choose a file, and export all objects that have masks to it.")
        self.job = JobPanel(start, "Stop; the unfinished file is removed", "nothing was exported")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Format", self.format)
        layout.addLayout(fields)
        layout.addWidget(self.job)
        self.format.currentIndexChanged.connect(self._show_hint)
        start.clicked.connect(self._start)
        self.job.finished.connect(self._written)
        self._show_hint()

    @property
    def suffix(self) -> str:
        """The suffix of the chosen format."""
        return list(FORMATS)[self.format.currentIndex()]

    def close_section(self) -> None:
        """Stop what is being written."""
        self.job.close_panel()

    def _show_hint(self) -> None:
        self.job.status.setText(_HINTS.get(self.suffix, ""))

    def _start(self) -> None:
        tracked = self._tracked()
        if tracked is None or not tracked.tracks:
            self.job.show_end("Nothing to export yet: click a cell and propagate it first.")
            return
        usual = with_suffix(self._usual(), self.suffix)
        filters = f"{FORMATS[self.suffix].name} (*{self.suffix})"
        text, _ = QFileDialog.getSaveFileName(self, "Export", str(usual), filters)
        if text:
            path = with_suffix(Path(text), self.suffix)
            # the dialog asked about a file that exists, but not about one of another suffix
            write = partial(_write, path, tracked, self._files(), path == Path(text))
            self.job.run(write, f"Writing {path.name} …")

    def _written(self, path: Path) -> None:
        names = ", ".join(each.name for each in find_format(path).files(path))
        self.job.show_end(f"Written to {path.parent}: {names}")


def with_suffix(path: Path, suffix: str) -> Path:
    """Return a path with the suffix of a format, in place of that of another format."""
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
