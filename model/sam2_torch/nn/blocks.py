"""Layers that several boxes of the figure share."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.position_encoding import CachedTensor


class MLP(nn.Module):
    """Linear layers with an activation between them.

    Parameters
    ----------
    widths
        Channels of the input, of each hidden layer and of the output.
    activation
        Applied after each layer but the last.
    sigmoid_output
        Whether the output passes through a sigmoid.

    Notes
    -----
    Reference: `sam2.modeling.sam2_utils.MLP`.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Callable[[Tensor], Tensor] = F.relu,
        sigmoid_output: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation
        self.sigmoid_output = sigmoid_output

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., first width) to (..., last width)."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        x = self.layers[-1](x)
        return x.sigmoid() if self.sigmoid_output else x


class ConvNorm(nn.Sequential):
    """A convolution and a batch norm, which always uses the stored statistics, as one.

    Parameters
    ----------
    width, width_out
        Channels.
    kernel, stride, groups
        Of the convolution.
    """

    def __init__(
        self, width: int, width_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(width, width_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width_out)
        self._folded = CachedTensor()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to (B, width out, H / stride, W / stride)."""
        kernel, shift = fold_once(self, self._folded, self.folded)
        kernel = kernel.reshape(self.c.weight.shape).to(x.dtype)
        conv = self.c
        return F.conv2d(x, kernel, shift.to(x.dtype), conv.stride, conv.padding, groups=conv.groups)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the kernel and the bias of both, float32."""
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None and variance is not None
        scale = self.bn.weight.float() / (variance.float() + self.bn.eps).sqrt()
        shift = self.bn.bias.float() - mean.float() * scale
        return self.c.weight.float() * scale[:, None, None, None], shift


def fold_once(
    module: nn.Module, cache: CachedTensor, fold: Callable[[], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Fold a module's weights into one kernel and bias, again only when they have changed.

    Parameters
    ----------
    module
        Whose parameters and buffers are folded.
    cache
        Where the result is kept.
    fold
        Returns kernel and bias, (C, ...) and (C,).

    Returns
    -------
    The kernel as (C, K), and the bias.
    """

    def make() -> Tensor:
        kernel, shift = fold()
        return torch.cat((kernel.flatten(1), shift[:, None]), dim=1)

    folded = cache.get([*module.parameters(), *module.buffers()], make)
    return folded[:, :-1], folded[:, -1]


class LayerNorm2d(nn.Module):
    """Normalise the channels of each pixel of (B, C, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised map, (B, C, H, W)."""
        channels_last = x.permute(0, 2, 3, 1)  # (B, H, W, C), as the kernel needs it
        normed = F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)
