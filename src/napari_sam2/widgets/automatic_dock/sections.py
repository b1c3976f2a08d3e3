"""The forms of the tab *All cells*."""

from typing import Any

from magicgui import magic_factory
from napari.layers import Labels, Points
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_sam2.api.automatic import in_pixels
from napari_sam2.movies.movie import Calibration
from napari_sam2.widgets.controls.collapsible import Fold
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, narrow
from napari_sam2.widgets.controls.run_bar import RunBar
from sam2_torch.automatic.options import (
    MIN_SCORE,
    TEXT_MODEL,
    EverythingOptions,
    FindBy,
    ObjectRules,
    SeedGrid,
    TrackOptions,
)

LEAST_SCORE = 0.2  # of what is kept at all: the slider starts there
THIS_FRAME, ALL_FRAMES = "This frame", "All frames"
CURRENT_OBJECT, ALL_OBJECTS, WORDS = "Current object", "All objects", "Words"
AUTOMATIC, DECODER, GRID = "Automatic", "Instance decoder", "Grid of points"
BRIGHT_BLOBS, DARK_BLOBS = "Bright blobs", "Dark blobs"
STOP = "Stop; what is done stays."
SEED_FRAMES = {
    "every": "In every n-th frame",
    "coverage": "Where masks leave",
    "first": "In the first frame",
}
MAX_DIAMETER = 99999.0
NO_LIMIT = "no limit"


def _diameter(label: str, effect: str) -> dict[str, Any]:
    return {
        "label": label,
        "max": MAX_DIAMETER,
        "tooltip": f"{effect} The diameter is that of a disc of the same area.",
    }


@magic_factory(
    call_button=False,
    smallest=_diameter("Smallest", "Objects of a smaller diameter are left out."),
    largest=_diameter("Largest", "Objects of a larger diameter are left out."),
    pieces=_diameter("Small pieces", "Holes and pieces of a smaller diameter are removed."),
    contrast={
        "choices": [("Any", "any"), ("Bright", "bright"), ("Dark", "dark")],
        "tooltip": "Only objects that are brighter, or darker, than their surroundings.",
    },
    border={
        "text": "Leave out what touches the border",
        "tooltip": "Leave out objects that the border of the image may cut.",
    },
    find_by={
        "choices": [AUTOMATIC],
        "tooltip": "What finds the objects: a decoder that was trained for cells, which only some "
        "models have; or clicks on a grid, on blobs, or at your own points or labels. Automatic: "
        "the decoder where a movie is tracked, the grid for single frames.",
    },
    points={
        "min": 4,
        "max": 128,
        "tooltip": "Points along each side of the grid. More find smaller objects.",
    },
    crops={
        "choices": [("By image size", -1), ("None", 0), ("2 x 2", 1), ("4 x 4", 2)],
        "tooltip": "Search parts of the image again, for small objects.",
    },
)
def objects_form(  # noqa: PLR0913  # one for each field
    smallest: float = 0.0,
    largest: float = 0.0,
    pieces: float = 0.0,
    contrast: str = "any",
    border: bool = False,
    find_by: Any = AUTOMATIC,
    points: int = SeedGrid().points_per_side,
    crops: int = -1,
) -> None:
    """Form of what counts as an object, with diameters in the unit of the image, and of seeds."""


@magic_factory(
    call_button=False,
    search={
        "choices": [(text, name) for name, text in SEED_FRAMES.items()],
        "tooltip": "Where to look for new objects: in every n-th frame; of these only where the "
        "masks cover less than before; or in the first frame only.",
    },
    every={
        "label": "Interval",
        "min": 1,
        "max": 9999,
        "tooltip": "How many frames apart the frames are that are searched for new objects.",
    },
)
def tracking_form(search: str = "every", every: int = TrackOptions().every) -> None:
    """Form of the frames in which new objects are looked for."""


class ObjectsWanted(Fold):
    """What counts as an object, and where to click; folded away at first."""

    def __init__(self) -> None:
        super().__init__("What counts as an object")
        self.form = narrow(objects_form())
        self._diameters = (self.form.smallest, self.form.largest, self.form.pieces)
        for each in self._diameters:
            each.native.setSpecialValueText(NO_LIMIT)
        self.addWidget(self.form.native)

    def show_unit(self, unit: str) -> None:
        """Say in what the diameters are."""
        for each in self._diameters:
            each.native.setSuffix(f" {unit}")

    def show_seed_layers(self, layers: list[Any]) -> None:
        """Offer the decoder, the grid, blobs, and layers of points and labels."""
        own = [(layer.name, layer) for layer in layers if isinstance(layer, Points | Labels)]
        named = [(name, name) for name in (AUTOMATIC, DECODER, GRID, BRIGHT_BLOBS, DARK_BLOBS)]
        self.form.find_by.choices = named + own

    def rules(self, pixel_size: tuple[float, float]) -> ObjectRules:
        """Read what counts as an object.

        Raises
        ------
        ValueError
            If the range of diameters is empty.
        """
        smallest, largest, pieces = (each.value or None for each in self._diameters)
        return in_pixels(
            ObjectRules(exclude_border=self.form.border.value, contrast=self.form.contrast.value),
            Calibration(pixel_size),
            diameter=(smallest, largest),
            part_diameter=pieces,
        )

    def options(
        self, pixel_size: tuple[float, float], min_score: float, automatic: FindBy
    ) -> EverythingOptions:
        """Read all of it.

        Parameters
        ----------
        pixel_size
            Height and width.
        min_score
            Least confidence.
        automatic
            What finds objects where that is left open.

        Raises
        ------
        ValueError
            As for `rules`.
        """
        crops = self.form.crops.value
        grid = SeedGrid(self.form.points.value, None if crops < 0 else crops)
        ways: dict[Any, FindBy] = {AUTOMATIC: automatic, DECODER: "decoder"}
        choice = self.form.find_by.value
        by = ways.get(choice, "grid") if isinstance(choice, str) else "grid"
        return EverythingOptions(grid, rules=self.rules(pixel_size), min_score=min_score, by=by)


class SegmentSection(QWidget):
    """Find all objects of a frame, hide those of low confidence, make objects of the rest."""

    made = Signal()
    least_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.frames = combo_box(
            "Search the shown frame, or each frame on its own.",
            [THIS_FRAME, ALL_FRAMES],
        )
        self.run = button("Segment everything", "Find all objects without clicks.")
        self.progress = RunBar(self.run, STOP)
        self.score = _slider(MIN_SCORE, LEAST_SCORE, "Hide objects of lower confidence.")
        self.count = QLabel()
        self.make = button(
            "Make objects of these",
            "Make objects of the shown masks of this frame: correct, propagate and measure them.",
        )
        layout = form()
        self._frames_label = add_row(layout, "Search in", self.frames)
        layout.addRow(self.progress)
        add_row(layout, "Least confidence", self.score)
        layout.addRow(self.count)
        layout.addRow(self.make)
        self.setLayout(layout)
        self.make.clicked.connect(self.made)
        self.score.valueChanged.connect(lambda: self.least_changed.emit())

    def show_count(self, shown: int, found: int) -> None:
        """Say how many objects are shown of those that were found."""
        self.count.setText(f"{shown} of {found} objects shown" if found else "Nothing found yet.")
        self.make.setEnabled(shown > 0)

    def show_movie(self, is_movie: bool) -> None:
        """Offer all frames where there are several."""
        for widget in (self._frames_label, self.frames):
            widget.setVisible(is_movie)


class SimilarSection(QWidget):
    """Find all objects that are similar to some that are there."""

    least_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.examples = combo_box(
            "What to compare with: the current object; all objects of the image, of which the "
            "most similar one counts; or words.",
            [CURRENT_OBJECT, ALL_OBJECTS, WORDS],
        )
        self.words = QLineEdit()
        self.words.setPlaceholderText("dividing cell, resting cell")
        self.words.setToolTip(
            "What to look for; after commas what else there is. Such models know everyday "
            "pictures: for microscopy take the order as a suggestion."
        )
        self.text_model = QLineEdit(TEXT_MODEL)
        self.text_model.setToolTip(
            "A CLIP-type model: its name on the Hugging Face Hub, from where it is downloaded, "
            "or a folder."
        )
        self.run = button(
            "Find similar objects",
            "Compare what was found with the objects above; segments everything first if that "
            "was not done.",
        )
        self.progress = RunBar(self.run, STOP)
        self.likeness = _slider(0.0, 0.0, "Hide objects that are less similar.")
        layout = form()
        add_row(layout, "Similar to", self.examples)
        labels = [
            add_row(layout, "Words", self.words),
            add_row(layout, "Text model", self.text_model),
        ]
        self._of_words = [*labels, self.words, self.text_model]
        layout.addRow(self.progress)
        add_row(layout, "Least similarity", self.likeness)
        self.setLayout(layout)
        self.likeness.valueChanged.connect(lambda: self.least_changed.emit())
        self.examples.currentTextChanged.connect(self._show_words)
        self._show_words()

    def _show_words(self) -> None:
        for widget in self._of_words:
            widget.setVisible(self.by_words)

    @property
    def by_words(self) -> bool:
        """Whether to compare with words."""
        return bool(self.examples.currentText() == WORDS)

    @property
    def everything(self) -> bool:
        """Whether to compare with all objects."""
        return bool(self.examples.currentText() == ALL_OBJECTS)


class TrackSection(QWidget):
    """Find all objects of the movie and track them."""

    def __init__(self) -> None:
        super().__init__()
        self.form = narrow(tracking_form())
        self.run = button(
            "Track everything",
            "Find all objects and track them forward and backward. They can be corrected like "
            "all others.",
        )
        self.progress = RunBar(self.run, STOP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form.native)
        layout.addWidget(self.progress)

    def options(self, everything: EverythingOptions) -> TrackOptions:
        """Read how to track."""
        return TrackOptions(everything, self.form.search.value, self.form.every.value)


def _slider(value: float, least: float, tooltip: str) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(least, 1.0)
    slider.setDecimals(2)
    slider.setValue(value)
    slider.setToolTip(tooltip)
    return slider
