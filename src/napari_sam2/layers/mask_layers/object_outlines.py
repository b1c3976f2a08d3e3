"""Which object is which: outlines and names in the image."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.annotation.history import History
from napari_sam2.layers.viewer.colours import object_colour
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.viewer.scene_overlay import Colour, Line, Name, SceneOverlay
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from collections.abc import Set

    from napari.components import ViewerModel
    from napari.layers import Image

CURRENT: Colour = (1.0, 1.0, 1.0, 1.0)
MOTHER: Colour = (1.0, 0.69, 0.0, 1.0)
DAUGHTER: Colour = (0.0, 0.85, 1.0, 1.0)


class ObjectOutlines:
    """Outlines and names the current object and those that a suggestion is about.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.
    history
        The masks, and the names of the objects.
    hidden
        Objects that the layers do not show; read at each time.
    later
        Calls a function in a later turn of the event loop.

    Attributes
    ----------
    scene
        What is drawn.
    shows_all_names
        Whether all objects have their names in the image; call `update` after changing it.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        history: History,
        hidden: "Set[int]",
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.scene = SceneOverlay(viewer, image, later)
        self.shows_all_names = False
        self._viewer, self._image, self._geometry = viewer, image, geometry
        self._masklets, self._objects, self._hidden = history.masklets, history.objects, hidden
        self._later = later
        self._colours: dict[int, Colour] = {}
        self._is_waiting = self._is_closed = False
        viewer.dims.events.connect(self._moved)
        image.events.visible.connect(self.update)

    def point_at(self, colours: Mapping[int, Colour]) -> None:
        """Outline and name these objects, in these colours, and no others."""
        if dict(colours) != self._colours:
            self._colours = dict(colours)
        self.update()

    def update(self, event: Any = None) -> None:
        """Draw the marks as they are now, in a later turn of the event loop."""
        if not self._is_waiting and not self._is_closed:
            self._is_waiting = True
            self._later(self._draw)

    def close(self) -> None:
        """Let go of the viewer."""
        self._is_closed = True
        self._viewer.dims.events.disconnect(self._moved)
        self._image.events.visible.disconnect(self.update)
        self.scene.close()

    def _moved(self, event: Any) -> None:
        if event.type in ("point", "current_step", "ndisplay", "order"):
            self.update()

    def _draw(self) -> None:
        self._is_waiting = False
        if self._is_closed:
            return
        frame = self._shown_frame()
        if frame is None:
            self.scene.show()
            return
        outlined = {i: each for i, each in self._colours.items() if i in self._objects}
        lines = []
        for object_id, colour in outlined.items():
            mask = self._masklets.get(object_id, frame)
            if not mask and len(outlined) > 1 and frame:  # a mother ends before her daughters begin
                mask = self._masklets.get(object_id, frame - 1)
            if mask and object_id not in self._hidden:
                lines.append(Line(outline_segments(mask), colour))
        named = self._objects.ids if self.shows_all_names else tuple(outlined)
        names = [self._name(i, frame) for i in named if i not in self._hidden]
        self.scene.show(lines, [name for name in names if name is not None])

    def _name(self, object_id: int, frame: int) -> Name | None:
        outline = self._masklets.outline(object_id, frame)
        if outline is None or not outline.area:
            return None
        y0, x0, _, x1 = outline.box
        red, green, blue, _ = object_colour(object_id).tolist()
        colour = self._colours.get(object_id, (red, green, blue, 1.0))
        return Name(self._objects.name(object_id), (y0 - 0.5, (x0 + x1 - 1) / 2), colour)

    def _shown_frame(self) -> int | None:
        """Return the frame that is seen from the front; None if there is none."""
        dims, image = self._viewer.dims, self._image
        from_front = list(dims.displayed) == [dims.ndim - 2, dims.ndim - 1]
        if not from_front or not image.visible:
            return None
        return self._geometry.frame_at(image.world_to_data(dims.point)[:-2])


def outline_segments(mask: SparseMask) -> NDArray[np.float32]:
    """Return the outline of a mask along the edges of its pixels.

    Returns
    -------
    (S, 2, 2) segments between two corners (y, x); the centre of the first pixel is (0, 0).
    """
    inside = np.pad(mask.window(), 1).astype(np.int8)
    corner = np.array(mask.origin_yx, np.float32) - 0.5
    below = np.argwhere(np.diff(inside, axis=0)) - (0, 1)  # edges between rows
    beside = np.argwhere(np.diff(inside, axis=1)) - (1, 0)  # edges between columns
    rows = np.stack([below, below + np.array((0, 1))], axis=1)
    columns = np.stack([beside, beside + np.array((1, 0))], axis=1)
    return (np.concatenate([rows, columns]) + corner).astype(np.float32)
