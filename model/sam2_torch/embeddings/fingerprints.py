"""Fingerprints of all that an embedding depends on."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from sam2_torch.sam2 import SAM2

EMBEDDING_VERSION = "1"
"""Counts up when `encode_image` gives other numbers for the same weights and image."""


def fingerprint_model(model: SAM2) -> str:
    """Compute the fingerprint of a network: its weights, and what else its numbers depend on.

    Networks of the same weights have different ones in another precision, on another kind of
    device, and with another PyTorch: their embeddings are not the same to the last bit.
    """
    digest = _hash()
    about = (EMBEDDING_VERSION, model.config.to_dict(), model.device.type, torch.__version__)
    digest.update(repr(about).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def fingerprint_input(image: Tensor, model: str) -> str:
    """Compute the fingerprint of an input and a network.

    Parameters
    ----------
    image
        As `image_to_input` returns it: pixels, contrast, crop and resolution are all in it.
    model
        The network's fingerprint.
    """
    digest = _hash()
    digest.update(f"{model} {image.dtype} {tuple(image.shape)}".encode())
    digest.update(_bytes(image))
    return digest.hexdigest()


def _hash() -> Any:
    return hashlib.blake2b(digest_size=20)


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    pixels: Any = flat.view(torch.uint8).numpy()
    return memoryview(pixels)
