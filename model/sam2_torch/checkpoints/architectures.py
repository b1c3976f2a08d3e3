"""Recognise the architecture of a checkpoint by the names and shapes of its tensors."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sam2_torch.checkpoints.checkpoint_files import CheckpointError
from sam2_torch.config import SAM1_NETWORKS, NetworkConfig, SAM1Config, SAM2Config
from sam2_torch.models.model_entry import NAMED_CONFIGS
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import SAM2

_MAKES = (torch.empty, torch.randn)
_DRAWS = (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_, nn.init.trunc_normal_)
_BLOCKS = "image_encoder.trunk.blocks."
_PATCHES = "image_encoder.trunk.patch_embed.proj.weight"
_HIERA = "image_encoder.trunk.pos_embed_window"
_PERCEIVER = "spatial_perceiver.latents"
_SAM1 = "image_encoder.patch_embed."
_ADAPTERS = ("lora_", ".w_a_linear", ".w_b_linear")  # of peft, and of micro-sam


class WithoutWeights(TorchFunctionMode):
    """Construct networks whose parameters take neither memory nor time: a checkpoint replaces them.

    Parameters are created on the meta device. Their random initialisation is skipped, because there
    it would import PyTorch's compiler, which takes seconds.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        if function in _MAKES:
            return torch.empty(*args, **{**kwargs, "device": "meta"})
        return function(*args, **kwargs)


def make_network(config: NetworkConfig) -> SAM2 | SAM1:
    """Construct the network of an architecture, with random weights."""
    return SAM1(config) if isinstance(config, SAM1Config) else SAM2(config)


@cache
def expected_shapes(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    """Return names and shapes of a network's tensors without allocating them."""
    with WithoutWeights():
        return {name: tuple(t.shape) for name, t in make_network(config).state_dict().items()}


def recognise(state: Mapping[str, Tensor], file: str) -> NetworkConfig:
    """Return the architecture of a checkpoint.

    The size of the input leaves no trace in the weights. A network fine-tuned with another size
    needs a config of its own, in its file or in a registry.

    Parameters
    ----------
    state
        Tensors by Meta's names.
    file
        Name of the file, for messages.

    Raises
    ------
    CheckpointError
        If the architecture is unknown; the message names the nearest one and the difference.
    """
    for sam1 in SAM1_NETWORKS.values():
        if any(name.startswith(_SAM1) for name in state) and not _differences(state, sam1):
            return sam1
    nearest = min(NAMED_CONFIGS, key=lambda name: _unlikeness(state, NAMED_CONFIGS[name]))
    if _differences(state, NAMED_CONFIGS[nearest]):
        about = f"{file}: the nearest network is {nearest}"
        raise _mismatch(state, NAMED_CONFIGS[nearest], about)
    return NAMED_CONFIGS[nearest]


def _unlikeness(state: Mapping[str, Tensor], config: SAM2Config) -> int:
    """Count in which of width, depth, version and memory a file and an architecture differ."""
    patches = state.get(_PATCHES)
    width = 0 if patches is None else len(patches)
    blocks = {name.split(".")[3] for name in state if name.startswith(_BLOCKS)}
    version = "2.1" if "no_obj_embed_spatial" in state else "2.0"
    found = (width, len(blocks), version, _PERCEIVER in state)
    is_hiera = config.encoder == "hiera"
    expected = (
        config.embed_dim if is_hiera else 0,
        sum(config.stages) if is_hiera else 0,
        config.version,
        config.memory_latents > 0,
    )
    return sum(a != b for a, b in zip(found, expected, strict=True))


def check_shapes(state: Mapping[str, Tensor], config: NetworkConfig, file: str) -> None:
    """Check that tensors have the names and shapes of an architecture.

    Parameters
    ----------
    state
        Tensors by Meta's names.
    config
        The architecture that the file's metadata or a registry states.
    file
        Name of the file, for messages.

    Raises
    ------
    CheckpointError
        If they have not; the message names the first tensor that differs.
    """
    if _differences(state, config):
        name = next((n for n, known in NAMED_CONFIGS.items() if known == config), "its config")
        raise _mismatch(state, config, f"{file} is said to be {name}")


def _differences(state: Mapping[str, Tensor], config: NetworkConfig) -> list[str]:
    """Return the names of reshaped, then missing, then unexpected tensors."""
    expected = expected_shapes(config)
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    reshaped = [name for name in expected if name in found and found[name] != expected[name]]
    missing = [name for name in expected if name not in found]
    return reshaped + missing + [name for name in found if name not in expected]


def _mismatch(state: Mapping[str, Tensor], config: NetworkConfig, about: str) -> CheckpointError:
    names = _differences(state, config)
    first, expected = names[0], expected_shapes(config)
    wanted = f"{expected[first]}" if first in expected else "no such tensor"
    found = f"{tuple(state[first].shape)}" if first in state else "no such tensor"
    others = f" ({len(names) - 1} other tensors differ, too)" if len(names) > 1 else ""
    advice = _explanation(state) or "use a checkpoint of one of the SAM 2 networks"
    return CheckpointError(
        f"{about}, where {first} is expected to be {wanted}, found {found}{others}; {advice}"
    )


def _explanation(state: Mapping[str, Tensor]) -> str | None:
    """Return which similar network a file holds and what to do; None if it is unknown."""
    adapter = next((n for n in state if any(word in n for word in _ADAPTERS)), None)
    if adapter is not None:
        return (
            f"it has low-rank adapters ({adapter}): merge them into the weights they belong to "
            "and save those"
        )
    if any(name.startswith(_SAM1) for name in state):
        return f"it is a SAM 1 network of other sizes than {', '.join(SAM1_NETWORKS)}"
    if _PATCHES in state and _HIERA not in state:
        return "its image encoder is no Hiera: EfficientTAM and the like are other networks"
    if _HIERA in state and not any(name.startswith("sam_mask_decoder.") for name in state):
        return "it is an image encoder without SAM 2's mask decoder: use the file with the rest"
    if _HIERA in state and not any(name.startswith("memory_attention.") for name in state):
        return "it is for images alone, without a memory: use the one for videos"
    return None
