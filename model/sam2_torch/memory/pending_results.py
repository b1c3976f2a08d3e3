"""Answers on their way from the device: the host waits for one only when it is asked for it."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from sam2_torch.memory.frame_memory import Found, PackedLogits
from sam2_torch.runtime.host_copies import Copies
from sam2_torch.sam2 import Segmentation

ArrivingLogits: TypeAlias = Callable[[], Sequence[Tensor | PackedLogits]]


class Arrival:
    """What was found of N objects that went through the network together.

    Parameters
    ----------
    copies
        From the device.
    answer
        Of the network.
    logits
        Waits for the logits of each object, which are on their way already.
    """

    def __init__(self, copies: Copies, answer: Segmentation, logits: ArrivingLogits) -> None:
        numbers = torch.stack((answer.ious, answer.object_scores), dim=1)
        computed = copies.mark()
        self._numbers = copies.fetch(numbers, computed)
        self._pointers = copies.fetch(answer.pointers, computed)
        self._logits = logits
        self._found: list[Found] | None = None

    def found(self, row: int) -> Found:
        """Wait, and tell what was found of one object."""
        if self._found is None:
            pointers, logits = self._pointers(), self._logits()
            self._found = [
                Found(logits[i], iou, score, pointers[i])
                for i, (iou, score) in enumerate(self._numbers().tolist())
            ]
        return self._found[row]


def whole_logits(logits: Tensor, copies: Copies) -> ArrivingLogits:
    """Begin to bring (N, h, w) logits to the host as they are."""
    arriving = copies.fetch(logits, copies.mark())
    return lambda: list(arriving())
