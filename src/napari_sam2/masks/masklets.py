"""The masks of all objects in all frames, kept small."""

from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.masks.masks_on_disk import MasksOnDisk, TemporaryMasks
from napari_sam2.masks.packing import Outline as Outline
from napari_sam2.masks.packing import Overlaps, read_outline
from napari_sam2.masks.packing import pack as pack
from napari_sam2.masks.packing import unpack as unpack
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits, MaskPrediction

LARGEST_ID = int(np.iinfo(np.uint32).max)
"""Largest object id that a label image of napari-sam2 can hold."""

MOST_FRAMES = 10**7
"""Of a movie, counted through all planes: more are a wrong number in a damaged table."""


class Confidence(NamedTuple):
    """The network's predicted IoU, 0 to 1, and object score (logit) of one mask."""

    iou: float
    object_score: float


def _overlap(axis: range, start: int, length: int) -> tuple[slice, slice] | None:
    """Intersect an ascending range with the interval `start`..`start + length`.

    Returns
    -------
    The part of the range, as a slice of it, and the same places counted from `start`; None if
    there are none.
    """
    first = max(0, -((axis.start - start) // axis.step))
    last = min(len(axis), -((axis.start - start - length) // axis.step))
    if first >= last:
        return None
    begin = axis[first] - start
    return slice(first, last), slice(begin, axis[last - 1] - start + 1, axis.step)


class Masklets:
    """The masks of all objects of one movie, by object id and frame.

    A frame of an object is in one of three states: unknown (never computed), empty (the object is
    not in this frame) or a mask.

    Parameters
    ----------
    n_frames
        Length of the movie.
    frame_shape
        (H, W) of a frame in pixels.
    on_disk
        Keep the masks in a temporary file: for long movies that no viewer shows.

    Raises
    ------
    ValueError
        If there is no frame or no pixel, or more than `MOST_FRAMES`.

    Notes
    -----
    A mask of a small cell takes some 200 bytes: one `bytes` object with the bounding box, area,
    centroid and packed bits. Masks are replaced as a whole, so one thread may write while another
    one reads.
    """

    def __init__(self, n_frames: int, frame_shape: tuple[int, int], on_disk: bool = False) -> None:
        if not 1 <= n_frames <= MOST_FRAMES or min(frame_shape) < 1:
            raise ValueError(
                f"expected 1 to {MOST_FRAMES} frames with at least one pixel, "
                f"found {n_frames} frames of {tuple(frame_shape)}"
            )
        self.n_frames = int(n_frames)
        self.frame_shape = (int(frame_shape[0]), int(frame_shape[1]))
        self._packed: dict[int, MutableMapping[int, bytes]] = {}
        self._file = TemporaryMasks() if on_disk else None
        self._watchers: list[deque[tuple[int, int]]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle has: all masks in memory, no queue."""
        return vars(self.snapshot()) if self._file or self._watchers else vars(self)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Return the objects that have a mask, possibly empty, ascending."""
        # a copy first: another thread may add an object meanwhile
        return tuple(sorted(i for i, by_frame in tuple(self._packed.items()) if by_frame))

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Return the dtype of label images: uint16, or uint32 if an id needs it."""
        wide = max(self.object_ids, default=0) > np.iinfo(np.uint16).max
        return np.dtype(np.uint32 if wide else np.uint16)

    @property
    def nbytes(self) -> int:
        """Return the size of the packed masks in bytes."""
        return sum(
            len(packed)
            for by_frame in tuple(self._packed.values())
            for packed in tuple(by_frame.values())
        )

    def frames(self, object_id: int) -> tuple[int, ...]:
        """Return the known frames of an object, ascending; empty masks count."""
        return tuple(sorted(self._packed.get(object_id, ())))

    def get(self, object_id: int, frame: int) -> SparseMask | None:
        """Return an object's mask in a frame; None if it is unknown."""
        packed = self._packed.get(object_id, {}).get(frame)
        return None if packed is None else unpack(packed, self.frame_shape)

    def outline(self, object_id: int, frame: int) -> Outline | None:
        """Return box, area and centroid of a mask without unpacking it; None if it is unknown."""
        packed = self._packed.get(object_id, {}).get(frame)
        if packed is None:
            return None
        return read_outline(packed)

    def set(
        self, object_id: int, frame: int, mask: SparseMask, logits: MaskLogits | None = None
    ) -> None:
        """Store an object's mask in a frame.

        Parameters
        ----------
        object_id, frame
            Its key.
        mask
            The mask, in the shape of the frames.
        logits
            The logits that it was computed from, which decide where masks overlap. None for a mask
            that a person gave: it wins over all that the network found.

        Raises
        ------
        ValueError
            If the object id does not fit a label image, the frame is outside of the movie or the
            mask has another shape.
        """
        if not 1 <= object_id <= LARGEST_ID:
            raise ValueError(
                f"object id: expected 1..{LARGEST_ID} (0 is background), found {object_id}"
            )
        self._check_frame(frame)
        if tuple(mask.shape) != self.frame_shape:
            raise ValueError(
                f"mask: expected the shape of the frames {self.frame_shape}, "
                f"found {tuple(mask.shape)}"
            )
        packed, known = pack(mask, logits), self.packed(object_id, frame)
        if logits is None and known is not None and known.startswith(packed):
            packed = known  # given by locking it: its logits count again once it is unlocked
        self._put(object_id, frame, packed)

    def set_found(self, object_id: int, frame: int, found: MaskPrediction) -> None:
        """Store a mask that the network found, with its logits if they are known.

        Raises
        ------
        ValueError
            As for `set`.
        """
        self.set(object_id, frame, found.sparse, found.coarse or MaskLogits.unknown())

    def paint(self, object_id: int, frame: int, mask: ArrayLike) -> None:
        """Store a dense mask, (H, W), non-zero inside of the object.

        Raises
        ------
        ValueError
            As for `set`.
        """
        pixels = np.asarray(mask)
        if pixels.ndim != 2:
            raise ValueError(f"mask: expected shape {self.frame_shape}, found {pixels.shape}")
        self.set(object_id, frame, SparseMask.from_dense(pixels))

    def packed(self, object_id: int, frame: int) -> bytes | None:
        """Return a mask's bytes, see `pack`; the same object until the mask changes."""
        return self._packed.get(object_id, {}).get(frame)

    def put(self, object_id: int, frame: int, packed: bytes) -> None:
        """Store packed bytes of a mask in the shape of the frames."""
        self._check_frame(frame)
        self._put(object_id, frame, packed)

    def remove(self, object_id: int, frame: int | None = None) -> None:
        """Remove an object, or its mask in one frame, if it is there."""
        if frame is None:
            gone = self._packed.pop(object_id, {})
            self._note(object_id, gone)
        else:
            self._packed.get(object_id, {}).pop(frame, None)
            self._note(object_id, (frame,))

    def watch(self) -> deque[tuple[int, int]]:
        """Return a queue that receives the (object id, frame) of each mask that changes.

        Another thread than the one that writes may empty it.
        """
        watcher: deque[tuple[int, int]] = deque()
        self._watchers.append(watcher)
        return watcher

    def unwatch(self, watcher: deque[tuple[int, int]]) -> None:
        """Stop appending to a queue."""
        self._watchers = [each for each in self._watchers if each is not watcher]

    def snapshot(self) -> "Masklets":
        """Return a copy with the current masks, to read while these change."""
        other = Masklets(self.n_frames, self.frame_shape)
        other._packed = {i: dict(by_frame) for i, by_frame in tuple(self._packed.items())}
        return other

    def labels(
        self,
        frame: int,
        object_ids: Iterable[int] | None = None,
        out: NDArray[np.integer] | None = None,
    ) -> NDArray[np.integer]:
        """Draw the instance image of one frame.

        Parameters
        ----------
        frame
            Which frame.
        object_ids
            Objects to draw; all in ascending order by default.
        out
            (H, W) integer array to overwrite and return; a new one of `dtype` by default.

        Returns
        -------
        (H, W), object id where an object is, 0 elsewhere.

        Raises
        ------
        ValueError
            If the frame is outside of the movie or `out` is of another shape.

        Notes
        -----
        Where masks overlap, the one with the highest logit is drawn. One that a person gave,
        painted or locked wins over all that the network found; one whose logits were not kept
        (of a session that an older version wrote) loses to those whose logits are known. Of
        equal ones the one that comes later in `object_ids` is drawn.
        """
        self._check_frame(frame)
        image = np.empty(self.frame_shape, self.dtype) if out is None else out
        if image.shape != self.frame_shape:
            raise ValueError(f"out: expected shape {self.frame_shape}, found {image.shape}")
        height, width = self.frame_shape
        return self.draw(frame, (range(height), range(width)), image, object_ids)

    def draw(
        self,
        frame: int,
        where: tuple[range, range],
        out: NDArray[np.integer],
        object_ids: Iterable[int] | None = None,
    ) -> NDArray[np.integer]:
        """Draw part of a frame, or every n-th pixel of it; only masks in there are unpacked.

        Parameters
        ----------
        frame
            Index of the frame.
        where
            Rows and columns to draw, ascending.
        out
            Integer array of their lengths, to overwrite and return.
        object_ids
            As for `labels`.

        Raises
        ------
        ValueError
            If the frame is outside of the movie.
        """
        self._check_frame(frame)
        out[...] = 0
        overlaps = Overlaps(lambda object_id: self.packed(object_id, frame))
        for object_id in self.object_ids if object_ids is None else object_ids:
            outline = self.outline(object_id, frame)
            if outline is None:
                continue
            (y, x), (h, w) = outline.origin_yx, outline.extent_yx
            rows, columns = _overlap(where[0], y, h), _overlap(where[1], x, w)
            if rows is None or columns is None:
                continue
            mask = self.get(object_id, frame)
            if not mask:
                continue
            part, inside = out[rows[0], columns[0]], mask.window()[rows[1], columns[1]]
            below = part[inside]
            if below.any():
                contested_rows, contested_columns = np.nonzero(inside)
                pixels = (
                    np.arange(y, y + h)[rows[1]][contested_rows],
                    np.arange(x, x + w)[columns[1]][contested_columns],
                )
                part[inside] = overlaps.decide(object_id, below, pixels)
            else:
                part[inside] = object_id
        return out

    def _put(self, object_id: int, frame: int, packed: bytes) -> None:
        if object_id not in self._packed:
            kept = {} if self._file is None else MasksOnDisk(self._file, self.n_frames)
            self._packed[int(object_id)] = kept
        self._packed[object_id][int(frame)] = packed
        self._note(object_id, (frame,))

    def _note(self, object_id: int, frames: Iterable[int]) -> None:
        for watcher in self._watchers:
            watcher.extend((object_id, frame) for frame in frames)

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise ValueError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")
