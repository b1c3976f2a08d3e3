"""The state of a training run in a quarter of its size, to be sent to another computer."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from sam2_torch.checkpoints.checkpoint_files import write_checkpoint
from sam2_torch.training.optimizer import learning
from sam2_torch.training.run_state import RunState

PACK_FILE = "pack.safetensors"


def pack_state(state: RunState, folder: Path) -> Path:
    """Write the weights and their average in half precision, to be sent to another computer.

    The file has a quarter of the size of the whole state. The optimizer's moments are left out;
    after `unpack_state` they start from zero.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in learning(state.model).items():
        average = state.average.values[name]
        tensors[f"average.{name}"] = average.half()
        # the difference is small: half precision loses next to nothing of it
        tensors[f"offset.{name}"] = (parameter.detach() - average.half().float()).half()
    about = {"step": str(state.step), "seconds": str(state.seconds)}
    write_checkpoint(folder / PACK_FILE, tensors, about)
    return folder / PACK_FILE


def unpack_state(state: RunState, path: Path) -> None:
    """Load a file of `pack_state`.

    Raises
    ------
    ValueError
        If the file is of another network or other weights learn.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        about = file.metadata() or {}
    own = learning(state.model)
    if {f"average.{name}" for name in own} != {n for n in tensors if n.startswith("average.")}:
        raise ValueError(f"{path}: expected the packed state of this network, found another")
    with torch.no_grad():
        for name, parameter in own.items():
            average = tensors[f"average.{name}"].float().to(parameter.device)
            state.average.values[name] = average
            parameter.copy_(average + tensors[f"offset.{name}"].float().to(parameter.device))
    state.step, state.seconds = int(about["step"]), float(about["seconds"])
