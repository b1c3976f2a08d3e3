"""Tensors by Meta's names out of any checkpoint file of a SAM 2 network, and back into one."""

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sam2_torch.checkpoints.safe_pickles import UnsafePickleError, find_tensors, load_plain
from sam2_torch.checkpoints.transformers_names import is_transformers, to_meta

_CONTENTS = ("model", "model_state", "state_dict")
"""Under which Meta's trainer, torch_em (micro-sam) and Lightning keep the weights."""

_FIRST_TENSORS = (
    "image_encoder.trunk.patch_embed.proj.weight",
    "vision_encoder.backbone.patch_embed.projection.weight",
)
"""A tensor that every network has, by Meta's name and by transformers'."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a file and its metadata, running no code that the file may hold.

    The names are Meta's, whichever of the layouts the file has: Meta's `.pt` and what its
    trainer saves, `transformers`' `model.safetensors`, `.safetensors` with Meta's names; all
    of them also as part of a larger network, with a prefix such as "sam2." or "module.".

    Raises
    ------
    CheckpointError
        If it is truncated, unsafe or not a checkpoint.
    FileNotFoundError, PermissionError
        If it cannot be opened.
    """
    with path.open("rb") as file:  # whether it can be opened is no question of what is in it
        beginning = file.read(2)
    if path.suffix == ".safetensors":
        tensors, metadata = _read_safetensors(path)
    elif beginning == b"PK" or beginning[:1] == b"\x80":  # a zip archive, or a bare pickle
        tensors, metadata = _read_pickled(path), {}
    else:
        raise _foreign(path)
    tensors = _without_prefix(tensors)
    try:
        return to_meta(tensors) if is_transformers(tensors) else tensors, metadata
    except ValueError as error:
        raise CheckpointError(f"{path.name}: {error}") from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}
            return state, file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path.name}: expected a safetensors file, found a broken one ({error}); "
            "fetch it again"
        ) from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        content = load_plain(path)
    except UnsafePickleError as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _foreign(path) from error
    try:
        return dict(find_tensors(content, _CONTENTS))
    except ValueError as error:
        raise CheckpointError(f"{path.name}: {error}") from error


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name}: expected a PyTorch checkpoint, found a truncated or foreign file; "
        "fetch it again"
    )


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the network out of a larger one, and off the wrappers of parallel training."""
    state = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    for first in _FIRST_TENSORS:
        for name in state:
            prefix = name.removesuffix(first)
            if prefix not in ("", name):
                return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    return state


def write_checkpoint(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a `.safetensors` file that is there whole or not at all.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"checkpoint: expected a name that ends in .safetensors, found {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # same folder: the move is atomic
    try:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        part.touch()
        mode = part.stat().st_mode  # as other new files; safetensors' own are for their owner alone
        save_file(tensors, part, {"format": "pt", **metadata})
        part.chmod(mode)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
