"""What is known of one object in one frame, in full while it is recent, then in few bytes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.inputs.frames import Crop
from sam2_torch.masks import extent
from sam2_torch.runtime.host_copies import Copies

VISIBLE_LOGIT = -8.0  # below it a mask's probability is under 0.04 %


@dataclass(frozen=True, eq=False, slots=True)
class PackedLogits:
    """Mask logits without the far background, in half precision on the host.

    What lies below `VISIBLE_LOGIT` all around the object, but for a margin of 1, is replaced
    by its mean: masks are the same but for the rounding.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    window: NDArray[np.floating]
    background: float

    @classmethod
    def pack(cls, logits: Tensor) -> "PackedLogits":
        """Pack (h, w) logits of the host."""
        numbers = logits.numpy()
        height, width = numbers.shape
        seen = extent(numbers > VISIBLE_LOGIT)
        y0, x0, y1, x1 = (
            (0, 0, 0, 0)
            if seen is None
            else (
                max(seen[0] - 1, 0),
                max(seen[1] - 1, 0),
                min(seen[2] + 1, height),
                min(seen[3] + 1, width),
            )
        )
        window = numbers[y0:y1, x0:x1]
        around = numbers.sum(dtype=np.float64) - window.sum(dtype=np.float64)
        background = float(around) / max(numbers.size - window.size, 1)
        return cls((height, width), (y0, x0), window.astype(np.float16), background)

    @classmethod
    def send_all(cls, logits: Tensor, copies: Copies) -> "Callable[[], list[PackedLogits]]":
        """Pack (N, h, w) logits where they are, and begin to bring what is left to the host.

        Two copies, whatever N: boxes and means, then all windows in a row.

        Returns
        -------
        What waits for them.
        """
        numbers, windows = pack_in_place(logits)
        packed = copies.mark()
        arriving = copies.fetch(numbers, packed)

        def arrive() -> list[PackedLogits]:
            boxes = arriving().tolist()
            n_numbers = sum(int((y1 - y0) * (x1 - x0)) for y0, y1, x0, x1, _ in boxes)
            numbers_of_all = copies.fetch(windows[:n_numbers], packed)().numpy()
            return cls._cut(boxes, numbers_of_all, (logits.shape[1], logits.shape[2]))

        return arrive

    @classmethod
    def _cut(
        cls, boxes: Iterable[Sequence[float]], numbers: NDArray[Any], shape: tuple[int, int]
    ) -> "list[PackedLogits]":
        """Part the numbers of all windows."""
        packed, taken = [], 0
        for y0, y1, x0, x1, background in boxes:
            h, w = int(y1 - y0), int(x1 - x0)
            window = numbers[taken : taken + h * w].reshape(h, w).copy()
            taken += h * w
            packed.append(cls(shape, (int(y0), int(x0)), window, background))
        return packed

    def unpack(self) -> Tensor:
        """Return (h, w) float32."""
        logits = torch.full(self.shape, self.background)
        (y, x), (h, w) = self.origin, self.window.shape
        logits[y : y + h, x : x + w] = torch.from_numpy(self.window)
        return logits


def pack_in_place(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Pack (N, h, w) logits on their device, without waiting for it.

    Returns
    -------
    (N, 5) first and last row (exclusive) and column of each window and the mean around it; and
    room for all logits in half precision, of which the first are those of the windows.
    """
    visible = logits > VISIBLE_LOGIT
    rows, columns = _span(visible.any(2)), _span(visible.any(1))
    inside = rows[:, :, None] & columns[:, None, :]
    n_outside = (~inside).sum(dim=(1, 2))
    outside = torch.where(inside, 0.0, logits.float()).sum(dim=(1, 2)) / n_outside.clamp(min=1)
    ends = [end for span in (rows, columns) for end in _ends(span)]
    chosen, n = inside.flatten(), logits.numel()
    place = torch.where(chosen, chosen.cumsum(0) - 1, n)  # the rest: all to one place behind
    windows = torch.empty(n + 1, dtype=torch.float16, device=logits.device)
    windows.scatter_(0, place, logits.half().flatten())
    return torch.stack([*ends, outside], dim=1), windows


def _span(seen: Tensor) -> Tensor:
    """Fill (N, L) from the first to the last that is true, and one more on each side."""
    wide = F.max_pool1d(seen[:, None].float(), 3, stride=1, padding=1)[:, 0]
    return (wide.cummax(1).values * wide.flip(1).cummax(1).values.flip(1)) > 0


def _ends(span: Tensor) -> tuple[Tensor, Tensor]:
    """Find where the true part of each row of (N, L) begins and ends; 0, 0 without one."""
    first = span.float().argmax(1)
    return first.float(), (first + span.sum(1)).float()


class Found(NamedTuple):
    """What the host knows of an object in a frame; as in `FrameMemory`."""

    logits: Tensor | PackedLogits
    iou: float
    object_score: float
    pointer: Tensor


@dataclass(eq=False, slots=True)
class FrameMemory:
    """What is known of one object in one frame.

    What the host is to know of it may still be on its way from the device: who asks for it
    before it is there waits.

    Parameters
    ----------
    logits
        (h, w) float32 on the host, packed once the frame is no longer recent; packed from
        the start if they come from another device.
    iou, object_score
        Predicted IoU, and the logit that the object is visible.
    pointer
        (C,) object pointer on the host, as precise as the network computes it.
    device_pointer, spatial
        The pointer and the (memory_dim, h, w) memory on the device, as long as they are
        wanted there; both can be had again from what is on the host.
    crop
        What was seen of the frame; None for the whole.
    prompted
        Whether the user said something about this frame.
    others
        What else an ambiguous prompt can mean, best first; taken away when it is kept.
    arrival
        Waits for logits, IoU, object score and pointer, where they are not there yet.
    """

    logits: Tensor | PackedLogits
    iou: float
    object_score: float
    pointer: Tensor
    device_pointer: Tensor | None = None
    spatial: Tensor | None = None
    prompted: bool = False
    crop: Crop | None = None
    others: tuple["FrameMemory", ...] = ()
    arrival: Callable[[], Found] | None = None

    @classmethod
    def arriving(cls, arrival: Callable[[], Found], device_pointer: Tensor) -> "FrameMemory":
        """Make a memory of which the host knows nothing yet."""
        memory = cls(torch.empty(0), 0.0, 0.0, torch.empty(0), device_pointer, arrival=arrival)
        for name in Found._fields:
            delattr(memory, name)
        return memory

    def __getattr__(self, name: str) -> Any:
        """Wait for what is not there yet: Python asks here for nothing else."""
        if name not in Found._fields:
            raise AttributeError(name)
        assert self.arrival is not None
        found, self.arrival = self.arrival(), None
        for field, value in zip(Found._fields, found, strict=True):
            setattr(self, field, value)
        return getattr(self, name)

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Rows and columns of the mask on the grid of the logits, (y0, x0, y1, x1), half open."""
        if not isinstance(self.logits, PackedLogits):
            return extent(self.logits.numpy() > 0)
        box, (y, x) = extent(self.logits.window > 0), self.logits.origin
        return box and (y + box[0], x + box[1], y + box[2], x + box[3])

    def unpacked_logits(self) -> Tensor:
        """Return (h, w) float32 logits on the host."""
        return self.logits.unpack() if isinstance(self.logits, PackedLogits) else self.logits

    def packed_logits(self) -> PackedLogits:
        """Return the logits without the far background."""
        if isinstance(self.logits, PackedLogits):
            return self.logits
        return PackedLogits.pack(self.logits)

    def leave_device(self) -> None:
        """Let go of the memory, and of logits in full."""
        self.spatial, self.logits = None, self.packed_logits()
