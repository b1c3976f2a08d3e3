"""The processes that train together, if `torchrun` started several."""

import os

import torch
import torch.distributed as dist
from torch import Tensor


def join(device: torch.device) -> torch.device:
    """Join the others, if there are any; returns the device of this process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave() -> None:
    """Part from the others."""
    if dist.is_initialized():
        dist.destroy_process_group()


def count() -> int:
    """Count the processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Tell which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def first() -> bool:
    """Tell whether this is the one that writes."""
    return number() == 0


def any_says(yes: bool, device: torch.device) -> bool:
    """Agree: yes if any process says yes."""
    if count() == 1:
        return yes
    votes: Tensor = torch.tensor(float(yes), device=device)
    dist.all_reduce(votes)
    return bool(votes > 0)


def of_first(value: float, device: torch.device) -> float:
    """Agree on the value of the first process."""
    if count() == 1:
        return value
    shared: Tensor = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(shared, src=0)
    return float(shared)
