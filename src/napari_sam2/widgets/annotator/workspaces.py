"""All images that were worked on in a viewer, each with what was done on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2.layers.viewer.image_geometry import Along, FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

BRUSH_REST_MS = 250  # a brush that rests this long has ended its stroke


class Workspaces(QObject):
    """Makes a workspace for each image, and one for each axis that it is followed along.

    Parameters
    ----------
    viewer
        Where the images are.
    listener
        Makes whom a workspace tells what the user does; called with what gives the workspace.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        listener: Callable[[Callable[[], Workspace]], Listener],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._listener = listener
        self._by_image: dict[tuple[Image, Along], Workspace] = {}
        self._brush = QTimer(self)
        self._brush.setSingleShot(True)
        self._brush.setInterval(BRUSH_REST_MS)
        self._brush.timeout.connect(self._take_painted)

    def __iter__(self) -> Iterator[Workspace]:
        return iter(tuple(self._by_image.values()))

    def of(self, image: "Image", frame_axis: Along) -> Workspace:
        """Give the workspace of an image; what was done on it before is there again."""
        geometry = FrameGeometry.of(image, frame_axis=frame_axis, point=self._viewer.dims.point)
        at = (image, geometry.along)
        workspace = self._by_image.get(at)
        if workspace is not None:
            started = workspace.marks or workspace.masklets.object_ids
            if started or workspace.geometry == geometry:
                return workspace
            workspace.discard()  # the viewer has gone to another plane since
        listener = self._listener(lambda: self._by_image[at])
        listener = replace(listener, painting=self._brush.start)
        self._by_image[at] = Workspace(self._viewer, image, geometry, listener)
        return self._by_image[at]

    def pop(self, image: "Layer") -> list[Workspace]:
        """Take the workspaces of an image out, with all that was painted there."""
        keys = [key for key in self._by_image if key[0] is image]
        gone = [self._by_image[key] for key in keys]
        for key in keys:
            self._by_image[key].take_painted()
            del self._by_image[key]
        return gone

    def end_strokes(self) -> None:
        """Take what was painted now, and wait for no brush to rest any more."""
        self._brush.stop()
        self._take_painted()

    def close(self) -> None:
        """Let go of all images; the layers stay."""
        for workspace in self._by_image.values():
            workspace.close()
        self._by_image.clear()

    def _take_painted(self) -> None:
        for workspace in self:
            workspace.take_painted()
