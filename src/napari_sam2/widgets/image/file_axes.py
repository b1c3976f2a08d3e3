"""Axes and calibration that the file of an image states, read in the background."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.io.read import read_axes
from napari_sam2.layers.viewer.image_axes import ImageAxes, axes_of_file
from napari_sam2.widgets.inference.worker import SessionWorker

if TYPE_CHECKING:
    from napari.layers import Image

_LOG = logging.getLogger(__name__)


class FileAxes(QObject):
    """Reads the file of an image layer once.

    Parameters
    ----------
    files
        The thread that reads files.

    Signals
    -------
    found
        An image whose file has been read.
    """

    found = Signal(object)

    def __init__(self, files: SessionWorker) -> None:
        super().__init__()
        self._files = files
        self._known: dict[Image, ImageAxes | None] = {}
        self._reading: set[Image] = set()

    def of(self, image: "Image") -> ImageAxes | None:
        """Return what the file states; None if it states nothing, or is still being read."""
        if image not in self._known:
            self._known[image] = None
            if image.source.path:
                self._reading.add(image)
                path = Path(image.source.path)
                self._files.submit(
                    lambda: _read(path, image), then=lambda axes: self._take(image, axes)
                )
        return self._known[image]

    def is_reading(self, image: "Image") -> bool:
        """Return whether its file is still being read."""
        return image in self._reading

    def forget(self, image: object) -> None:
        """Forget an image that left the viewer."""
        self._known.pop(image, None)

    def _take(self, image: "Image", axes: ImageAxes | None) -> None:
        self._reading.discard(image)
        if image in self._known:
            self._known[image] = axes
            self.found.emit(image)


def _read(path: Path, image: "Image") -> ImageAxes | None:
    try:
        letters, shape, calibration = read_axes(path)
    except (OSError, ValueError) as error:  # another reader opened it
        _LOG.info("%s: axes are not known", path.name, exc_info=error)
        return None
    return axes_of_file(image, letters, shape, calibration)
