"""Copies between the computer's memory and a device's that nobody waits for."""

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor to a device; what is computed there next finds it in place.

    On CUDA the host does not wait: the copy is made from memory that the device reads itself.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
