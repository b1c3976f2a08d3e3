"""Copies between the computer's memory and a device's; where the device can, nobody waits."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arriving: TypeAlias = Callable[[], Tensor]
"""Returns a tensor as soon as it is there; called once."""


class Copies:
    """Copies that are made at once: to and from the CPU itself, or a device that has no streams."""

    overlap = False  # with computing

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def upload(self, tensor: Tensor) -> Tensor:
        """Bring a tensor to the device; what is computed there next finds it in place."""
        return tensor.to(self.device)

    def send(self, pixels: NDArray[Any]) -> Arriving:
        """Begin to bring an image to the device as float32; on any thread."""
        return lambda: torch.from_numpy(pixels.astype(np.float32)).to(self.device)

    def mark(self) -> Any:
        """Mark what the device was told to compute so far."""
        return None

    def fetch(self, tensor: Tensor, after: Any) -> Arriving:
        """Begin to bring a tensor to the host.

        Parameters
        ----------
        tensor
            It must not be changed any more.
        after
            A mark behind which it is computed; nothing that comes later is waited for.
        """
        return tensor.cpu


class CudaCopies(Copies):
    """Copies between pinned memory and a CUDA device, beside what it computes."""

    overlap = True

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._there, self._back = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def upload(self, tensor: Tensor) -> Tensor:
        """Bring a tensor to the device; what is computed there next finds it in place."""
        if tensor.device.type != "cpu":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def send(self, pixels: NDArray[Any]) -> Arriving:
        """Begin to bring an image to the device as float32; on any thread."""
        pinned = torch.from_numpy(pixels.astype(np.float32)).pin_memory()
        with torch.cuda.stream(self._there):
            sent = pinned.to(self.device, non_blocking=True)
            is_there = self._there.record_event()

        def arrived() -> Tensor:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(is_there)
            sent.record_stream(computing)
            return sent

        return arrived

    def mark(self) -> torch.cuda.Event:
        """Mark what the device was told to compute so far."""
        return torch.cuda.current_stream(self.device).record_event()

    def fetch(self, tensor: Tensor, after: torch.cuda.Event) -> Arriving:
        """Begin to bring a tensor to the host as `Copies.fetch` says."""
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        with torch.cuda.stream(self._back):
            self._back.wait_event(after)
            pinned.copy_(tensor, non_blocking=True)
            tensor.record_stream(self._back)
            is_there = self._back.record_event()

        def arrived() -> Tensor:
            is_there.synchronize()
            return pinned.clone()  # pinned memory is scarce, and used again

        return arrived


def copies_for(device: torch.device) -> Copies:
    """Choose how to copy to and from a device."""
    return CudaCopies(device) if device.type == "cuda" else Copies(device)
