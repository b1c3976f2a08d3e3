"""Estimate the memory of tracking objects, and how many fit at a time.

Notes
-----
Counted from the largest tensors that exist at the same time, those of memory attention. On a CPU
the growth of the process was within 30 % of it (`docs/architecture.md`).
"""

import torch

from sam2_torch.config import SAM2Config
from sam2_torch.memory.selection import FULL_MEMORY, RECENT_POINTERS

AT_ONCE = {"cuda": 64, "mps": 16}
AT_ONCE_ELSEWHERE = 4  # more are no faster on a CPU, and take more memory
SHARE = 0.5  # of the free memory: allocators need room
MEMORY_ITEM_BYTES = 2  # memories are bfloat16
LOGIT_ITEM_BYTES = 4
RECORD_BYTES = 1000  # of one object in one frame: logits and mask of a cell, measured
POINTER_ITEM_BYTES = 2


def objects_at_once(config: SAM2Config, device: torch.device, dtype: torch.dtype) -> int:
    """Return how many objects to track in one batch, at least one."""
    most = AT_ONCE.get(device.type, AT_ONCE_ELSEWHERE)
    if device.type != "cuda":
        return most
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(most, int(SHARE * free) // computing_bytes(config, dtype)))


def computing_bytes(config: SAM2Config, dtype: torch.dtype) -> int:
    """Estimate the device memory of computing, in bytes for each object of a batch."""
    places, width = config.embedding_size**2, config.d_model
    tokens = FULL_MEMORY * places + (RECENT_POINTERS + 1) * width // config.memory_dim
    keys = tokens * 2 * (config.memory_dim + width)
    queries = 6 * places * width
    return (keys + queries) * dtype.itemsize


def memory_bytes(config: SAM2Config) -> int:
    """Estimate the device memory of one object's memories, in bytes."""
    return FULL_MEMORY * config.embedding_size**2 * config.memory_dim * MEMORY_ITEM_BYTES


def kept_bytes(config: SAM2Config, n_objects: int, n_masks: int) -> int:
    """Estimate the host memory of results, in bytes.

    Parameters
    ----------
    config
        Sizes of the network.
    n_objects
        How many objects are tracked at the same time: their latest logits are not packed.
    n_masks
        Masks of all objects in all frames.
    """
    recent = n_objects * FULL_MEMORY * config.logits_size**2 * LOGIT_ITEM_BYTES
    return recent + n_masks * (RECORD_BYTES + config.d_model * POINTER_ITEM_BYTES)
