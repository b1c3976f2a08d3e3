"""Weights from files into networks; which device and which precision."""

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sam2_torch.config import CELLS_NANO, RELEASED, SAM2Config
from sam2_torch.sam2 import SAM2

EMBEDDED = {
    "cells_nano": (Path(__file__).parent / "weights" / "cells_nano.safetensors", CELLS_NANO)
}
"""Checkpoints that come with the package: file and config."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def load_sam2(
    name_or_path: str | Path = "cells_nano",
    device: str | torch.device = "auto",
    dtype: torch.dtype | None = None,
) -> SAM2:
    """Load a network, ready for inference.

    Parameters
    ----------
    name_or_path
        "cells_nano", the embedded model, or a checkpoint file: Meta's `.pt`, or a
        `.safetensors` with Meta's names. The architecture is told by its shapes.
    device
        "auto" (CUDA, then MPS, then the CPU) or a name that PyTorch knows ("cuda:1").
    dtype
        Of the weights; by default bfloat16 on CUDA devices that have it, else float32.

    Raises
    ------
    CheckpointError
        If the file is truncated, unsafe, or of another architecture.
    FileNotFoundError
        If there is no such file or model.
    ValueError
        If the device is not there.
    """
    device = choose_device(device)
    name = str(name_or_path)
    path, config = EMBEDDED.get(name, (Path(name_or_path), None))
    if not path.is_file():
        raise FileNotFoundError(
            f"model {name!r}: expected {', '.join(EMBEDDED)} or the path of a checkpoint "
            "(.pt or .safetensors), found no such file"
        )
    state, metadata = read_checkpoint(path)
    if config is None:
        config = _told_config(metadata, path) or recognise(state, path)
    model = SAM2(config)
    _load(model, state, path)
    return model.to(device, dtype or choose_dtype(device)).eval().requires_grad_(False)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Resolve "auto" and check that the device is there.

    Raises
    ------
    ValueError
        If it is not.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device: expected auto, cuda, mps or cpu, found {device!r}") from error
    there = {"cpu": 1, "mps": int(mps), "cuda": torch.cuda.device_count() if cuda else 0}
    if (chosen.index or 0) >= there.get(chosen.type, 0):
        found = ", ".join(f"{n} {kind}" for kind, n in there.items() if n)
        raise ValueError(
            f"device {device!r} is not there; found {found}: use one of these, or auto"
        )
    return chosen


def choose_dtype(device: torch.device) -> torch.dtype:
    """Choose the precision that a device is best at."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a file and its metadata, running no code that the file may hold.

    Raises
    ------
    CheckpointError
        If it is truncated, unsafe or not a checkpoint.
    """
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                state = {name: file.get_tensor(name) for name in file.keys()}
                return state, file.metadata() or {}
        except SafetensorError as error:
            raise CheckpointError(
                f"{path.name}: expected a safetensors file, found a broken one ({error}); "
                "fetch it again"
            ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of formats that are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name}: expected plain tensors, found something else that was not opened, "
            "as it could run code; use a file from a source that you trust, or its "
            ".safetensors form"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path.name}: expected a PyTorch checkpoint, found a truncated or foreign file; "
            "fetch it again"
        ) from error
    tensors = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise CheckpointError(f"{path.name}: expected tensors by name (under 'model'), found none")
    return dict(tensors), {}


def _told_config(metadata: Mapping[str, str], path: Path) -> SAM2Config | None:
    """Read the config that the project's own files carry."""
    if "sam2_config" not in metadata:
        return None
    try:
        values: dict[str, Any] = json.loads(metadata["sam2_config"])
        return SAM2Config.from_dict(values)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path.name}: expected a readable config, found {error}") from error


def recognise(state: Mapping[str, Tensor], path: Path) -> SAM2Config:
    """Tell the architecture of a checkpoint by names and shapes.

    Raises
    ------
    CheckpointError
        If it is none of the known ones; the message names the nearest and the difference.
    """
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    differences = {}
    for name, config in {**RELEASED, "cells_nano": CELLS_NANO}.items():
        expected = expected_shapes(config)
        if expected == found:
            return config
        differences[name] = sorted(
            key for key in {*expected, *found} if expected.get(key) != found.get(key)
        )
    nearest = min(differences, key=lambda name: len(differences[name]))
    raise CheckpointError(
        f"{path.name}: expected a SAM 2 checkpoint; the nearest, {nearest}, differs in "
        f"{len(differences[nearest])} tensors, first {differences[nearest][0]}"
    )


def expected_shapes(config: SAM2Config) -> dict[str, tuple[int, ...]]:
    """List names and shapes of a network's parameters without making it."""
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in SAM2(config).state_dict().items()}


def _load(model: SAM2, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"{path.name}: expected the tensors of {model.config}, found others: {error}"
        ) from error
