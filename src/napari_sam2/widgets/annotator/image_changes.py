"""Pixels and axes of an image that change while it is worked on."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_sam2.layers.viewer.image_geometry import (
    Along,
    FrameGeometry,
    LayerFrames,
    full_resolution,
)
from napari_sam2.widgets.annotator.annotator import Annotator

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.layers.workspace import Workspace


SAMPLED_PX = 64  # rows and columns of a frame that are compared
_AXES = ("axis_labels", "scale", "units")


class ImageChanges(QObject):
    """Opens an image again when its layer gets other pixels, or other axes.

    Parameters
    ----------
    annotator
        Its images are watched until it is closed.
    """

    def __init__(self, annotator: Annotator) -> None:
        super().__init__(annotator)
        self._annotator = annotator
        self._watched: list[Image] = []
        self._seen: dict[Image, tuple[Along, bool, float | None]] = {}
        self._samples: dict[tuple[Image, tuple[int, ...]], int] = {}
        annotator.changed.connect(self._watch)
        annotator.closed.connect(self._release)

    def _watch(self) -> None:
        if self._annotator.workspace is not None:
            self._look(self._annotator.workspace)
        images = list(dict.fromkeys(each.image for each in self._annotator.workspaces))
        for image in set(self._watched).difference(images):
            self._let_go(image)
        for image in set(images).difference(self._watched):
            image.events.data.connect(self._replaced)
            self._seen[image] = _axes_seen(image)
            for name in _AXES:
                getattr(image.events, name).connect(self._placed)
        self._watched = images

    def _release(self) -> None:
        for image in self._watched:
            self._let_go(image)
        self._watched = []

    def _let_go(self, image: "Image") -> None:
        image.events.data.disconnect(self._replaced)
        self._seen.pop(image, None)
        self._samples = {key: each for key, each in self._samples.items() if key[0] is not image}
        for name in _AXES:
            getattr(image.events, name).disconnect(self._placed)

    def _look(self, workspace: "Workspace") -> None:
        """Notice pixels that were changed in place: napari tells nobody of that."""
        frame, image = workspace.shown_frame, workspace.image
        array = full_resolution(image)
        if frame is None or type(array) is not np.ndarray or workspace.image not in self._seen:
            return
        index = workspace.geometry.index(frame)
        key, now = (image, index), _sample(array[index])
        before = self._samples.setdefault(key, now)
        if before != now:
            self._samples = {key: now}
            self._read_again(image)

    def _placed(self, event: Any) -> None:
        QTimer.singleShot(0, partial(self._read_axes, event.source))  # once all of them changed

    def _read_axes(self, image: "Image") -> None:
        annotator, current = self._annotator, self._annotator.workspace
        if image not in self._seen or current is None or current.image is not image:
            return
        before, now = self._seen[image], _axes_seen(image)
        self._seen[image] = now
        if before[0] != now[0]:
            annotator.choose_image(image, now[0])
        elif before != now and annotator.network.is_open:
            annotator.network.outdate()
            annotator.open()
        annotator.changed.emit()

    def _replaced(self, event: Any) -> None:
        image: Image = event.source
        self._samples = {key: each for key, each in self._samples.items() if key[0] is not image}
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


def _axes_seen(image: "Image") -> tuple[Along, bool, float | None]:
    """Return what of an image's axes a session depends on: what is followed, and how in depth."""
    geometry = FrameGeometry.of(image)
    frames = LayerFrames(image, geometry)
    return geometry.along, frames.is_stack, frames.plane_step_px


def _sample(pixels: NDArray[Any]) -> int:
    """Hash an even sample of a frame."""
    steps = [max(1, n // SAMPLED_PX) for n in pixels.shape[:2]]
    return hash(np.ascontiguousarray(pixels[:: steps[0], :: steps[1]]).tobytes())
