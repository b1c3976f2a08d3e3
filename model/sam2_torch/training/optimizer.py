"""Select the weights that learn and their learning rates, and average them over steps."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sam2_torch.sam2 import SAM2

Trained: TypeAlias = Literal["everything", "decoder", "adapters"]

ADAPTER_RANK = 8
ADAPTED = ("qkv", "q_proj", "k_proj", "v_proj")  # linear layers in front of attention
ENCODER, BLOCKS = "image_encoder.", "image_encoder.trunk.blocks."
_ORIGINAL = ".parametrizations.weight.original"


class LowRank(nn.Module):
    """Add a product of two narrow matrices to a weight; zero at first.

    Notes
    -----
    Hu et al. 2021, "LoRA".
    """

    def __init__(self, weight: Tensor, rank: int = ADAPTER_RANK) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.empty(rank, columns).normal_(std=columns**-0.5))
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight."""
        return weight + self.up @ self.down


def choose_trained(model: SAM2, trained: Trained) -> None:
    """Set which weights of a network learn.

    Parameters
    ----------
    model
        The network; adapters are added to it if wanted. `merged_state` merges them.
    trained
        "everything"; "decoder", which is all but the image encoder: prompts, masks and memory;
        or "adapters", low-rank changes of the weights in front of attention, and nothing else.
    """
    for name, parameter in model.named_parameters():
        encoder = name.startswith(ENCODER)
        parameter.requires_grad_(trained == "everything" or (trained == "decoder" and not encoder))
    if trained != "adapters":
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # adapters begin alike in every run
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear) and name.rpartition(".")[2] in ADAPTED:
                adapter = LowRank(module.weight.detach().cpu()).to(module.weight.device)
                parametrize.register_parametrization(module, "weight", adapter)


def merged_state(model: SAM2) -> dict[str, Tensor]:
    """Return the weights by Meta's names, with adapters merged into them."""
    state = {}
    for name, tensor in model.state_dict().items():
        if name.endswith(_ORIGINAL):
            layer = name.removesuffix(_ORIGINAL)
            adapted: Any = model.get_submodule(layer).weight
            state[f"{layer}.weight"] = adapted.detach()
        elif ".parametrizations." not in name:
            state[name] = tensor
    return state


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def parameter_groups(
    model: SAM2, layer_decay: float, encoder_scale: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Group the weights that learn by their learning rate, for the optimizer.

    Parameters
    ----------
    model
        After `choose_trained`.
    layer_decay
        Factor of the learning rate from each block of the image encoder to the one before.
    encoder_scale
        Factor of the learning rate of the encoder's last block to that of the other weights.
    weight_decay
        Weight decay of matrices; biases, norms and embeddings have none.

    Returns
    -------
    Groups with the keys `params`, `scale` (of the learning rate) and `weight_decay`.
    """
    n_blocks = sum(model.config.stages)
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in learning(model).items():
        scale = (
            encoder_scale * layer_decay ** _depth(name, n_blocks)
            if name.startswith(ENCODER)
            else 1.0
        )
        decays = parameter.ndim > 1 and "embed" not in name and "token" not in name
        groups[scale, weight_decay if decays else 0.0].append(parameter)
    return [
        {"params": parameters, "scale": scale, "weight_decay": decay}
        for (scale, decay), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _depth(name: str, n_blocks: int) -> int:
    """Count the blocks of the encoder after a weight."""
    if name.startswith(BLOCKS):
        return n_blocks - 1 - int(name.removeprefix(BLOCKS).partition(".")[0])
    return n_blocks if name.startswith(f"{ENCODER}trunk.") else 0  # patch embedding; neck


class RunningAverage:
    """The exponential average of the weights that learn, which is saved in the end.

    Parameters
    ----------
    model
        After `choose_trained`.
    decay
        Share of the old average that stays at each step; less in the first steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._model = model
        self.values = {name: p.detach().clone() for name, p in learning(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after a step (counted from 1)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        parameters = learning(self._model)
        average = [self.values[name] for name in parameters]
        torch._foreach_lerp_(average, [p.detach() for p in parameters.values()], 1 - decay)

    def blend(self, others: Mapping[str, Tensor], share: float) -> None:
        """Interpolate between other weights and the average.

        Parameters
        ----------
        others
            Weights of the same names and shapes, for instance those at the start of the run.
        share
            0 gives the others, 1 leaves the average as it is.

        Notes
        -----
        Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".
        """
        self.values = {name: others[name].lerp(own, share) for name, own in self.values.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Replace the network's weights by the average within a context."""
        own = {name: p.detach().clone() for name, p in learning(self._model).items()}
        self._assign(self.values)
        try:
            yield
        finally:
            self._assign(own)

    @torch.no_grad()
    def _assign(self, values: dict[str, Tensor]) -> None:
        for name, parameter in learning(self._model).items():
            parameter.copy_(values[name])
