"""Pickled checkpoints, opened without running what they may hold."""

import argparse
import codecs
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

_SCALAR: Any = np.float64(0).__reduce__()[0]
_ARRAY: Any = np.zeros(1).__reduce__()[0]

PLAIN: tuple[Any, ...] = (
    # numpy 1 and 2 keep these two in different places; files of both are about
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["All"]},
    codecs.encode,  # bytes, as old protocols write them
    argparse.Namespace,
)
"""What trainers keep beside the weights: numbers and options. None of it runs a file's code."""


class UnsafePickleError(ValueError):
    """A file that holds more than tensors and plain values; the message names what."""


def load_plain(path: Path) -> Any:
    """Read what `torch.save` wrote, on the CPU: tensors, plain values, numpy's numbers.

    Raises
    ------
    UnsafePickleError
        If anything else is in it. Nothing of it was made, nothing was run.
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
    """Find the weights in what was read: under one of some keys, or at the top.

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
