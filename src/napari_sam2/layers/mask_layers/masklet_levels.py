"""Masklets of frames larger than a screen: napari asks for what is on it, at the screen's scale."""

from typing import TYPE_CHECKING, Any

from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.movies.lazy_arrays import LazyArray

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

MAX_WHOLE_PX = 4096
"""Rows or columns above which a frame is not shown whole; 32 MB at two bytes a pixel."""
COARSEST = 8  # the last level has at most this fraction of `MAX_WHOLE_PX` rows and columns


class MaskletLevel(LazyArray):
    """Every n-th row and column of a view; slices of it are such views, too."""

    source: MaskletView

    @classmethod
    def of(cls, view: MaskletView, step: int) -> "MaskletLevel":
        """Take every n-th row and column of all frames."""
        leading = tuple(range(n) for n in view.shape[:-2])
        return cls(view, (*leading, *(range(0, n, step) for n in view.shape[-2:])))

    def __deepcopy__(self, memo: dict[int, Any]) -> "MaskletLevel":
        """Give napari's "duplicate layer" the masks as they are now."""
        return MaskletLevel(self.source.snapshot(), self._axes)


def is_large(frame_shape: tuple[int, int]) -> bool:
    """Tell whether frames of (H, W) pixels are shown in levels, which napari does not paint."""
    return max(frame_shape) > MAX_WHOLE_PX


def layer_data(view: MaskletView) -> MaskletView | list[MaskletLevel]:
    """Choose what a Labels layer gets: the view, or levels of it where frames are large."""
    if not is_large(view.geometry.frame_shape):
        return view
    coarsest, steps = max(MAX_WHOLE_PX // COARSEST, 1), [1]
    while max(view.geometry.frame_shape) > steps[-1] * coarsest:
        steps.append(2 * steps[-1])
    return [MaskletLevel.of(view, step) for step in steps]


def is_own(layer: "Layer") -> bool:
    """Tell whether a layer shows masklets."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return isinstance(data, MaskletView | MaskletLevel)


def redraw(layer: "Labels", thumbnail: bool = True) -> None:
    """Show the masks as they are now, in the thumbnail of the layer list, too, if wanted."""
    if layer.multiscale and layer.ndim == 2:
        layer.data = layer.data  # napari keeps the coarsest level of a single image
    layer.refresh(extent=False, highlight=False, thumbnail=thumbnail)
