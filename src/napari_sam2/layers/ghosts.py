"""Outlines of masks that could be meant, until something else is done."""

from typing import TYPE_CHECKING

from napari_sam2.layers.geometry import FrameGeometry, placement
from napari_sam2.layers.labels_layer import insert_quietly
from napari_sam2.layers.masklet_levels import layer_data
from napari_sam2.layers.masklet_view import MaskletView
from napari_sam2.masklets import Masklets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from sam2_torch.predictions import SparseMask

CONTOUR_PX = 2
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
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._layer: Labels | None = None

    @property
    def is_shown(self) -> bool:
        """Whether there are outlines."""
        return self._layer is not None and self._layer in self._viewer.layers

    def show(self, masks: "Sequence[SparseMask]", frame: int) -> None:
        """Outline masks of one frame, in place of what was outlined before."""
        self.hide()
        outlined = Masklets(self._geometry.n_frames, self._geometry.frame_shape)
        # the smaller ones over the larger ones: they lie in each other
        for number, mask in enumerate(sorted(masks, key=lambda mask: -mask.area)[:MOST], start=1):
            outlined.set(number, frame, mask)
        self._layer = self._make(outlined)
        insert_quietly(self._viewer, self._layer, above=list(self._viewer.layers)[-1:])

    def hide(self) -> None:
        """Take the outlines away."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._viewer.layers.remove(layer)
            if active is not None and active is not layer:
                self._viewer.layers.selection.active = active

    def _make(self, outlined: Masklets) -> "Labels":
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colours: dict[int | None, tuple[float, ...]] = {None: (0.0,) * 4, 0: (0.0,) * 4}
        colours |= dict.fromkeys(range(1, MOST + 1), COLOUR)
        layer = Labels(
            layer_data(MaskletView(outlined, self._geometry)),
            name=f"{self._image.name} alternatives",
            colormap=DirectLabelColormap(color_dict=colours),
            **placement(self._image),
        )
        layer.contour = CONTOUR_PX
        layer.editable = False
        return layer
