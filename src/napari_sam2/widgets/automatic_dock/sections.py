"""The parts of the dock "Segment everything": they show, and say what was pressed."""

from dataclasses import replace
from time import monotonic
from typing import Any

from napari.layers import Labels, Points
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_sam2.api.automatic import in_pixels
from napari_sam2.movies.movie import Calibration
from napari_sam2.widgets.controls.collapsible import Fold
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form
from sam2_torch.automatic.options import (
    MIN_SCORE,
    Contrast,
    EverythingOptions,
    FindBy,
    ObjectRules,
    SeedGrid,
    TrackOptions,
)
from sam2_torch.models.speed_records import duration

LEAST_SCORE = 0.2  # of what is kept at all: the slider starts there
THIS_FRAME, ALL_FRAMES = "This frame", "All frames"
CURRENT_OBJECT, ALL_OBJECTS = "The current object", "All objects"
DECODER, GRID = "Instance decoder", "Grid of points"
BRIGHT_BLOBS, DARK_BLOBS = "Bright blobs", "Dark blobs"
CONTRASTS: dict[str, Contrast] = {"Any": "any", "Bright": "bright", "Dark": "dark"}
CROPS: dict[str, int | None] = {"By image size": None, "None": 0, "2 x 2": 1, "4 x 4": 2}
SEED_FRAMES = {
    "every": "In every n-th frame",
    "coverage": "Where masks leave",
    "first": "In the first frame",
}
MAX_DIAMETER = 99999.0
NO_LIMIT = "no limit"


class ObjectsWanted(Fold):
    """What counts as an object, and where to click; folded away at first."""

    def __init__(self) -> None:
        super().__init__("What counts as an object")
        self.smallest = _diameter("Objects of a smaller diameter are left out.")
        self.largest = _diameter("Objects of a larger diameter are left out.")
        self.speck = _diameter("Holes and separate specks of a smaller diameter are removed.")
        self.contrast = combo_box(
            "Only objects that are brighter, or darker, than their surroundings.", list(CONTRASTS)
        )
        self.border = QCheckBox("Leave out what touches the border")
        self.border.setToolTip("Leave out objects that the border of the image may cut.")
        self.seeds = combo_box(
            "What finds the objects: a decoder that was trained for cells, which only some models "
            "have; or prompts on a grid, on blobs, or at your own points or labels."
        )
        self.points = QSpinBox()
        self.points.setRange(4, 128)
        _widen(self.points)
        self.points.setValue(SeedGrid().points_per_side)
        self.points.setToolTip("Points along each side of the grid. More find smaller objects.")
        self.crops = combo_box("Search parts of the image again, for small objects.", list(CROPS))
        self._arrange()

    def show_unit(self, unit: str) -> None:
        """Say in what the diameters are."""
        suffix = f" {unit}"
        for box in (self.smallest, self.largest, self.speck):
            box.setSuffix(suffix)

    def show_seed_layers(self, layers: list[Any]) -> None:
        """Offer the grid, the decoder, blobs, and layers of points and labels."""
        before = self.seeds.currentData()
        self.seeds.clear()
        for name in (GRID, DECODER, BRIGHT_BLOBS, DARK_BLOBS):
            self.seeds.addItem(name, name)
        for layer in layers:
            if isinstance(layer, Points | Labels):
                self.seeds.addItem(layer.name, layer)
        self.seeds.setCurrentIndex(max(self.seeds.findData(before), 0))

    def rules(self, pixel_size: tuple[float, float]) -> ObjectRules:
        """Read what counts as an object.

        Raises
        ------
        ValueError
            If the range of diameters is empty.
        """
        rules = ObjectRules(exclude_border=self.border.isChecked())
        rules = replace(rules, contrast=CONTRASTS[self.contrast.currentText()])
        return in_pixels(
            rules,
            Calibration(pixel_size),
            diameter=(self.smallest.value() or None, self.largest.value() or None),
            part_diameter=self.speck.value() or None,
        )

    def options(self, pixel_size: tuple[float, float], min_score: float) -> EverythingOptions:
        """Read all of it.

        Raises
        ------
        ValueError
            As for `rules`.
        """
        grid = SeedGrid(self.points.value(), CROPS[self.crops.currentText()])
        by: FindBy = "decoder" if self.seeds.currentData() == DECODER else "grid"
        return EverythingOptions(grid, rules=self.rules(pixel_size), min_score=min_score, by=by)

    def _arrange(self) -> None:
        box = QWidget()
        layout = form()
        box.setLayout(layout)
        add_row(layout, "Smallest", self.smallest)
        add_row(layout, "Largest", self.largest)
        add_row(layout, "Small pieces", self.speck)
        add_row(layout, "Contrast", self.contrast)
        layout.addRow(self.border)
        add_row(layout, "Find by", self.seeds)
        add_row(layout, "Points", self.points)
        add_row(layout, "Crops", self.crops)
        self.addWidget(box)


class SegmentSection(QWidget):
    """Segment everything, hide what is doubtful, make objects of the rest."""

    started = Signal()
    made = Signal()
    least_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.frames = combo_box(
            "Search the shown frame, or each frame on its own.",
            [THIS_FRAME, ALL_FRAMES],
        )
        self.run = button("Segment everything", "Find all objects without clicks.")
        self.score = _slider(MIN_SCORE, LEAST_SCORE, "Hide objects of lower confidence.")
        self.count = QLabel()
        self.make = button(
            "Make objects of these",
            "Take the shown masks of this frame as objects: correct, follow and measure them.",
        )
        layout = form()
        add_row(layout, "Search in", self.frames)
        layout.addRow(self.run)
        add_row(layout, "Least confidence", self.score)
        layout.addRow(self.count)
        layout.addRow(self.make)
        self.setLayout(layout)
        self.run.clicked.connect(self.started)
        self.make.clicked.connect(self.made)
        self.score.valueChanged.connect(lambda: self.least_changed.emit())

    def show_count(self, shown: int, found: int) -> None:
        """Say how many objects are shown of those that were found."""
        self.count.setText(f"{shown} of {found} objects shown" if found else "Nothing found yet.")
        self.make.setEnabled(shown > 0)


class AlikeSection(QWidget):
    """Find all objects like some that are there."""

    started = Signal()
    least_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.examples = combo_box(
            "What to compare with: the current object, or all objects of the image, of which the "
            "most similar one counts.",
            [CURRENT_OBJECT, ALL_OBJECTS],
        )
        self.run = button(
            "Find similar objects",
            "Compare what was found with the objects above; segments everything first if that "
            "was not done.",
        )
        self.likeness = _slider(0.0, 0.0, "Hide objects that are less like it.")
        layout = form()
        add_row(layout, "Similar to", self.examples)
        layout.addRow(self.run)
        add_row(layout, "Least similarity", self.likeness)
        self.setLayout(layout)
        self.run.clicked.connect(self.started)
        self.likeness.valueChanged.connect(lambda: self.least_changed.emit())

    @property
    def everything(self) -> bool:
        """Whether to compare with all objects."""
        return bool(self.examples.currentText() == ALL_OBJECTS)


class TrackSection(QWidget):
    """Find all objects of the movie and follow them."""

    started = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.seed_frames = combo_box(
            "Where to look for new objects: in every n-th frame; of these only where the followed "
            "masks cover less than before; or in the first frame only."
        )
        for name, text in SEED_FRAMES.items():
            self.seed_frames.addItem(text, name)
        self.every = QSpinBox()
        self.every.setRange(1, 9999)
        self.every.setSuffix(" frames")
        _widen(self.every)
        self.every.setValue(TrackOptions().every)
        self.every.setToolTip("Distance of the frames that are searched for new objects.")
        self.run = button(
            "Track everything",
            "Find all objects and follow them both ways. The result are ordinary objects.",
        )
        layout = form()
        add_row(layout, "Search", self.seed_frames)
        add_row(layout, "Every", self.every)
        layout.addRow(self.run)
        self.setLayout(layout)
        self.run.clicked.connect(self.started)

    def options(self, everything: EverythingOptions) -> TrackOptions:
        """Read how to track."""
        return TrackOptions(everything, self.seed_frames.currentData(), self.every.value())


class ProgressSection(QWidget):
    """How far it is, and the button that stops it."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._started_at = monotonic()
        self.cancel = button("Cancel", "Stop; what is done stays.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status = QLabel()
        self.status.setWordWrap(True)
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.status, self.cancel):
            layout.addWidget(widget)
        self.setLayout(layout)
        self.cancel.clicked.connect(self.cancelled)
        self.show_end("")

    def show_progress(self, done: int, total: int, doing: str) -> None:
        """Show how far it is."""
        self.cancel.setEnabled(True)
        # a progress bar repaints at once, and the canvas with it; this way it waits its turn
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.bar.setUpdatesEnabled(True)
        if done == 0:
            self._started_at = monotonic()
        spent = monotonic() - self._started_at
        left = f"; {duration(spent / done * (total - done))} left" if 0 < done < total else ""
        self.status.setText(f"{doing}{left}")

    def show_end(self, text: str) -> None:
        """Say how it ended."""
        self.cancel.setEnabled(False)
        self.bar.setRange(0, 1)
        self.bar.reset()
        self.status.setText(text)


def _diameter(tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, MAX_DIAMETER)
    box.setDecimals(2)
    box.setSpecialValueText(NO_LIMIT)
    _widen(box)
    box.setToolTip(f"{tooltip} The diameter is that of a disc of the same area.")
    return box


def _slider(value: float, least: float, tooltip: str) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(least, 1.0)
    slider.setDecimals(2)
    slider.setValue(value)
    slider.setToolTip(tooltip)
    return slider


def _widen(box: QWidget) -> None:
    """Let a box take its share of the row, as combo boxes do."""
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
