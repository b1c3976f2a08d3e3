"""Copies between host and device memory, beside what the device computes where it can."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.runtime.pending import Pending


class Copies:
    """Copy immediately: to and from the CPU itself, or a device without streams.

    Parameters
    ----------
    device
        Where the network is.
    """

    overlap = False  # whether the host may go on while results are on their way

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def upload(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device; what is computed there next finds it in place."""
        return tensor.to(self.device)

    def send(self, pixels: NDArray[Any]) -> Pending[Tensor]:
        """Begin to copy an image to the device as float32; callable on any thread."""
        return Pending(lambda: torch.from_numpy(pixels.astype(np.float32)).to(self.device))

    def record(self) -> Any:
        """Record an event behind all that the device was given to compute so far."""
        return None

    def fetch(self, tensor: Tensor, after: Any) -> Pending[Tensor]:
        """Begin to copy a tensor to the host.

        Parameters
        ----------
        tensor
            On the device; must not be changed any more.
        after
            An event of `record` behind which the tensor is computed; later work of the device
            is not waited for.
        """
        return Pending(tensor.cpu)


class CudaCopies(Copies):
    """Copy between pinned memory and a CUDA device on streams of their own."""

    overlap = True

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._to_device, self._to_host = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def upload(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device; what is computed there next finds it in place."""
        if tensor.device.type != "cpu":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def send(self, pixels: NDArray[Any]) -> Pending[Tensor]:
        """Begin to copy an image to the device as float32; callable on any thread."""
        pinned = torch.from_numpy(pixels.astype(np.float32)).pin_memory()
        with torch.cuda.stream(self._to_device):
            sent = pinned.to(self.device, non_blocking=True)
            done = self._to_device.record_event()

        def wait() -> Tensor:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(done)
            sent.record_stream(computing)
            return sent

        return Pending(wait)

    def record(self) -> torch.cuda.Event:
        """Record an event behind all that the device was given to compute so far."""
        return torch.cuda.current_stream(self.device).record_event()

    def fetch(self, tensor: Tensor, after: torch.cuda.Event) -> Pending[Tensor]:
        """Begin to copy a tensor to the host; parameters as for `Copies.fetch`."""
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        with torch.cuda.stream(self._to_host):
            self._to_host.wait_event(after)
            pinned.copy_(tensor, non_blocking=True)
            tensor.record_stream(self._to_host)
            done = self._to_host.record_event()

        def wait() -> Tensor:
            done.synchronize()
            return pinned.clone()  # pinned memory is scarce, and used again

        return Pending(wait)


def copies_for(device: torch.device) -> Copies:
    """Return the copies that suit a device."""
    return CudaCopies(device) if device.type == "cuda" else Copies(device)
