"""Memory of one object in one frame: the answer on the host, features on the device."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_torch.inputs.frames import Crop
from sam2_torch.masks import SparseMask, bounding_box
from sam2_torch.memory.packed_logits import PackedLogits
from sam2_torch.runtime.host_copies import Copies
from sam2_torch.runtime.pending import Pending
from sam2_torch.sam2 import Segmentation

REJOINED_IOU = 0.99


class FrameAnswer(NamedTuple):
    """The network's answer for one object in one frame, on the host.

    Parameters
    ----------
    logits
        (h, w) float32, packed once the frame is no longer recent; packed from the start if
        they come from another device.
    iou, object_score
        Predicted IoU, and the logit that the object is visible.
    pointer
        (C,) object pointer, in the precision of the network.
    """

    logits: Tensor | PackedLogits
    iou: float
    object_score: float
    pointer: Tensor

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Rows and columns of the mask on the grid of the logits, (y0, x0, y1, x1), half open."""
        if isinstance(self.logits, PackedLogits):
            return self.logits.box
        return bounding_box(self.logits.numpy() > 0)

    def unpacked_logits(self) -> Tensor:
        """Return (h, w) float32 logits."""
        return self.logits.unpack() if isinstance(self.logits, PackedLogits) else self.logits

    def packed_logits(self) -> PackedLogits:
        """Return the logits without the far background."""
        if isinstance(self.logits, PackedLogits):
            return self.logits
        return PackedLogits.pack(self.logits)


@dataclass(eq=False, slots=True)
class FrameMemory:
    """Memory of one object in one frame.

    Parameters
    ----------
    answer
        The network's answer; pending as long as it is on its way from the device.
    crop
        The crop window that the object was seen in; None for the whole frame.
    prompted
        Whether the frame is prompted: its mask is then encoded sharply.
    device_pointer, spatial
        (C,) object pointer and (memory_dim, h, w) spatial memory on the device, as long as
        they are recent; both can be made again from the answer.
    mask
        The mask in image pixels, if it is finer than the logits: given, or refined.
    """

    answer: FrameAnswer | Pending[FrameAnswer]
    crop: Crop | None = None
    prompted: bool = False
    device_pointer: Tensor | None = None
    spatial: Tensor | None = None
    mask: SparseMask | None = None

    def result(self) -> FrameAnswer:
        """Return the answer; the first time, wait until it is on the host."""
        if isinstance(self.answer, Pending):
            self.answer = self.answer.result()
        return self.answer

    def leave_device(self) -> None:
        """Drop the spatial memory, and pack the logits."""
        answer, self.spatial = self.result(), None
        if not isinstance(answer.logits, PackedLogits):
            self.answer = answer._replace(logits=answer.packed_logits())


def masks_agree(one: FrameMemory | None, other: FrameMemory | None) -> bool:
    """Return whether two masks are nearly the same, on the grid of the logits."""
    if one is None or other is None or one.crop != other.crop:
        return False
    a, b = (memory.result().unpacked_logits() > 0 for memory in (one, other))
    union = int((a | b).sum())
    return union == 0 or int((a & b).sum()) >= REJOINED_IOU * union


def fetch_answers(
    found: Segmentation, copies: Copies, *, packed: bool
) -> list[Pending[FrameAnswer]]:
    """Begin to copy the answers for N objects to the host.

    Parameters
    ----------
    found
        On the device.
    copies
        To the host.
    packed
        Whether to pack the logits on the device: fewer bytes to copy, in half precision.
    """
    scores = torch.stack((found.ious, found.object_scores), dim=1)  # (N, 2)
    computed = copies.record()
    pending_scores, pending_pointers = (
        copies.fetch(tensor, computed) for tensor in (scores, found.pointers)
    )
    pending_logits: Pending[list[PackedLogits]] | Pending[Tensor]
    if packed:
        pending_logits = PackedLogits.fetch(found.logits, copies)
    else:
        pending_logits = copies.fetch(found.logits, computed)

    def wait() -> list[FrameAnswer]:
        pointers, logits = pending_pointers.result(), pending_logits.result()
        return [
            FrameAnswer(logits[i], iou, score, pointers[i])
            for i, (iou, score) in enumerate(pending_scores.result().tolist())
        ]

    answers = Pending(wait)  # of all objects: the first that is asked for waits for all

    def row(i: int) -> Pending[FrameAnswer]:
        return Pending(lambda: answers.result()[i])

    return [row(i) for i in range(len(found.pointers))]
