"""The row "Image": what each axis is, pixel size, plane distance and frame interval."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from napari_sam2.layers.viewer.image_axes import UNKNOWN, ImageAxes, axes_of, typed_names
from napari_sam2.layers.viewer.image_geometry import full_resolution
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.movies.typed_calibration import (
    UNKNOWN_SIZE,
    pixel_size_text,
    read_steps,
    step_text,
    summary,
)
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.controls.collapsible import TITLE_STYLE, Fold
from napari_sam2.widgets.controls.form_rows import add_row, combo_box, form
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.image.file_axes import FileAxes

if TYPE_CHECKING:
    from napari.layers import Image

_KINDS = {UNKNOWN: "not known", "T": "time", "Z": "depth", "C": "channel"}
_TITLES = {"X": "Pixel size", "Z": "Planes apart", "T": "Interval"}
_EXAMPLES = {"X": "0.65 µm, or 0.8 x 0.75 µm", "Z": "1.75 µm", "T": "5 min"}
_TOOLTIPS = {
    "X": "Height and width of a pixel, with a unit.",
    "Z": "Distance of two planes, with a unit.",
    "T": "Time from frame to frame, with a unit.",
}
_UNNAMED = ImageAxes("YX", Calibration())


class ImageRow(QWidget):
    """Shows the axes and the calibration of the chosen image in one line, and lets them be typed.

    What the file or the viewer's axis names say is written to the layer where that knows
    nothing.

    Parameters
    ----------
    annotator
        Its chosen image is shown.
    """

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self._files = FileAxes(annotator.sessions.files)
        self._image: Image | None = None
        self._known = _UNNAMED
        self._is_writing = False
        self.fold = Fold(UNKNOWN_SIZE)
        self.kinds: list[QComboBox] = []
        self._form = form()
        self.pixel_size, self.plane_distance, self.frame_interval = (QLineEdit() for _ in range(3))
        self._fields = {"X": self.pixel_size, "Z": self.plane_distance, "T": self.frame_interval}
        self._labels = {
            letter: add_row(self._form, _TITLES[letter], field)
            for letter, field in self._fields.items()
        }
        self._arrange()
        self._connect()
        self.show_image()

    @property
    def asks(self) -> str:
        """The question to the user: what the one axis is of which nothing is known; or empty."""
        image = self._image
        if image is None or self._files.is_reading(image):
            return ""
        shape = full_resolution(image).shape
        unknown = [n for a, n in zip(self._known.letters, shape, strict=False) if a == UNKNOWN]
        return f"{max(unknown)}" if unknown and max(unknown) > 1 else ""

    def release(self) -> None:
        """Let go of the viewer."""
        self._annotator.changed.disconnect(self.show_image)
        dims, layers = self._annotator.viewer.dims, self._annotator.viewer.layers
        dims.events.axis_labels.disconnect(self._viewer_named)
        layers.events.removed.disconnect(self._layer_removed)
        self._files.blockSignals(True)

    def show_image(self) -> None:
        """Show what is known of the chosen image, and write to its layer what it lacked."""
        if self._is_writing:
            return
        workspace = self._annotator.workspace
        image = None if workspace is None else workspace.image
        self.setVisible(image is not None)
        if image is None:
            self._image = None
            return
        own = axes_of(image)
        named = axes_of(image, typed_names(self._annotator.viewer, image))
        known = own.completed(self._files.of(image), named)
        if known != own:
            self._write(known)
        elif image is not self._image or known != self._known:
            self._show(image, known)

    def _show(self, image: "Image", known: ImageAxes) -> None:
        if image is not self._image or len(known.letters) != len(self._known.letters):
            self._fill_kinds(image)
        self._image, self._known = image, known
        letters, calibration = known.letters, known.calibration
        for kind, letter in zip(self.kinds, letters, strict=False):
            kind.setCurrentIndex(list(_KINDS).index(letter))
        self.pixel_size.setText(pixel_size_text(calibration))
        self.plane_distance.setText(step_text(calibration.axis("Z")))
        self.frame_interval.setText(step_text(calibration.axis("T")))
        for letter, field in self._fields.items():
            for widget in (self._labels[letter], field):
                widget.setVisible(letter in letters)
        self.fold.setText(summary(letters, full_resolution(image).shape[: image.ndim], calibration))

    def _fill_kinds(self, image: "Image") -> None:
        for kind in self.kinds:
            self._form.removeRow(kind)
        self.kinds = []
        for axis, n in enumerate(full_resolution(image).shape[: image.ndim - 2]):
            kind = combo_box("What this axis of the image is.", list(_KINDS.values()))
            kind.activated.connect(partial(self._choose_kind, axis))
            self._form.insertRow(axis, f"Axis of {n}", kind)
            self.kinds.append(kind)

    def _choose_kind(self, axis: int, index: int) -> None:
        chosen = list(_KINDS)[index]
        letters = [UNKNOWN if each == chosen else each for each in self._known.letters]
        letters[axis] = chosen
        self._write(ImageAxes("".join(letters), self._known.calibration))

    def _type(self, letter: str) -> None:
        """Take what was typed into a field; what cannot be read is said, and taken back."""
        text = self._fields[letter].text()
        if not self._fields[letter].isModified():  # left as it was: it shows fewer digits
            return
        try:
            numbers, unit = read_steps(text, "time" if letter == "T" else "length")
            if letter != "X" and len(numbers) > 1:
                raise ValueError(f"expected one number, found {text.strip()!r}")
        except ValueError as error:
            self._show_again()
            report(error)
            return
        known = {each: self._known.calibration.axis(each) for each in "TZYX"}
        typed = [AxisScale(number, unit) for number in numbers] or [AxisScale()]
        places = ("Y", "X") if letter == "X" else (letter,)
        known |= dict(zip(places, (typed * 2)[: len(places)], strict=True))
        self._write(ImageAxes(self._known.letters, Calibration.of_axes(known)))

    def _show_again(self) -> None:
        if self._image is not None:
            self._show(self._image, self._known)

    def _write(self, axes: ImageAxes) -> None:
        self._is_writing = True
        try:
            self._annotator.work.write_axes(axes)
        finally:
            self._is_writing = False
        image = self._annotator.work.workspace.image
        self._show(image, axes_of(image))

    def _viewer_named(self) -> None:
        """Take a name that the user typed at a slider: napari does not give it to the layer."""
        if self._image is None or self._is_writing:
            return
        named = self._known.named(typed_names(self._annotator.viewer, self._image))
        if named != self._known:
            self._write(named)

    def _layer_removed(self, event: object) -> None:
        self._files.forget(getattr(event, "value", None))

    def _arrange(self) -> None:
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 2, 0, 4)
        inner.addLayout(self._form)
        self.fold.addWidget(content)
        self.fold.toggleButton().setStyleSheet(
            f"{TITLE_STYLE} QPushButton {{ font-weight: normal; }}"
        )
        self.fold.setToolTip("Axes and calibration of the image. Click to change them.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)

    def _connect(self) -> None:
        for letter, field in self._fields.items():
            field.setPlaceholderText(_EXAMPLES[letter])
            field.setToolTip(f"{_TOOLTIPS[letter]} For example {_EXAMPLES[letter]}.")
            field.editingFinished.connect(partial(self._type, letter))
        self._files.found.connect(lambda _: self._annotator.changed.emit())
        self._annotator.changed.connect(self.show_image)
        viewer = self._annotator.viewer
        viewer.dims.events.axis_labels.connect(self._viewer_named)
        viewer.layers.events.removed.connect(self._layer_removed)
