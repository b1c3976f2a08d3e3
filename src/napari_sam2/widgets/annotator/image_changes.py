"""Pixels of an image that are replaced while it is worked on."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_sam2.layers.viewer.image_geometry import full_resolution
from napari_sam2.widgets.annotator.annotator import Annotator

if TYPE_CHECKING:
    from napari.layers import Image


class ImageChanges(QObject):
    """Opens an image again when something else gives its layer other pixels.

    Parameters
    ----------
    annotator
        Its images are watched until it is closed.
    """

    def __init__(self, annotator: Annotator) -> None:
        super().__init__(annotator)
        self._annotator = annotator
        self._watched: list[Image] = []
        annotator.changed.connect(self._watch)
        annotator.closed.connect(self._release)

    def _watch(self) -> None:
        images = list(dict.fromkeys(each.image for each in self._annotator.workspaces))
        for image in set(self._watched).difference(images):
            image.events.data.disconnect(self._replaced)
        for image in set(images).difference(self._watched):
            image.events.data.connect(self._replaced)
        self._watched = images

    def _release(self) -> None:
        for image in self._watched:
            image.events.data.disconnect(self._replaced)
        self._watched = []

    def _replaced(self, event: Any) -> None:
        image: Image = event.source
        worked_on = [each for each in self._annotator.workspaces if each.image is image]
        shape = tuple(full_resolution(image).shape[: image.ndim])
        if any(each.geometry.shape != shape for each in worked_on):
            self._begin_anew(image)
        elif self._annotator.workspace in worked_on:
            self._read_again(image)

    def _begin_anew(self, image: "Image") -> None:
        annotator, current = self._annotator, self._annotator.workspace
        is_current = current is not None and current.image is image
        any_done = any(
            not each.history.is_empty for each in annotator.workspaces if each.image is image
        )
        annotator.forget_image(image)
        if is_current:
            annotator.choose_image(image)
        if any_done:
            annotator.noticed.emit(
                f"{image.name} has another size now, so a new session begins. What was done before "
                "is saved, and its layers stay: remove them if they are in the way."
            )

    def _read_again(self, image: "Image") -> None:
        annotator, current = self._annotator, self._annotator.workspace
        annotator.neighbours.discard()
        if annotator.network.is_open:
            annotator.network.outdate()
            annotator.open()
        if current is not None and not current.history.is_empty:
            annotator.noticed.emit(
                f"{image.name} has other pixels now. New masks are made from them; masks that "
                "are there stay as they are."
            )
