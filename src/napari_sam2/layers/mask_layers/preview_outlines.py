"""Outlines of masks that are not kept: candidates of a click, previews in neighbouring frames."""

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.annotation.preview import dashes, outline
from napari_sam2.layers.mask_layers.outline_layer import OutlineLayer
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image

LINE = 512  # rows or columns of a frame for which a line of one pixel will do
MOST = 8  # outlines at once
COLOUR = (1.0, 1.0, 1.0, 0.9)
BRIGHT, DARK = 1, 2
COLOURS = {BRIGHT: (1.0, 1.0, 1.0, 1.0), DARK: (0.0, 0.0, 0.0, 1.0)}  # seen on any image


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
