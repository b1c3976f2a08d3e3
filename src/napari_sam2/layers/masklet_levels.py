"""Masklets of frames larger than a screen: napari asks for what is on it, at the screen's scale."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

from napari_sam2.layers.masklet_view import MaskletView

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

MAX_WHOLE_PX = 4096
"""Rows or columns above which a frame is not shown whole; 32 MB at two bytes a pixel."""
COARSEST = 8  # the last level has at most this fraction of `MAX_WHOLE_PX` rows and columns


class MaskletLevel(NDArrayOperatorsMixin):
    """Every n-th row and column of a view; slices of it are such views, too.

    Parameters
    ----------
    view
        All pixels.
    axes
        Which entries of each axis of the view; ascending.

    Notes
    -----
    napari takes of a level first what is on the screen, of all frames, and then one frame of
    that: only `numpy.asarray` and integers may make pixels.
    """

    def __init__(self, view: MaskletView, axes: tuple[range, ...]) -> None:
        self.view = view
        self._axes = axes
        self.dtype = view.dtype

    @classmethod
    def of(cls, view: MaskletView, step: int) -> "MaskletLevel":
        """Take every n-th row and column of all frames."""
        leading = tuple(range(n) for n in view.shape[:-2])
        return cls(view, (*leading, *(range(0, n, step) for n in view.shape[-2:])))

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the length of each axis."""
        return tuple(len(axis) for axis in self._axes)

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return len(self._axes)

    @property
    def size(self) -> int:
        """Count the pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._axes[0])

    def __getitem__(self, key: Any) -> "MaskletLevel | NDArray[Any] | np.integer":
        """Slices with steps forward make another view, all else the pixels."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) <= self.ndim and all(_is_forward(k) for k in keys):
            rest = self._axes[len(keys) :]
            taken = (axis[k] for axis, k in zip(self._axes, keys, strict=False))
            return MaskletLevel(self.view, (*taken, *rest))
        integers = all(isinstance(k, int | np.integer) or _is_forward(k) for k in keys)
        if len(keys) > self.ndim or not integers:
            return np.asarray(np.asarray(self)[key])
        # an axis of one entry for each integer, which goes again afterwards
        forward = tuple(k if isinstance(k, slice) else _one(k) for k in keys)
        part = np.asarray(self[forward])
        return part[tuple(slice(None) if isinstance(k, slice) else 0 for k in keys)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("the labels are made on access: they cannot be had without a copy")
        key = tuple(slice(axis.start, axis.stop, axis.step) for axis in self._axes)
        return self.view[key].astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, MaskletLevel) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "MaskletLevel":
        """Give napari's "duplicate layer" the masks as they are now."""
        return MaskletLevel(self.view.snapshot(), self._axes)


def _is_forward(key: Any) -> bool:
    return isinstance(key, slice) and (key.step is None or key.step > 0)


def _one(index: int | np.integer) -> slice:
    return slice(int(index), int(index) + 1 or None)


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
