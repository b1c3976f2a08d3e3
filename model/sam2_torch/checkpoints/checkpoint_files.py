"""Read the tensors of any checkpoint file of a SAM 2 network, and write them."""

import argparse
import codecs
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from sam2_torch.checkpoints.transformers_names import is_transformers, to_meta
from sam2_torch.models.local_files import replacing

_CONTENTS = ("model", "model_state", "state_dict")
"""Keys of the weights in files of Meta's trainer, torch_em (micro-sam) and Lightning."""

_FIRST_TENSORS = (
    "image_encoder.trunk.patch_embed.proj.weight",
    "vision_encoder.backbone.patch_embed.projection.weight",
    "image_encoder.patch_embed.proj.weight",
    "image_encoder.trunk.body.stem.conv1.c.weight",
    "vision_encoder.backbone.timm_model.stem.conv1.c.weight",
    "image_encoder.patch_embed.seq.0.c.weight",
)
"""A tensor that every network has: SAM 2 by Meta's name and by transformers', SAM 1, EdgeTAM by
both, MobileSAM."""

_SCALAR: Any = np.float64(0).__reduce__()[0]
_ARRAY: Any = np.zeros(1).__reduce__()[0]

PLAIN: tuple[Any, ...] = (
    # numpy 1 and 2 have these two in different modules; files of both exist
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["All"]},
    codecs.encode,  # bytes, as old protocols write them
    argparse.Namespace,
)
"""Types that trainers store beside the weights: numbers and options. None can run code."""


_MOST_TENSORS = 50_000  # the largest SAM 2 has 1,000; reading more would take minutes


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a file and its metadata without running code from it.

    The names are Meta's, whichever layout the file has: Meta's `.pt` and the files of its trainer,
    `transformers`' `model.safetensors`, `.safetensors` with Meta's names. The network may also be
    part of a larger one, with a prefix such as "sam2." or "module.".

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tensors
        By name, on the CPU.
    metadata
        Of `.safetensors` files; else empty.

    Raises
    ------
    CheckpointError
        If it is truncated, unsafe or not a checkpoint.
    FileNotFoundError, PermissionError
        If it cannot be opened.
    """
    with path.open("rb") as file:  # errors of the file system come before those of the content
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
            names = list(file.keys())
            if len(names) > _MOST_TENSORS:
                raise CheckpointError(
                    f"{path.name}: expected a network, found {len(names)} tensors; fetch it again"
                )
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path.name}: expected a safetensors file, found a broken one ({error}); "
            "fetch it again"
        ) from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    _check_unpacked_size(path)
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


def _check_unpacked_size(path: Path) -> None:
    """Check that an archive holds no more than its size: PyTorch does not compress."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):  # a bare pickle, or broken: found below
        return
    if unpacked > 2 * path.stat().st_size + 2**20:
        raise CheckpointError(
            f"{path.name}: expected a PyTorch checkpoint, found an archive that would take "
            f"{unpacked / 1e9:.1f} GB of memory; fetch it again"
        )


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name}: expected a PyTorch checkpoint, found a truncated or foreign file; "
        "fetch it again"
    )


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the network alone, without prefixes of larger networks or wrappers."""
    state = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    for first in _FIRST_TENSORS:
        for name in state:
            prefix = name.removesuffix(first)
            if prefix not in ("", name):
                return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    return state


class UnsafePickleError(ValueError):
    """A file that holds more than tensors and plain values; the message names what."""


def load_plain(path: Path) -> Any:
    """Read a file of `torch.save` on the CPU: tensors, plain values, numpy's numbers.

    Raises
    ------
    UnsafePickleError
        If it holds anything else; no code of it was run.
    RuntimeError, EOFError, OSError, ValueError, KeyError
        If it is no such file.
    """
    with warnings.catch_warnings(), safe_globals(list(PLAIN)):
        warnings.simplefilter("ignore", UserWarning)  # of formats that are refused below
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise UnsafePickleError(_refusal(path)) from error


def _refusal(path: Path) -> str:
    try:
        names = get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, ValueError, pickle.UnpicklingError):  # no zip archive: a bare pickle
        names = []
    what = f" ({', '.join(sorted(names))})" if names else ""
    return (
        f"expected plain tensors, found something else{what} that was not opened, as it could "
        "run code; let who made the file save the weights alone: "
        'torch.save({"model": model.state_dict()}, "weights.pt")'
    )


def find_tensors(content: Any, keys: tuple[str, ...]) -> Mapping[str, torch.Tensor]:
    """Return the weights in a file's content, under one of some keys or at the top.

    Raises
    ------
    ValueError
        If there are none.
    """
    tensors = content if isinstance(content, Mapping) else {}
    for key in keys:
        if isinstance(tensors.get(key), Mapping):
            tensors = tensors[key]
            break
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ValueError(f"expected tensors by name (under {keys[0]!r}), found none")
    return tensors


def write_checkpoint(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a `.safetensors` file; after an error there is no file, or the one from before.

    Parameters
    ----------
    path
        Ends in ".safetensors"; its folder is created if need be.
    state
        Tensors by name.
    metadata
        Stored in the file.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"checkpoint: expected a name that ends in .safetensors, found {path}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with replacing(path) as part:
        part.touch()
        mode = part.stat().st_mode  # of any new file; safetensors writes for the owner only
        save_file(tensors, part, {"format": "pt", **metadata})
        part.chmod(mode)
