"""Which image layer to work on, and along which of its axes the frames run."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_sam2.layers.viewer.image_geometry import Along, FrameGeometry, full_resolution
from napari_sam2.widgets.controls.form_rows import add_row, combo_box, form, row

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam2.layers.workspace import Workspace


class ImageChoice(QWidget):
    """Lists the image layers of a viewer, and keeps up with them.

    Parameters
    ----------
    viewer
        The viewer.
    image, frame_axis
        What is chosen at first; by default the selected image, or the first one.
    beside
        Widgets to the right of the list.

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
        frame_axis: Along = None,
        beside: Sequence[QWidget] = (),
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self.images = combo_box("The movie, stack or image to segment.")
        self.axes = combo_box(
            "The axis along which masks are propagated; of the others, the plane that the "
            "viewer shows is taken. Two axes, time and depth: one click finds a cell in all "
            "planes and follows it in time."
        )
        layout = form()
        add_row(layout, "Image", row(self.images, *beside))
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
        selected = viewer.layers.selection.active
        index = self.images.findData(selected if image is None else image)
        self.images.setCurrentIndex(max(index, 0))
        self._fill_axes()
        if image is not None:
            self._choose_axes(frame_axis)

    @classmethod
    def at(
        cls,
        viewer: "ViewerModel",
        workspace: "Workspace | None",
        beside: Sequence[QWidget] = (),
    ) -> "ImageChoice":
        """Return a chooser at the image that is worked on; as by default if there is none."""
        if workspace is None:
            return cls(viewer, beside=beside)
        return cls(viewer, workspace.image, workspace.geometry.along, beside)

    @property
    def image(self) -> Image | None:
        """The chosen layer; None if there is none."""
        return self.images.currentData()

    @property
    def frame_axis(self) -> Along:
        """The axis of the frames, or those of time and depth; None for a single image."""
        return _as_along(self.axes.currentData())

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
                for along, text in self._ways(self.image):
                    self.axes.addItem(text, along)
                self._choose_axes(FrameGeometry.of(self.image).along)
        for widget in (self.axes, self._axes_label):
            widget.setVisible(self.axes.count() > 1)

    def _ways(self, image: Image) -> list[tuple[Along, str]]:
        """List what the frames may follow: each leading axis, then pairs of time and depth."""
        shape, names = full_resolution(image).shape, image.axis_labels
        axes = [axis for axis in range(image.ndim - 2) if shape[axis] > 1]
        axes = axes or list(range(image.ndim - 2))
        ways: list[tuple[Along, str]] = [(a, f"{names[a]} ({shape[a]})") for a in axes]
        likely = FrameGeometry.of(image).along
        # of axes without names, the one in front is taken for time
        pairs = [likely] if isinstance(likely, tuple) else list(combinations(axes, 2))
        for time, depth in pairs:
            both = f"{names[time]} ({shape[time]}) and {names[depth]} ({shape[depth]})"
            ways.append(((time, depth), both))
        return ways

    def _choose_axes(self, along: Along) -> None:
        found = [i for i in range(self.axes.count()) if _as_along(self.axes.itemData(i)) == along]
        self.axes.setCurrentIndex(found[0] if found else -1)

    def _watch_names(self, images: list[Image]) -> None:
        for image in self._named:
            image.events.name.disconnect(self._show_names)
            image.events.data.disconnect(self._data_replaced)
            image.events.axis_labels.disconnect(self._data_replaced)
        self._named = images
        for image in images:
            image.events.name.connect(self._show_names)
            image.events.data.connect(self._data_replaced)
            image.events.axis_labels.connect(self._data_replaced)

    def _data_replaced(self, event: Any) -> None:
        if event.source is self.image:
            self._fill_axes()

    def _show_names(self) -> None:
        for index, image in enumerate(self._named):
            self.images.setItemText(index, image.name)


def _as_along(data: Any) -> Along:
    """Take what a combo box holds: some Qt bindings make lists of tuples."""
    return (int(data[0]), int(data[1])) if isinstance(data, list | tuple) else data
