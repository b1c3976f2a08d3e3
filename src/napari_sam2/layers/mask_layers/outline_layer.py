"""A layer of outlines over an image: put there, drawn anew, and taken away."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_sam2.layers.mask_layers.masklet_levels import layer_data, redraw
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.mask_layers.output_layers import insert_quietly
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, keep_on, placement
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

Colour = tuple[float, float, float, float]
CLEAR: Colour = (0.0, 0.0, 0.0, 0.0)


class OutlineLayer:
    """A Labels layer that shows masklets, cannot be painted in, and is nobody's mask.

    Parameters
    ----------
    viewer, image, geometry
        Where the image is, and its axes.
    name
        What the layer is called, after the image's name.
    colours
        Red, green, blue and opacity of each number; the others are not seen.
    contour_px
        How thick to outline what is shown; 0 shows it whole.

    Attributes
    ----------
    lines
        What is shown; `draw` after changing it.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        name: str,
        colours: Mapping[int, Colour],
        contour_px: int = 0,
    ) -> None:
        self.lines = Masklets(geometry.n_frames, geometry.frame_shape)
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._name = name
        self._colours = colours
        self._contour_px = contour_px
        self._layer: Labels | None = None
        self._hides = False

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self._layer is not None and self._layer in self._viewer.layers

    def draw(self) -> None:
        """Show the lines as they are now; without any, no layer is made, and one that is hides."""
        if self._layer is not None and self.is_shown:
            self._hide_or_return(self._layer)
            redraw(self._layer)
        elif self.lines.object_ids:
            self._layer = self._make()
            insert_quietly(self._viewer, self._layer, above=list(self._viewer.layers)[-1:])

    def _hide_or_return(self, layer: "Labels") -> None:
        """Hide without lines: napari slices what it shows with each frame, also if it is empty."""
        if self._hides and self.lines.object_ids:
            self._hides, layer.visible = False, True
        elif layer.visible and not self.lines.object_ids:  # or the user has hidden it
            self._hides, layer.visible = True, False

    def clear(self) -> None:
        """Clear the lines; they are seen until the layer is drawn or removed."""
        for number in self.lines.object_ids:
            self.lines.remove(number)

    def remove(self) -> None:
        """Take the layer out of the viewer, and leave the active one active."""
        layer, self._layer, self._hides = self._layer, None, False
        if layer is not None and layer in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._viewer.layers.remove(layer)
            if active is not None and active is not layer:
                self._viewer.layers.selection.active = active

    def _make(self) -> "Labels":
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colours: dict[int | None, Colour] = dict.fromkeys((None, 0), CLEAR)
        colours |= dict(self._colours.items())
        layer = Labels(
            layer_data(MaskletView(self.lines, self._geometry)),
            name=f"{self._image.name} {self._name}",
            colormap=DirectLabelColormap(color_dict=colours),
            opacity=1.0,
            **placement(self._image),
        )
        layer.contour = self._contour_px
        layer.editable = False
        keep_on(self._image, layer)
        return layer
