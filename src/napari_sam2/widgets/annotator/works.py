"""The works on all images of a viewer."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_sam2.layers.viewer.image_geometry import Along, FrameGeometry
from napari_sam2.widgets.annotator.work import Work
from napari_sam2.widgets.controls.timers import single_shot

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

BRUSH_REST_MS = 250  # a brush that rests this long has ended its stroke

MakeWork = Callable[["ViewerModel", "Image", FrameGeometry], Work]


class Works(QObject):
    """Holds one work for each image, and for each axis that is followed in it.

    Parameters
    ----------
    viewer
        The viewer of the images.
    make
        Makes a work of viewer, image and geometry.
    """

    def __init__(self, viewer: "ViewerModel", make: MakeWork) -> None:
        super().__init__()
        self._viewer = viewer
        self._make = make
        self._works: dict[tuple[Image, Along], Work] = {}
        self._brush = single_shot(self, self._take_painted, BRUSH_REST_MS)

    def __iter__(self) -> Iterator[Work]:
        return iter(tuple(self._works.values()))

    def of(self, image: "Image", frame_axis: Along) -> Work:
        """Return the work on an image; the earlier one if there is one."""
        geometry = FrameGeometry.of(image, frame_axis=frame_axis, point=self._viewer.dims.point)
        at = (image, geometry.along)
        if at in self._works:
            workspace = self._works[at].workspace
            started = workspace.history.prompts or workspace.masklets.object_ids
            if started or workspace.geometry == geometry:
                return self._works[at]
            workspace.discard()  # the viewer has gone to another plane since
        work = self._works[at] = self._make(self._viewer, image, geometry)
        work.painting.connect(self._brush.start)
        return work

    def pop(self, image: "Layer") -> list[Work]:
        """Remove the works on an image, with all that was painted recorded."""
        gone = {at: work for at, work in self._works.items() if at[0] is image}
        for at, work in gone.items():
            work.workspace.take_painted()
            del self._works[at]
        return list(gone.values())

    def end_strokes(self) -> None:
        """Record what was painted without waiting for the brush to rest."""
        self._brush.stop()
        self._take_painted()

    def close(self) -> None:
        """Release all images; their layers stay."""
        for work in self:
            work.workspace.close()
        self._works.clear()

    def _take_painted(self) -> None:
        for work in self:
            work.workspace.take_painted()
