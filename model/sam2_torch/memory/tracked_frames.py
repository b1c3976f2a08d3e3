"""The frames that an object was tracked in: recent ones in full, all others in few bytes."""

import struct
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from sam2_torch.memory.frame_memory import FrameAnswer, FrameMemory
from sam2_torch.memory.packed_logits import PackedLogits

if TYPE_CHECKING:
    from sam2_torch.inputs.frames import Crop

# IoU, object score, background; (h, w) of the logits, origin and (h, w) of the window;
# channels of the pointer; its dtype; the crop window
_HEADER = struct.Struct("<3f7HBi")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class TrackedFrames(MutableMapping[int, FrameMemory]):
    """Memories by frame; long movies keep a record of a few hundred bytes of each.

    Parameters
    ----------
    memories
        Frames to begin with.

    Notes
    -----
    Reading a packed frame unpacks it until it is packed again. A record keeps logits and pointer
    in half precision; everything else comes back as it was, but for what was on the device,
    which can be encoded again.
    """

    def __init__(self, memories: Mapping[int, FrameMemory] | None = None) -> None:
        self._unpacked = dict(memories or {})
        self._packed: dict[int, bytes] = {}
        self._crops: list[Crop | None] = []

    def __getitem__(self, frame: int) -> FrameMemory:
        if frame in self._packed:
            self._unpacked[frame] = self._read(self._packed.pop(frame))
        return self._unpacked[frame]

    def __setitem__(self, frame: int, memory: FrameMemory) -> None:
        self._packed.pop(frame, None)
        self._unpacked[frame] = memory

    def __delitem__(self, frame: int) -> None:
        if self._packed.pop(frame, None) is None:
            del self._unpacked[frame]

    def __contains__(self, frame: object) -> bool:
        return frame in self._unpacked or frame in self._packed

    def __iter__(self) -> Iterator[int]:
        yield from sorted({*self._unpacked, *self._packed})

    def __len__(self) -> int:
        return len(self._unpacked) + len(self._packed)

    @property
    def unpacked(self) -> dict[int, FrameMemory]:
        """The frames that are not packed; a copy of the mapping, not of the memories."""
        return dict(self._unpacked)

    def pack(self, is_old: Callable[[int], bool]) -> None:
        """Pack the frames for which `is_old` is true."""
        for frame in [frame for frame in self._unpacked if is_old(frame)]:
            self._packed[frame] = self._record(self._unpacked.pop(frame))

    def copy(self) -> "TrackedFrames":
        """Return the same frames; changes to either do not reach the other."""
        other = TrackedFrames({frame: replace(memory) for frame, memory in self._unpacked.items()})
        other._packed = dict(self._packed)
        other._crops = list(self._crops)
        return other

    def _record(self, memory: FrameMemory) -> bytes:
        answer = memory.result()
        logits = answer.packed_logits()
        if memory.crop not in self._crops:
            self._crops.append(memory.crop)
        header = _HEADER.pack(
            answer.iou,
            answer.object_score,
            logits.background,
            *logits.shape,
            *logits.origin,
            *logits.window.shape,
            len(answer.pointer),
            _DTYPES.index(answer.pointer.dtype),
            self._crops.index(memory.crop),
        )
        pointer = answer.pointer.half().numpy()
        return header + pointer.tobytes() + logits.window.astype(np.float16).tobytes()

    def _read(self, record: bytes) -> FrameMemory:
        (iou, score, background, *sizes, channels, dtype, crop) = _HEADER.unpack_from(record)
        rows, columns, y, x, height, width = sizes
        values = np.frombuffer(record, np.float16, offset=_HEADER.size).copy()
        pointer = torch.from_numpy(values[:channels]).to(_DTYPES[dtype])
        window = values[channels:].reshape(height, width)
        logits = PackedLogits((rows, columns), (y, x), window, background)
        return FrameMemory(FrameAnswer(logits, iou, score, pointer), self._crops[crop])
