"""Arrays whose slices are views: pixels are read on access."""

from typing import Any, Protocol

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray


class Pixels(Protocol):
    """Sources of pixels: zarr, the tiles of an overview, masks."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the pixels."""

    def __getitem__(self, key: Any, /) -> Any:
        """Read a part, given one slice for each axis."""


class LazyArray(NDArrayOperatorsMixin):
    """A part of an array, which is read by `numpy.asarray` and by integer indices.

    Parameters
    ----------
    source
        All pixels.
    axes
        Which entries of each axis of the source, ascending; all by default.

    Notes
    -----
    napari takes of a level first what is on the screen, of all frames, and then one frame of
    that: slices must not read.
    """

    def __init__(self, source: Pixels, axes: tuple[range, ...] | None = None) -> None:
        self.source = source
        self._axes = tuple(map(range, source.shape)) if axes is None else axes
        self.dtype = np.dtype(source.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(len(axis) for axis in self._axes)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._axes)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._axes[0])

    def __getitem__(self, key: Any) -> "LazyArray | NDArray[Any] | np.generic":
        """Return another view for slices with positive steps, pixels otherwise."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) <= self.ndim and all(_is_forward(k) for k in keys):
            rest = self._axes[len(keys) :]
            taken = (axis[k] for axis, k in zip(self._axes, keys, strict=False))
            return self._view((*taken, *rest))
        integers = all(isinstance(k, int | np.integer) or _is_forward(k) for k in keys)
        if len(keys) > self.ndim or not integers:
            return np.asarray(np.asarray(self)[key])
        # an axis of one entry for each integer, which goes again afterwards
        forward = tuple(k if isinstance(k, slice) else _one(k) for k in keys)
        part = np.asarray(self[forward])
        return part[tuple(slice(None) if isinstance(k, slice) else 0 for k in keys)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("the pixels are read on access: they cannot be had without a copy")
        key = tuple(slice(axis.start, axis.stop, axis.step) for axis in self._axes)
        return np.asarray(self.source[key]).astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, LazyArray) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def _view(self, axes: tuple[range, ...]) -> "LazyArray":
        return type(self)(self.source, axes)


def _is_forward(key: Any) -> bool:
    return isinstance(key, slice) and (key.step is None or key.step > 0)


def _one(index: int | np.integer) -> slice:
    return slice(int(index), int(index) + 1 or None)
