"""Outlines of masks that could be meant, until something else is done."""

from typing import TYPE_CHECKING

from napari_sam2.layers.mask_layers.outline_layer import OutlineLayer
from napari_sam2.layers.viewer.image_geometry import FrameGeometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image

    from sam2_torch.predictions import SparseMask

LINE = 512  # rows or columns of a frame for which a line of one pixel will do
MOST = 8  # outlines at once
COLOUR = (1.0, 1.0, 1.0, 0.9)


class Ghosts:
    """A layer of outlines over an image, there only as long as it shows any.

    Parameters
    ----------
    viewer, image, geometry
        Where the image is, and its axes.
    """

    def __init__(self, viewer: "ViewerModel", image: "Image", geometry: FrameGeometry) -> None:
        colours = dict.fromkeys(range(1, MOST + 1), COLOUR)
        thickness = max(1, round(max(geometry.frame_shape) / LINE))
        self._layer = OutlineLayer(viewer, image, geometry, "alternatives", colours, thickness)

    @property
    def is_shown(self) -> bool:
        """Whether there are outlines."""
        return self._layer.is_shown

    def show(self, masks: "Sequence[SparseMask]", frame: int) -> None:
        """Outline masks of one frame, in place of what was outlined before."""
        self._layer.clear()
        # the smaller ones over the larger ones: they lie in each other
        for number, mask in enumerate(sorted(masks, key=lambda mask: -mask.area)[:MOST], start=1):
            self._layer.lines.set(number, frame, mask)
        self._layer.draw()

    def hide(self) -> None:
        """Take the outlines away."""
        self._layer.clear()
        self._layer.remove()
