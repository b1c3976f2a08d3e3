"""The processes that train together, if `torchrun` started several."""

import os

import torch
import torch.distributed as dist
from torch import Tensor


def join(device: torch.device) -> torch.device:
    """Initialise the process group if there are several processes; return this one's device."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave() -> None:
    """Leave the process group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def count() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Return the rank of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def first() -> bool:
    """Return whether this is the process that writes."""
    return number() == 0


def any_true(yes: bool, device: torch.device) -> bool:
    """Return whether a value is true on any process."""
    if count() == 1:
        return yes
    votes: Tensor = torch.tensor(float(yes), device=device)
    dist.all_reduce(votes)
    return bool(votes > 0)


def of_first(value: float, device: torch.device) -> float:
    """Return the value of the first process."""
    if count() == 1:
        return value
    shared: Tensor = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(shared, src=0)
    return float(shared)
