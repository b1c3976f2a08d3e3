"""The frames that an object was tracked in: some at hand, all others as a few bytes."""

import struct
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from sam2_torch.memory.frame_memory import FrameMemory, PackedLogits

if TYPE_CHECKING:
    from sam2_torch.inputs.frames import Crop

# iou, object score, background; rows and columns of the map, its window's origin and extent;
# channels of the pointer; its dtype; the crop
_HEADER = struct.Struct("<3f7HBi")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class TrackedFrames(MutableMapping[int, FrameMemory]):
    """What is known of an object by frame; long movies keep bytes of it.

    Parameters
    ----------
    known
        Frames to begin with.

    Notes
    -----
    A frame that is asked for is at hand from then on, until it is settled again. Settled, it
    keeps its logits and its pointer in half precision; everything else that it had comes back
    as it was, but for the memory on the device, which can be encoded again.
    """

    def __init__(self, known: Mapping[int, FrameMemory] | None = None) -> None:
        self._at_hand = dict(known or {})
        self._settled: dict[int, bytes] = {}
        self._crops: list[Crop | None] = []

    def __getitem__(self, frame: int) -> FrameMemory:
        if frame in self._settled:
            self._at_hand[frame] = self._unpack(self._settled.pop(frame))
        return self._at_hand[frame]

    def __setitem__(self, frame: int, memory: FrameMemory) -> None:
        self._settled.pop(frame, None)
        self._at_hand[frame] = memory

    def __delitem__(self, frame: int) -> None:
        if self._settled.pop(frame, None) is None:
            del self._at_hand[frame]

    def __contains__(self, frame: object) -> bool:
        return frame in self._at_hand or frame in self._settled

    def __iter__(self) -> Iterator[int]:
        yield from sorted({*self._at_hand, *self._settled})

    def __len__(self) -> int:
        return len(self._at_hand) + len(self._settled)

    @property
    def at_hand(self) -> dict[int, FrameMemory]:
        """Those frames that are not settled; a copy of the mapping, not of them."""
        return dict(self._at_hand)

    def settle(self, is_done: Callable[[int], bool]) -> None:
        """Keep what is known of those frames in a few bytes that are done with."""
        for frame in [frame for frame in self._at_hand if is_done(frame)]:
            self._settled[frame] = self._pack(self._at_hand.pop(frame))

    def fork(self) -> "TrackedFrames":
        """Make another one that knows the same; what happens to either is not the other's."""
        other = TrackedFrames({frame: replace(known) for frame, known in self._at_hand.items()})
        other._settled = dict(self._settled)
        other._crops = list(self._crops)
        return other

    def _pack(self, memory: FrameMemory) -> bytes:
        logits = memory.packed_logits()
        if memory.crop not in self._crops:
            self._crops.append(memory.crop)
        header = _HEADER.pack(
            memory.iou,
            memory.object_score,
            logits.background,
            *logits.shape,
            *logits.origin,
            *logits.window.shape,
            len(memory.pointer),
            _DTYPES.index(memory.pointer.dtype),
            self._crops.index(memory.crop),
        )
        pointer = memory.pointer.half().numpy()
        return header + pointer.tobytes() + logits.window.astype(np.float16).tobytes()

    def _unpack(self, record: bytes) -> FrameMemory:
        (iou, score, background, *sizes, channels, dtype, crop) = _HEADER.unpack_from(record)
        rows, columns, y, x, height, width = sizes
        numbers = np.frombuffer(record, np.float16, offset=_HEADER.size).copy()
        pointer = torch.from_numpy(numbers[:channels]).to(_DTYPES[dtype])
        window = numbers[channels:].reshape(height, width)
        logits = PackedLogits((rows, columns), (y, x), window, background)
        return FrameMemory(logits, iou, score, pointer, crop=self._crops[crop])
