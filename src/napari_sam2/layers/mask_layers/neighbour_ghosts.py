"""Dashed outlines of masks that are not kept, in the frames next to a prompt."""

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.annotation.preview import dashes, outline
from napari_sam2.layers.mask_layers.outline_layer import OutlineLayer
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from sam2_torch.predictions import SparseMask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

BRIGHT, DARK = 1, 2
COLOURS = {BRIGHT: (1.0, 1.0, 1.0, 1.0), DARK: (0.0, 0.0, 0.0, 1.0)}  # seen on any image
LINE = 512  # rows or columns of a frame for which a line of one pixel will do


class NeighbourGhosts:
    """A layer of dashed outlines over an image, each in its own frame.

    The layer stays once it was made, for making one takes napari longer than the network takes
    to answer; `remove` takes it out of the viewer.

    Parameters
    ----------
    viewer, image, geometry
        Where the image is, and its axes.
    """

    def __init__(self, viewer: "ViewerModel", image: "Image", geometry: FrameGeometry) -> None:
        self._geometry = geometry
        self._layer = OutlineLayer(viewer, image, geometry, "preview", COLOURS)

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames in which something is outlined."""
        return self._layer.lines.frames(BRIGHT)

    def show(self, frame: int, mask: SparseMask) -> None:
        """Outline a mask in its frame; an empty one shows nothing."""
        if not mask:
            return
        thickness = max(1, round(max(self._geometry.frame_shape) / LINE))
        rim = outline(np.pad(mask.window(), 1), thickness)[1:-1, 1:-1]
        bright = dashes(rim)
        for label, line in ((BRIGHT, bright), (DARK, rim & ~bright)):
            piece = SparseMask.from_window(mask.shape, line, mask.origin_yx)
            self._layer.lines.set(label, frame, piece)
        self._layer.draw()

    def clear(self) -> None:
        """Outline nothing any more."""
        if self.frames:
            self._layer.clear()
            self._layer.draw()

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        self.clear()
        self._layer.remove()
