"""Dashed outlines of masks that are not kept, in the frames next to a prompt."""

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.layers.geometry import FrameGeometry, placement
from napari_sam2.layers.labels_layer import insert_quietly
from napari_sam2.layers.masklet_levels import layer_data, redraw
from napari_sam2.layers.masklet_view import MaskletView
from napari_sam2.masklets import Masklets
from napari_sam2.neighbours import dashes, outline
from sam2_torch.predictions import SparseMask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

BRIGHT, DARK = 1, 2
COLOURS: dict[int | None, tuple[float, ...]] = {
    BRIGHT: (1.0, 1.0, 1.0, 1.0),
    DARK: (0.0, 0.0, 0.0, 1.0),
}  # seen on any image
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
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._lines = Masklets(geometry.n_frames, geometry.frame_shape)
        self._layer: Labels | None = None

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames in which something is outlined."""
        return self._lines.frames(BRIGHT)

    def show(self, frame: int, mask: SparseMask) -> None:
        """Outline a mask in its frame; an empty one shows nothing."""
        if not mask:
            return
        thickness = max(1, round(max(self._geometry.frame_shape) / LINE))
        rim = outline(np.pad(mask.window(), 1), thickness)[1:-1, 1:-1]
        bright = dashes(rim)
        for label, line in ((BRIGHT, bright), (DARK, rim & ~bright)):
            piece = SparseMask.from_window(mask.shape, line, mask.origin_yx)
            self._lines.set(label, frame, piece)
        self._redraw()

    def clear(self) -> None:
        """Outline nothing any more."""
        if self.frames:
            for label in (BRIGHT, DARK):
                self._lines.remove(label)
            self._redraw()

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        layer, self._layer = self._layer, None
        self.clear()
        if layer is not None and layer in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._viewer.layers.remove(layer)
            if active is not None and active is not layer:
                self._viewer.layers.selection.active = active

    def _redraw(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            redraw(self._layer)
        elif self.frames:
            self._layer = self._make()
            insert_quietly(self._viewer, self._layer, above=list(self._viewer.layers)[-1:])

    def _make(self) -> "Labels":
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        nowhere: dict[int | None, tuple[float, ...]] = {None: (0.0,) * 4, 0: (0.0,) * 4}
        layer = Labels(
            layer_data(MaskletView(self._lines, self._geometry)),
            name=f"{self._image.name} preview",
            colormap=DirectLabelColormap(color_dict=nowhere | COLOURS),
            opacity=1.0,
            **placement(self._image),
        )
        layer.editable = False
        return layer
