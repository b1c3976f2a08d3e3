"""Load networks with their weights, by name or from a file, and save them."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sam2_torch.checkpoints.architectures import (
    WithoutWeights,
    check_shapes,
    make_network,
    recognise,
)
from sam2_torch.checkpoints.checkpoint_files import (
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
)
from sam2_torch.config import NetworkConfig, SAM2Config
from sam2_torch.models.downloads import Progress, fetch
from sam2_torch.models.model_entry import ModelEntry
from sam2_torch.models.registry import UnknownModelError, find_model
from sam2_torch.runtime.devices import choose_device, choose_dtype, fast_dtype
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import SAM2

__all__ = [
    "CheckpointError",
    "choose_device",
    "choose_dtype",
    "fast_dtype",
    "load_model",
    "load_sam2",
    "read_checkpoint",
    "save_checkpoint",
]

_CONFIG = "sam2_config"
"""Key of the config, as JSON, in the safetensors metadata of the project's own files."""


def load_sam2(
    name_or_path: str | Path = "cells_nano",
    device: str | torch.device = "auto",
    dtype: torch.dtype | Literal["fast"] | None = None,
    *,
    local_only: bool = False,
    progress: Progress | None = None,
) -> SAM2:
    """Load a network, ready for inference.

    Parameters
    ----------
    name_or_path
        "cells_nano", the embedded model; a released one ("sam2.1_hiera_tiny"), downloaded on first
        use; one of a registry; or a checkpoint file: Meta's `.pt`, `transformers`'
        `model.safetensors` (or its folder), the project's own `.safetensors`. Where neither a
        registry nor the file states the architecture, names and shapes of the tensors determine it.
    device
        "auto" (CUDA, then MPS, then the CPU) or a name that PyTorch knows ("cuda:1").
    dtype
        Precision of the weights; by default bfloat16 on CUDA devices that support it, else float32.
        "fast" is the fastest one of the device (see `fast_dtype`).
    local_only
        Whether to fail instead of downloading.
    progress
        Called during a download with the number of bytes received and of all, or None if
        unknown; it may raise `DownloadCancelled`.

    Raises
    ------
    CheckpointError
        If the file is truncated, unsafe, or of another architecture.
    DownloadError
        If the model is not on this computer and cannot be downloaded.
    FileNotFoundError
        If there is no such file or model.
    ValueError
        If the device is not there.
    """
    model = load_model(name_or_path, device, dtype, local_only=local_only, progress=progress)
    if isinstance(model, SAM1):
        raise CheckpointError(
            f"{name_or_path}: expected a SAM 2 network, found SAM 1; choose a SAM 2 model, "
            "or in Python `load_model`"
        )
    return model


def load_model(
    name_or_path: str | Path = "cells_nano",
    device: str | torch.device = "auto",
    dtype: torch.dtype | Literal["fast"] | None = None,
    *,
    local_only: bool = False,
    progress: Progress | None = None,
) -> SAM2 | SAM1:
    """Load a network of either family, ready for inference; as `load_sam2`."""
    device = choose_device(device)
    path, entry = _locate(name_or_path, local_only, progress)
    state, metadata = _read(path, entry)
    registered = entry.config if entry else None
    config: NetworkConfig | None = registered or _stored_config(metadata, path.name)
    if config is None:
        config = recognise(state, path.name)
    else:
        check_shapes(state, config, path.name)
    _check_finite(state, path.name)
    with WithoutWeights():
        model = make_network(config)
    whole = {name: _as_float32(tensor) for name, tensor in state.items()}
    model.load_state_dict(whole, assign=True)
    if dtype == "fast":
        dtype = fast_dtype(device)
    return model.to(device, dtype or choose_dtype(device)).eval().requires_grad_(False)


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor  # batch norms count steps


def save_checkpoint(
    model: SAM2, path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as a `.safetensors` file that contains its config.

    After an error there is no file, or the one from before.

    Parameters
    ----------
    model
        The network; weights keep their precision.
    path
        Ends in ".safetensors".
    metadata
        Origin of the weights: data, training, licence. The version of the project is added.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    about = about_checkpoint(model.config, metadata or {})
    write_checkpoint(Path(path), model.state_dict(), about)


def about_checkpoint(config: SAM2Config, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with the config, which `load_sam2` reads, and the version added."""
    try:
        made_by = f"napari-sam2 {version('napari-sam2')}"
    except PackageNotFoundError:  # used from a source tree
        made_by = "napari-sam2"
    return {"made_by": made_by, **metadata, _CONFIG: json.dumps(config.to_dict())}


def _locate(
    name_or_path: str | Path, local_only: bool, progress: Progress | None
) -> tuple[Path, ModelEntry | None]:
    """Return the file of a model, downloaded if need be, and its registry entry if it has one."""
    path = Path(name_or_path)
    if path.is_dir():  # as transformers' save_pretrained leaves it
        path = path / "model.safetensors"
    if isinstance(name_or_path, str):
        try:
            entry = find_model(name_or_path)
        except UnknownModelError as error:
            if not path.is_file():
                raise FileNotFoundError(
                    f"{error.args[0]}; the path of a checkpoint (.pt or .safetensors) will do, too"
                ) from error
        else:
            return fetch(entry, local_only=local_only, progress=progress), entry
    if not path.is_file():
        raise FileNotFoundError(f"expected a checkpoint at {path}, found no such file")
    return path, None


def _read(path: Path, entry: ModelEntry | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        if entry is None or entry.path is not None:
            raise
        raise CheckpointError(
            f"{error} (`napari-sam2 models remove {entry.name}` deletes what was downloaded)"
        ) from error


def _check_finite(state: Mapping[str, Tensor], file: str) -> None:
    for name, tensor in state.items():
        if tensor.numel() and not torch.stack(torch.aminmax(tensor.float())).isfinite().all():
            raise CheckpointError(
                f"{file}: expected weights that are numbers, found NaN or infinity in {name}; its "
                "training has failed, or the file is damaged: use another one"
            )


def _stored_config(metadata: Mapping[str, str], file: str) -> SAM2Config | None:
    """Return the config in the metadata of the project's own files."""
    if _CONFIG not in metadata:
        return None
    try:
        values: dict[str, Any] = json.loads(metadata[_CONFIG])
        return SAM2Config.from_dict(values)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: expected a readable config, found {error}") from error
