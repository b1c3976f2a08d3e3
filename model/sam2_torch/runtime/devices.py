"""Devices and precisions: choose and describe them."""

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

GIB = 2**30


@dataclass(frozen=True)
class DeviceDescription:
    """Description of one device.

    Parameters
    ----------
    name
        As `choose_device` takes it: "cuda:1", "mps", "cpu".
    product
        Name of the product.
    memory_bytes, free_bytes
        Of its own memory; None where it has none or does not report it.
    dtype
        Its fastest precision, `fast_dtype`.
    """

    name: str
    product: str
    memory_bytes: int | None
    free_bytes: int | None
    dtype: torch.dtype

    def __str__(self) -> str:
        memory = ""
        if self.memory_bytes is not None and self.free_bytes is not None:
            free, total = self.free_bytes / GIB, self.memory_bytes / GIB
            memory = f", {free:.1f} of {total:.1f} GiB free"
        precision = str(self.dtype).removeprefix("torch.")
        return f"{self.name}: {self.product}{memory}, {precision}"


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Resolve "auto" and check that the device exists.

    Parameters
    ----------
    device
        "auto" (CUDA, then MPS, then the CPU), or a name: "cpu", "mps", "cuda", "cuda:1".

    Raises
    ------
    ValueError
        If it does not exist.
    """
    counts = _counts()
    if device == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if counts[kind]))
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device: expected auto, cuda, cuda:1, mps or cpu, found {device!r}"
        ) from error
    if (chosen.index or 0) >= counts.get(chosen.type, 0):
        found = ", ".join(_names(counts))
        raise ValueError(
            f"device {str(device)!r} is not there; found {found}: use one of these, or auto"
        )
    return chosen


def choose_dtype(device: torch.device) -> torch.dtype:
    """Return the default precision of a device: bfloat16 on GPUs that support it, else float32.

    The range of float16, which older cards and MPS have, is too small to be safe.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):  # several cards may be of different generations
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return torch.bfloat16
    return torch.float32


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return the fastest precision of a device.

    As `choose_dtype`, and bfloat16 on CPUs with instructions for it (AVX-512 BF16, AMX): twice
    as fast there, and masks are as good, though not the same in every pixel.
    """
    if device.type == "cpu" and any(_cpu_has(unit) for unit in ("avx512_bf16", "amx_tile")):
        return torch.bfloat16
    return choose_dtype(device)


def _cpu_has(unit: str) -> bool:
    asked = getattr(torch.cpu, f"_is_{unit}_supported", None)  # not in every release
    return asked is not None and bool(asked())


def describe_devices() -> list[DeviceDescription]:
    """Describe the devices of this machine; the first one is that of "auto"."""
    return [describe_device(torch.device(name)) for name in _names(_counts())]


def describe_device(device: torch.device) -> DeviceDescription:
    """Describe an existing device."""
    product, total, free = f"{os.cpu_count()} cores", None, None
    if device.type == "cuda":
        product = torch.cuda.get_device_name(device)
        free, total = torch.cuda.mem_get_info(device)
    elif device.type == "mps":
        product = "Apple GPU"
        total = torch.mps.recommended_max_memory()
        free = total - torch.mps.driver_allocated_memory()
    return DeviceDescription(str(device), product, total, free, fast_dtype(device))


def release_freed_memory() -> None:
    """Return freed host memory to the system; does nothing without glibc.

    glibc keeps freed blocks, and results, which are small and stay, are placed among them:
    without this a process grows by hundreds of MB in a long propagation. It takes milliseconds.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _counts() -> dict[str, int]:
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"cuda": cuda, "mps": int(torch.backends.mps.is_available()), "cpu": 1}


def _names(counts: dict[str, int]) -> Iterator[str]:
    yield from (f"cuda:{i}" for i in range(counts["cuda"]))
    yield from (kind for kind in ("mps", "cpu") if counts[kind])
