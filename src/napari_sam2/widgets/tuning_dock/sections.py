"""The parts of the tab *Tune*."""

import math
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import numpy as np
from magicgui import magic_factory
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, row
from napari_sam2.widgets.controls.line_plot import Line, LinePlot
from napari_sam2.widgets.controls.run_bar import RunBar

FROM_VIEWER, FROM_FOLDER = "This viewer", "A folder…"
TRAINED = {
    "Decoder, memory": "decoder",
    "Everything": "everything",
    "Adapters": "adapters",
}
PROMPTS = {
    "image.click": "one click",
    "image.3clicks": "three clicks",
    "image.box": "box",
    "sequence.click": "click, followed",
    "sequence.box": "box, followed",
}
DEFAULT_MINUTES = 10.0
CURVE_HEIGHT_PX = 120
LINE_COLOUR = "#3f8cff"  # seen on dark and on light
SMOOTHING = 0.7  # weight of the running average before each point


def _words(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    # long words, such as paths, must not widen the dock
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


class DataSection(QWidget):
    """What to learn from."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None
        self.source = combo_box(
            "Masks that were made and corrected in this viewer, or a folder with images and "
            "labels (folders images and labels, or pairs such as a.tif and a_labels.tif).",
            [FROM_VIEWER, FROM_FOLDER],
        )
        self.summary = _words()
        layout = form()
        add_row(layout, "Training data", self.source)
        layout.addRow(self.summary)
        self.setLayout(layout)
        self.source.activated.connect(self._activated)

    @property
    def is_folder(self) -> bool:
        """Whether a folder is chosen rather than the viewer."""
        return self.source.currentIndex() > 0

    def choose_folder(self, folder: Path) -> None:
        """Take a folder."""
        self.folder = folder
        self.source.setCurrentIndex(1)
        self.source.setItemText(1, folder.name or str(folder))
        self.source.setItemData(1, str(folder), Qt.ItemDataRole.ToolTipRole)
        self.changed.emit()

    def _activated(self, index: int) -> None:
        if index == 1:
            chosen = QFileDialog.getExistingDirectory(self, "Folder with images and labels")
            if chosen:
                self.choose_folder(Path(chosen))
                return
            self.source.setCurrentIndex(0 if self.folder is None else 1)
        self.changed.emit()


@magic_factory(
    call_button=False,
    start_from={
        "label": "Start from",
        "choices": ["cells_nano"],
        "tooltip": "The model to begin with.",
    },
    trains={
        "label": "Trains",
        "choices": list(TRAINED.items()),
        "tooltip": "Decoder and memory: all but the image encoder; good for most data. Everything: "
        "for images unlike those that it was trained on; slower. Adapters: small changes only, for "
        "few images.",
    },
    minutes={
        "label": "Minutes",
        "min": 0.1,
        "max": 24 * 60,
        "tooltip": "How long to train; measuring before and after comes on top.",
    },
    new_name={
        "label": "Name",
        "tooltip": "Name of the new model: letters, digits and . _ + -. It will be in every list "
        "of models.",
    },
)
def tuning_form(
    start_from: str,
    trains: str = "decoder",
    minutes: float = DEFAULT_MINUTES,
    new_name: str = "my_cells",
) -> None:
    """Form of what to begin with, which part of the network is trained, how long, and the name."""


class LossCurve(LinePlot):
    """Draws the loss over the share of the run that is done, and its running average."""

    def __init__(self) -> None:
        super().__init__(
            "Training loss: the error of the model's masks while it is trained, over the "
            "percentage of the run.",
            0,
            (0, 100),
        )
        self.setFixedHeight(CURVE_HEIGHT_PX)
        self.points: list[tuple[float, float]] = []
        self.clear()

    def clear(self) -> None:
        """Remove all points."""
        self.points.clear()
        self.show_lines("training loss", ())

    def add(self, progress: float, loss: float) -> None:
        """Add a point: share of the run (0 to 1) and loss."""
        if math.isfinite(loss):
            self.points.append((progress, loss))
            x, y = np.array(self.points).T * [[100], [1]]
            mean = np.array(list(accumulate(y, _blend)))
            faint, strong = QColor(LINE_COLOUR), QColor(LINE_COLOUR)
            faint.setAlpha(90)
            lines = (Line(x, y, faint, 1), Line(x, mean, strong, 2))
            self.show_lines(f"training loss {mean[0]:.2f} → {mean[-1]:.2f}", lines)


def _blend(before: float, value: float) -> float:
    return SMOOTHING * before + (1 - SMOOTHING) * value


class RunSection(QWidget):
    """Start and stop, and how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.start = button("Train", "Train on most masks; measure on the others before and after.")
        stop = "Stop after this step; the model is then measured and saved."
        self.progress = RunBar(self.start, stop)
        self.stop, self.status = self.progress.cancel, self.progress.status
        self.curve, self.needs = LossCurve(), _words()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.needs, self.progress, self.curve):
            layout.addWidget(widget)

    def show_needs(self, text: str) -> None:
        """Show what is missing before training can begin; empty if nothing is."""
        self.needs.setText(text)
        self.needs.setVisible(bool(text))

    def show_progress(self, text: str, share: float) -> None:
        """Show how far a stage is."""
        self.progress.show_progress(round(1000 * share), 1000, text)


class ResultSection(QWidget):
    """What was gained: figures, pictures, and whether to use it."""

    used = Signal()
    undone = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.headline = _words()
        self.figures = QGridLayout()
        self.figures.setHorizontalSpacing(12)
        self.picture = _Picture()
        self.use = button("Use it", "Use the new model from now on.")
        self.undo = button("Go back", "Use the previous model again.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.headline)
        layout.addLayout(self.figures)
        layout.addWidget(self.picture)
        layout.addLayout(row(self.use, self.undo))
        self.use.clicked.connect(self.used)
        self.undo.clicked.connect(self.undone)
        self.hide()

    def show_result(
        self, headline: str, before: Mapping[str, float], after: Mapping[str, float], picture: Path
    ) -> None:
        """Show the mean IoU on the held-out part by kind of prompt, and examples."""
        self.headline.setText(headline)
        while (item := self.figures.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        rows = [("held-out part", "before", "after")]
        for key, prompt in PROMPTS.items():
            if key in before and key in after:
                rows.append((prompt, f"{before[key]:.2f}", f"{after[key]:.2f}"))
        for y, cells in enumerate(rows):
            for x, text in enumerate(cells):
                label = QLabel(text)
                if x:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight)
                label.setToolTip("Mean IoU (overlap with the true mask): 1 is perfect, 0 is wrong.")
                self.figures.addWidget(label, y, x)
        self.figures.setColumnStretch(0, 1)
        self.picture.show_file(picture)
        self.show()

    def show_in_use(self, in_use: bool) -> None:
        """Offer the other of the two models."""
        self.use.setEnabled(not in_use)
        self.undo.setEnabled(in_use)


class _Picture(QLabel):
    """A picture as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self._pixels = QPixmap()
        self.setMinimumWidth(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Of the held-out part: the true masks (green), and those that one click gave before "
            "and after (orange)."
        )

    def show_file(self, path: Path) -> None:
        self._pixels = QPixmap(str(path))
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._fit()

    def _fit(self) -> None:
        if self._pixels.isNull():
            self.setFixedHeight(0)
            return
        smooth = Qt.TransformationMode.SmoothTransformation
        fitted = self._pixels.scaledToWidth(max(self.width(), 1), smooth)
        self.setFixedHeight(fitted.height())
        self.setPixmap(fitted)
