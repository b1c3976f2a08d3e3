"""Which image layer to work on, and along which of its axes the frames run."""

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_sam2.layers.geometry import FrameGeometry
from napari_sam2.widgets.sections import add_row, combo_box, form

if TYPE_CHECKING:
    from napari.components import ViewerModel


class ImageChoice(QWidget):
    """Lists the image layers of a viewer, and keeps up with them.

    Parameters
    ----------
    viewer
        The viewer.
    image, frame_axis
        What is chosen at first; by default the first image.

    Signals
    -------
    chosen
        Another image, or another axis; read `image` and `frame_axis`.
    """

    chosen = Signal()

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image | None" = None,
        frame_axis: int | None = None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self.images = combo_box("The movie, stack or image to work on.")
        self.axes = combo_box(
            "The axis that the masks are carried along; of the others the plane that the "
            "viewer shows is taken."
        )
        layout = form()
        add_row(layout, "Image", self.images)
        self._axes_label = add_row(layout, "Along", self.axes)
        self.setLayout(layout)
        self.images.activated.connect(self._image_activated)
        self.axes.activated.connect(lambda: self.chosen.emit())
        events = viewer.layers.events
        events.inserted.connect(self._layers_changed)
        events.removed.connect(self._layers_changed)
        events.reordered.connect(self._layers_changed)
        self._named: list[Image] = []
        self._fill()
        if image is not None:
            self.images.setCurrentIndex(self.images.findData(image))
            self._fill_axes()
            self.axes.setCurrentIndex(self.axes.findData(frame_axis))

    @property
    def image(self) -> Image | None:
        """The chosen layer; None if there is none."""
        return self.images.currentData()

    @property
    def frame_axis(self) -> int | None:
        """The axis of the frames; None for a single image."""
        return self.axes.currentData()

    def close_choice(self) -> None:
        """Let go of the viewer."""
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            emitter.disconnect(self._layers_changed)
        self._watch_names([])

    def _layers_changed(self) -> None:
        before = self.image
        self._fill()
        if self.image is not before:
            self.chosen.emit()

    def _fill(self) -> None:
        before = self.image
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        self._watch_names(images)
        with QSignalBlocker(self.images):
            self.images.clear()
            for image in images:
                self.images.addItem(image.name, image)
            if before in images:
                self.images.setCurrentIndex(images.index(before))
        if self.image is not before:
            self._fill_axes()

    def _image_activated(self) -> None:
        self._fill_axes()
        self.chosen.emit()

    def _fill_axes(self) -> None:
        """Offer the leading axes; only where there is a choice."""
        with QSignalBlocker(self.axes):
            self.axes.clear()
            if self.image is not None:
                geometry = FrameGeometry.of(self.image)
                for axis in range(self.image.ndim - 2):
                    label = f"{self.image.axis_labels[axis]} ({geometry.shape[axis]})"
                    self.axes.addItem(label, axis)
                self.axes.setCurrentIndex(self.axes.findData(geometry.frame_axis))
        for widget in (self.axes, self._axes_label):
            widget.setVisible(self.axes.count() > 1)

    def _watch_names(self, images: list[Image]) -> None:
        for image in self._named:
            image.events.name.disconnect(self._show_names)
        self._named = images
        for image in images:
            image.events.name.connect(self._show_names)

    def _show_names(self) -> None:
        for index, image in enumerate(self._named):
            self.images.setItemText(index, image.name)
