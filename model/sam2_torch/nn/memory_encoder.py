"""The memory encoder: a frame's features and the object's mask become a memory.

Notes
-----
Paper, section 4 "Memory encoder". Reference: `sam2.modeling.memory_encoder`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.blocks import LayerNorm2d

FUSER_LAYERS = 2


class MaskDownSampler(nn.Module):
    """Downsample a mask from stride 1 to stride 16 in four convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        for i in range(4):
            channels = 4**i
            self.encoder.append(nn.Conv2d(channels, 4 * channels, 3, stride=2, padding=1))
            self.encoder.append(LayerNorm2d(4 * channels))
            self.encoder.append(nn.GELU())
        self.encoder.append(nn.Conv2d(4**4, width, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        """Map (N, 1, S, S) to (N, width, S / 16, S / 16)."""
        # channels last: the norms between the convolutions then need no copies
        return self.encoder(mask.contiguous(memory_format=torch.channels_last))


class CXBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022): 7 x 7 depth-wise convolution and two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = LayerNorm2d(width)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        inner = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)  # (N, H, W, C)
        inner = self.gamma * self.pwconv2(F.gelu(self.pwconv1(inner)))
        return x + inner.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """A chain of ConvNeXt blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CXBlock(width) for _ in range(FUSER_LAYERS))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Fuse features and masks and project them to the channels of a memory."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        width = config.d_model
        self.mask_downsampler = MaskDownSampler(width)
        self.pix_feat_proj = nn.Conv2d(width, width, kernel_size=1)
        self.fuser = Fuser(width)
        self.out_proj = nn.Conv2d(width, config.memory_dim, kernel_size=1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode memories.

        Parameters
        ----------
        features
            (1 or N, C, H, W) features of the frame, before memory attention.
        mask
            (N, 1, 16 H, 16 W), scaled as in `SAM2.encode_memory`.

        Returns
        -------
        (N, memory_dim, H, W).
        """
        fused = self.fuser(self.pix_feat_proj(features) + self.mask_downsampler(mask))
        return self.out_proj(fused)
