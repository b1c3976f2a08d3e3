"""Masklets as an array: what a Labels layer shows and paints, one frame at a time."""

from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets
from sam2_torch.masks import SparseMask


class MaskletView(NDArrayOperatorsMixin):
    """Labels in the shape of the image; only the pixels that are asked for are ever made.

    Parameters
    ----------
    masklets
        Where the masks are, read anew at each access.
    geometry
        Where the frames lie in the image; everywhere else is background.
    object_id
        Show this object alone; all of them by default.
    on_paint
        Called with (object id, frame) of each mask that was painted into.
    hidden
        Objects that are left out where all are shown; read anew at each access.
    may_paint
        Whether the mask of (object id, frame) may be painted into; else it stays as it is.

    Notes
    -----
    napari slices Labels data by integers and slices, paints through `data[slices] = region`
    and keeps its undo steps in the same form; `data_setitem` takes one index array for
    each axis. Nothing in napari asks for the whole array but the 3-D display, saving, and
    changing the type of the layer.
    """

    # the widest type that goes to the graphics card as it is
    dtype = np.dtype(np.uint16)

    def __init__(
        self,
        masklets: Masklets,
        geometry: FrameGeometry,
        object_id: int | None = None,
        on_paint: Callable[[int, int], None] = lambda object_id, frame: None,
        hidden: Set[int] = frozenset(),
        may_paint: Callable[[int, int], bool] = lambda object_id, frame: True,
    ) -> None:
        self.masklets = masklets
        self.geometry = geometry
        self.object_id = object_id
        self._on_paint = on_paint
        self._hidden = hidden
        self._may_paint = may_paint

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of the image, without its RGB axis."""
        return self.geometry.shape

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Count the pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:
        """Return the indexed part as a new array."""
        index = _Index(key, self.shape)
        if index.pixels is not None:
            return self._read_pixels(index.pixels)
        planes = np.zeros((*index.planes.shape, *index.plane_shape), self.dtype)
        for at, number in np.ndenumerate(index.planes):
            frame = self._frame(number)
            if frame is not None:
                planes[at] = self._part(frame, index.in_plane)
        return planes if planes.ndim else planes[()]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Paint: the masks of the objects that are touched change."""
        index = _Index(key, self.shape)
        if index.pixels is not None:
            self._paint_pixels(index.pixels, value)
            return
        values = np.broadcast_to(value, (*index.planes.shape, *index.plane_shape))
        for at, number in np.ndenumerate(index.planes):
            self._paint(number, index.in_plane, values[at])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("the labels are made on access: they cannot be had without a copy")
        return self[...].astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, MaskletView) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def astype(self, dtype: DTypeLike) -> NDArray[Any]:
        """Return the whole array in another type."""
        return np.asarray(self, dtype=dtype)

    def any(self) -> bool:
        """Tell whether any pixel is labelled, without making a frame."""
        ids = self.masklets.object_ids if self.object_id is None else (self.object_id,)
        return any(self.masklets.get(i, frame) for i in ids for frame in self.masklets.frames(i))

    def max(self, axis: Any = None, **kwargs: Any) -> Any:
        """Return the largest label; the largest id in use if no axis is given."""
        if axis is not None:
            return np.asarray(self).max(axis, **kwargs)
        ids = self.masklets.object_ids if self.object_id is None else (self.object_id,)
        used = [i for i in ids if any(self.masklets.get(i, t) for t in self.masklets.frames(i))]
        return self.dtype.type(max(used, default=0))

    def snapshot(self) -> "MaskletView":
        """Return a view of a copy of the present masks; painting in it calls nothing."""
        hidden = frozenset(self._hidden)
        return MaskletView(self.masklets.snapshot(), self.geometry, self.object_id, hidden=hidden)

    def _labels(self, frame: int) -> NDArray[np.integer]:
        return self._part(frame, (slice(None), slice(None)))

    def _part(self, frame: int, in_plane: Sequence[int | slice]) -> NDArray[np.integer]:
        """Draw what integers and slices say of the rows and the columns of a frame."""
        parts = [_ascending(k, n) for k, n in zip(in_plane, self.geometry.frame_shape, strict=True)]
        where = (parts[0][0], parts[1][0])
        only: Sequence[int] = (self.object_id,) if self.object_id is not None else self._seen()
        image = np.empty((len(where[0]), len(where[1])), self.dtype)
        self.masklets.draw(frame, where, image, only)
        return image[parts[0][1], parts[1][1]]

    def _seen(self) -> list[int]:
        return [i for i in self.masklets.object_ids if i not in self._hidden]

    def _frame(self, number: int) -> int | None:
        leading = np.unravel_index(number, self.shape[:-2]) if self.ndim > 2 else ()
        return self.geometry.frame_at([int(i) for i in leading])

    def _read_pixels(self, pixels: tuple[NDArray[np.intp], ...]) -> NDArray[np.uint16]:
        numbers, y, x = pixels
        values = np.zeros(numbers.shape, self.dtype)
        for number in np.unique(numbers):
            frame, here = self._frame(number), numbers == number
            if frame is not None:
                rows, columns = y[here], x[here]
                top, left = rows.min(), columns.min()
                around = slice(top, rows.max() + 1), slice(left, columns.max() + 1)
                values[here] = self._part(frame, around)[rows - top, columns - left]
        return values

    def _paint_pixels(self, pixels: tuple[NDArray[np.intp], ...], value: Any) -> None:
        numbers, y, x = pixels
        values = np.broadcast_to(value, numbers.shape)
        for number in np.unique(numbers):
            here = numbers == number
            self._paint(number, (y[here], x[here]), values[here])

    def _paint(self, number: int, in_plane: Any, values: NDArray[Any]) -> None:
        frame = self._frame(number)
        if frame is None:
            if np.any(values):
                raise IndexError(
                    f"plane {np.unravel_index(number, self.shape[:-2])} is not part of the movie "
                    f"(its first plane is {self.geometry.index(0)}): nothing can be painted there"
                )
            return
        before = self._labels(frame)
        after = before.copy()
        after[in_plane] = values
        changed = before != after
        if not changed.any():
            return
        if self.object_id is None:
            self._paint_instances(frame, changed, after)
        else:
            self._store(self.object_id, frame, after)

    def _paint_instances(
        self, frame: int, changed: NDArray[np.bool_], after: NDArray[np.integer]
    ) -> None:
        """Let each changed pixel belong to the painted object and to no other one."""
        painted = set(np.unique(after[changed]).tolist()) - {0}
        for object_id in painted.union(self._seen()):  # what is not seen is not painted over
            mask = self.masklets.get(object_id, frame)
            if mask is None and object_id not in painted:
                continue
            pixels = (mask or SparseMask.empty(self.geometry.frame_shape)).to_dense()
            edited = np.where(changed, after == object_id, pixels)
            if not np.array_equal(edited, pixels):
                self._store(object_id, frame, edited)

    def _store(self, object_id: int, frame: int, mask: NDArray[Any]) -> None:
        if not self._may_paint(object_id, frame):
            return
        self.masklets.paint(object_id, frame, mask)
        self._on_paint(object_id, frame)

    def __deepcopy__(self, memo: dict[int, Any]) -> NDArray[np.uint16]:
        """Give napari's "duplicate layer" an array of its own: a copy is nobody's prompt."""
        return np.asarray(self)


class _Index:
    """An index into the whole array, taken apart into planes and what to take of each.

    Either `pixels` holds (number of the plane, y, x) of single pixels, or `planes`
    numbers the planes and `in_plane` indexes each one.
    """

    def __init__(self, key: Any, shape: tuple[int, ...]) -> None:
        key = _full_key(key, len(shape))
        numbers = np.arange(int(np.prod(shape[:-2]))).reshape(shape[:-2])
        leading, self.in_plane = key[:-2], key[-2:]
        self.pixels: tuple[NDArray[np.intp], ...] | None = None
        if any(np.ndim(k) for k in self.in_plane if not isinstance(k, slice)):
            if any(isinstance(k, slice) for k in key):
                raise IndexError(
                    "labels: expected integers and slices, or one index array for each axis, "
                    "found both; convert to an array first"
                )
            *leading, y, x = np.broadcast_arrays(*key)
            self.pixels = (np.broadcast_to(numbers[tuple(leading)], y.shape), y, x)
        self.planes = np.asarray(numbers[tuple(leading)])
        self.plane_shape = tuple(
            len(range(n)[k])
            for k, n in zip(self.in_plane, shape[-2:], strict=True)
            if isinstance(k, slice)
        )


def _ascending(key: int | slice, n: int) -> tuple[range, int | slice]:
    """Say which of n rows or columns are needed, ascending, and how to index those then."""
    if not isinstance(key, slice):
        return range(n)[key : key + 1 or None], 0
    wanted = range(n)[key]
    return (wanted, slice(None)) if wanted.step > 0 else (wanted[::-1], slice(None, None, -1))


def _full_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """Spell an index out to one entry for each axis."""
    if isinstance(key, np.ndarray) and key.dtype == bool and key.ndim == ndim:
        return np.nonzero(key)
    key = key if isinstance(key, tuple) else (key,)
    if any(k is None for k in key):
        raise IndexError("labels: new axes cannot be made by indexing; convert to an array first")
    if not any(k is Ellipsis for k in key):
        key = (*key, Ellipsis)
    at = next(i for i, k in enumerate(key) if k is Ellipsis)
    missing = ndim - (len(key) - 1)
    if missing < 0:
        raise IndexError(f"labels: expected up to {ndim} indices, found {len(key) - 1}")
    return (*key[:at], *[slice(None)] * missing, *key[at + 1 :])
