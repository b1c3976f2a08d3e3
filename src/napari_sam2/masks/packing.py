"""Masks and the logits behind them as bytes, and the rule for pixels where masks overlap."""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits

# origin y, x; extent h, w; area; centroid y, x; bytes of the bits; whether a person gave it
_HEADER = struct.Struct("<5i2fi?")
_LOGITS = struct.Struct("<2i4f")  # h, w; first y, x; step y, x
_COMPRESS_FROM_BYTES = 512  # below this zlib gains nothing worth its time


class Outline(NamedTuple):
    """Bounding box, area and centroid of a mask, without its pixels.

    Parameters
    ----------
    origin_yx, extent_yx
        First row and column, height and width of the bounding box in pixels.
    area
        Number of pixels; 0 for an empty mask.
    centroid_yx
        Mean row and column of the pixels; (0, 0) for an empty mask.
    """

    origin_yx: tuple[int, int]
    extent_yx: tuple[int, int]
    area: int
    centroid_yx: tuple[float, float]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Return first and last row and column, half open: y0, x0, y1, x1."""
        (y, x), (h, w) = self.origin_yx, self.extent_yx
        return y, x, y + h, x + w

    def touches_border(self, frame_shape: tuple[int, int]) -> bool:
        """Return whether the mask has a pixel at the border of a frame of (H, W)."""
        y0, x0, y1, x1 = self.box
        return self.area > 0 and (
            y0 == 0 or x0 == 0 or y1 == frame_shape[0] or x1 == frame_shape[1]
        )


def pack(mask: SparseMask, logits: MaskLogits | None = None) -> bytes:
    """Pack a mask into bytes that `Masklets` stores; they are valid in this process only.

    Parameters
    ----------
    mask
        The mask.
    logits
        The logits that it was computed from; None if a person gave it.
    """
    bits = _squeezed(mask.bits.tobytes())
    numbers = (
        *mask.origin_yx,
        *mask.extent_yx,
        mask.area,
        *(mask.centroid_yx if mask else (0.0, 0.0)),
    )
    packed = _HEADER.pack(*numbers, len(bits), logits is None) + bits
    if logits is None:
        return packed
    grid = _LOGITS.pack(*logits.values.shape, *logits.first_yx, *logits.step_yx)
    return packed + grid + _squeezed(logits.values.tobytes())


def _squeezed(content: bytes) -> bytes:
    if len(content) < _COMPRESS_FROM_BYTES:
        return content
    return min(content, zlib.compress(content, 1), key=len)


def unpack(packed: bytes, shape: tuple[int, int]) -> SparseMask:
    """Unpack a mask.

    Parameters
    ----------
    packed
        Result of `pack`.
    shape
        (H, W) of the frames.
    """
    y, x, h, w, *_, n_bytes, _ = _HEADER.unpack_from(packed)
    bits = packed[_HEADER.size : _HEADER.size + n_bytes]
    if len(bits) != (h * w + 7) // 8:  # only then was it compressed: see `min` in `_squeezed`
        bits = zlib.decompress(bits)
    return SparseMask(shape, (y, x), (h, w), np.frombuffer(bits, np.uint8))


def is_given(packed: bytes) -> bool:
    """Return whether a mask counts as given by a person."""
    return bool(_HEADER.unpack_from(packed)[-1])


def as_given(packed: bytes, given: bool) -> bytes:
    """Mark a mask as given by a person, or as the network's if it has logits."""
    *numbers, _ = _HEADER.unpack_from(packed)
    without_logits = len(packed) == _HEADER.size + numbers[-1]
    return _HEADER.pack(*numbers, given or without_logits) + packed[_HEADER.size :]


def unpack_logits(packed: bytes) -> MaskLogits | None:
    """Unpack the logits that a mask was computed from; None if a person gave it."""
    start = _HEADER.size + _HEADER.unpack_from(packed)[-2]
    if len(packed) == start:
        return None
    h, w, *places = _LOGITS.unpack_from(packed, start)
    values = packed[start + _LOGITS.size :]
    if len(values) != h * w:
        values = zlib.decompress(values)
    grid = np.frombuffer(values, np.int8).reshape(h, w)
    return MaskLogits(grid, (places[0], places[1]), (places[2], places[3]))


def read_outline(packed: bytes) -> Outline:
    """Read box, area and centroid."""
    y, x, h, w, area, mean_y, mean_x, *_ = _HEADER.unpack_from(packed)
    return Outline((y, x), (h, w), area, (mean_y, mean_x))


class Overlaps:
    """Draws masks of one frame over each other; `Masklets.labels` documents the rule.

    Parameters
    ----------
    packed
        Returns the bytes of an object's mask in the frame; None where another thread removed it.
    """

    def __init__(self, packed: Callable[[int], bytes | None]) -> None:
        self._packed = packed
        self._known: dict[int, MaskLogits | None] = {}

    def decide(
        self,
        object_id: int,
        drawn: NDArray[np.integer],
        pixels: tuple[NDArray[np.intp], NDArray[np.intp]],
    ) -> NDArray[np.integer]:
        """Decide which object is visible where one is drawn over others.

        Parameters
        ----------
        object_id
            The object to draw.
        drawn
            (P,) the object that is drawn at its pixels so far; 0 for none.
        pixels
            Rows and columns of the image, each (P,).

        Returns
        -------
        (P,) the visible object.
        """
        own = self._logits(object_id)
        if own is None:
            return np.full_like(drawn, object_id)
        contested = np.flatnonzero(drawn)
        others = drawn[contested]
        rows, columns = (axis[contested] for axis in pixels)
        mine, theirs = own.at(rows, columns), np.empty(len(others), np.float32)
        for other in np.unique(others).tolist():
            here, logits = others == other, self._logits(other)
            theirs[here] = np.inf if logits is None else logits.at(rows[here], columns[here])
        seen = np.full_like(drawn, object_id)
        seen[contested] = np.where(mine >= theirs, object_id, others)
        return seen

    def _logits(self, object_id: int) -> MaskLogits | None:
        """Return the logits of a mask, unpacked once; None if a person gave it."""
        if object_id not in self._known:
            packed = self._packed(object_id)
            gone = MaskLogits.unknown()
            given = packed is not None and is_given(packed)
            logits = gone if packed is None else unpack_logits(packed)
            self._known[object_id] = None if given else logits
        return self._known[object_id]
