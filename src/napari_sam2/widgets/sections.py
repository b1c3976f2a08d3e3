"""The parts of the dock: they show, and say what was pressed; nothing is decided here."""

from collections.abc import Sequence
from typing import cast

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledRangeSlider

from napari_sam2.annotation import Direction
from napari_sam2.layers.colours import NEGATIVE, POSITIVE, object_colour
from napari_sam2.widgets.session_owner import Progress

DIRECTIONS: dict[str, Direction] = {
    "Forward": "forward",
    "Backward": "backward",
    "Both ways": "both",
}
ONE_PER_OBJECT, ONE_FOR_ALL = "One layer per object", "One layer for all"
SWATCH_PX = 14
LABEL_WIDTH_PX = 68


def combo_box(tooltip: str, items: Sequence[str] = ()) -> QComboBox:
    """Make a combo box that shrinks: long names of layers must not widen the dock."""
    combo = QComboBox()
    combo.addItems(list(items))
    combo.setToolTip(tooltip)
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def button(text: str, tooltip: str) -> QPushButton:
    """Make a button that takes its share of the row."""
    push = QPushButton(text)
    push.setToolTip(tooltip)
    push.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return push


def row(*widgets: QWidget) -> QHBoxLayout:
    """Put widgets side by side."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def form() -> QFormLayout:
    """Make a form whose labels are equally wide in every section."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return layout


def add_row(layout: QFormLayout, text: str, field: QWidget | QLayout) -> QLabel:
    """Add a field with its label."""
    label = QLabel(text)
    label.setMinimumWidth(LABEL_WIDTH_PX)
    layout.addRow(label, cast("QWidget", field))
    return label


class ObjectSection(QWidget):
    """The objects, and which one the next prompt is for."""

    selected = Signal(int)
    created = Signal()
    deleted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.combo = combo_box("The object that clicks and boxes are for.")
        self.new = button("New object", "Start on the next cell. Key N in the canvas.")
        self.delete = button("Delete", "Delete this object with its prompts and its masks.")
        layout = form()
        add_row(layout, "Object", self.combo)
        layout.addRow(row(self.new, self.delete))
        self.setLayout(layout)
        self.combo.activated.connect(lambda: self.selected.emit(self.combo.currentData()))
        self.new.clicked.connect(self.created)
        self.delete.clicked.connect(lambda: self.deleted.emit(self.combo.currentData()))

    def show_objects(self, names: dict[int, str], current: int | None) -> None:
        """List the objects with their colours."""
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for object_id, name in names.items():
                self.combo.addItem(_swatch(object_id), name, object_id)
            if current is not None:
                self.combo.setCurrentIndex(self.combo.findData(current))
        for widget in (self, self.new, self.delete):
            widget.setEnabled(bool(names))


class PromptSection(QWidget):
    """Which layer to draw in, and what a click says."""

    points_wanted = Signal()
    shapes_wanted = Signal()
    label_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.points = button(
            "Points", "Click on the image: inside of the object (positive) or beside it (negative)."
        )
        self.shapes = button(
            "Boxes / shapes",
            "Draw a box around the object. Polygons, lassos and ellipses, which are among the "
            "tools of the Shapes layer, are taken for the mask itself.",
        )
        self.positive = QRadioButton("Positive")
        self.positive.setToolTip("A click says: this belongs to the object. Key T switches.")
        self.negative = QRadioButton("Negative")
        self.negative.setToolTip("A click says: this does not belong to it. Key T switches.")
        self.positive.setIcon(_disc(POSITIVE))
        self.negative.setIcon(_cross(NEGATIVE))
        self.positive.setChecked(True)
        self._labels = QButtonGroup(self)
        self._labels.addButton(self.negative, 0)
        self._labels.addButton(self.positive, 1)
        layout = form()
        add_row(layout, "Prompt", row(self.points, self.shapes))
        add_row(layout, "Clicks", row(self.positive, self.negative))
        self.setLayout(layout)
        self.points.clicked.connect(self.points_wanted)
        self.shapes.clicked.connect(self.shapes_wanted)
        self._labels.idClicked.connect(self.label_chosen)

    def show_label(self, label: int) -> None:
        """Mark what the next click says: 1 positive, 0 negative."""
        (self.positive if label else self.negative).setChecked(True)


class OutputSection(QWidget):
    """One Labels layer for each object, or one for all."""

    per_object_chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.combo = combo_box("Where the masks appear.", [ONE_PER_OBJECT, ONE_FOR_ALL])
        layout = form()
        add_row(layout, "Masks in", self.combo)
        self.setLayout(layout)
        self.combo.activated.connect(lambda index: self.per_object_chosen.emit(index == 0))

    def show_per_object(self, per_object: bool) -> None:
        """Show how it is."""
        self.combo.setCurrentIndex(0 if per_object else 1)


class PropagationSection(QWidget):
    """Carry the masks to the other frames."""

    started = Signal(str, object)
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.direction = combo_box(
            "From each object's own prompts: to later frames, to earlier ones, or both.",
            list(DIRECTIONS),
        )
        self.direction.setCurrentText("Both ways")
        self.range = QLabeledRangeSlider(Qt.Orientation.Horizontal)
        self.range.setEdgeLabelMode(QLabeledRangeSlider.EdgeLabelMode.NoLabel)
        self.range.setToolTip("The first and the last frame to follow the objects to.")
        self.follow = QCheckBox("Show frames as they are done")
        self.follow.setChecked(True)
        self.follow.setToolTip("Move the slider along. Moving it yourself ends that.")
        self.run = button("Propagate", "Follow all objects through the movie.")
        self.cancel = button("Cancel", "Stop after this frame; what is done stays.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status = QLabel()
        self.setLayout(self._arrange())
        self.run.clicked.connect(self._emit_started)
        self.cancel.clicked.connect(self.cancelled)
        self.show_movie(1)
        self.show_running(False)

    @property
    def frames(self) -> tuple[int, int] | None:
        """First frame and the one after the last; None for all."""
        first, last = self.range.value()
        everything = (first, last) == (self.range.minimum(), self.range.maximum())
        return None if everything else (first, last + 1)

    def show_movie(self, n_frames: int) -> None:
        """Set the range of the frames; a single image cannot be propagated."""
        self.range.setRange(0, max(n_frames - 1, 1))
        self.range.setValue((0, max(n_frames - 1, 1)))
        self.setEnabled(n_frames > 1)

    def show_running(self, running: bool) -> None:
        """Switch between ready and running."""
        self.run.setEnabled(not running)
        self.cancel.setEnabled(running)
        if running:
            self._set_bar(0, 1)  # not (0, 0): no animations, see the busy sign
            self.status.setText("starting …")

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self._set_bar(progress.done, progress.total or progress.done)
        left = progress.seconds_left
        time = "" if left is None else f", {_duration(left)} left"
        total = "" if progress.total is None else f" of {progress.total}"
        self.status.setText(f"{progress.done}{total} frames{time}")

    def show_end(self, text: str) -> None:
        """Say how it ended."""
        self.show_running(False)
        self.bar.setRange(0, 1)
        self.bar.reset()
        self.status.setText(text)

    def _set_bar(self, done: int, total: int) -> None:
        # a progress bar repaints at once, and the canvas with it; this way it waits its turn
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setUpdatesEnabled(True)

    def _arrange(self) -> QLayout:
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Direction", self.direction)
        add_row(fields, "Frames", self.range)
        layout.addLayout(fields)
        layout.addWidget(self.follow)
        layout.addLayout(row(self.run, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        return layout

    def _emit_started(self) -> None:
        self.started.emit(DIRECTIONS[self.direction.currentText()], self.frames)


def _swatch(object_id: int) -> QIcon:
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(QColor.fromRgbF(*(float(c) for c in object_colour(object_id))))
    return QIcon(pixmap)


def _disc(colour: str) -> QIcon:
    pixmap, painter = _canvas(colour)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(3, 3, SWATCH_PX - 6, SWATCH_PX - 6)
    painter.end()
    return QIcon(pixmap)


def _cross(colour: str) -> QIcon:
    pixmap, painter = _canvas(colour)
    low, high = 3, SWATCH_PX - 3
    painter.drawLine(low, low, high, high)
    painter.drawLine(low, high, high, low)
    painter.end()
    return QIcon(pixmap)


def _canvas(colour: str) -> tuple[QPixmap, QPainter]:
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), 3))
    return pixmap, painter


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
