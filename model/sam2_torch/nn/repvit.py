"""RepViT, the image backbone of EdgeTAM: convolutions that fold into few at inference.

Notes
-----
Wang et al. 2023 (arXiv 2307.09283). Names of the parameters: timm's `repvit_m1`, as a backbone of
features, which EdgeTAM's checkpoint has (Zhou et al. 2025, arXiv 2501.07256).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.blocks import ConvNorm, fold_once
from sam2_torch.nn.position_encoding import CachedTensor

MLP_RATIO = 2
SQUEEZE = 4  # channels to one of the squeezed ones, which are a multiple of 8


class TokenMixer(nn.Module):
    """Depth-wise convolutions of 3 x 3 and of one pixel and the identity, all three as one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvNorm(width, width, 3, groups=width)
        self.conv1 = ConvNorm(width, width, 1, groups=width)
        self._folded = CachedTensor()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        kernel, shift = fold_once(self, self._folded, self._fold)
        kernel = kernel.reshape(self.conv.c.weight.shape).to(x.dtype)
        return F.conv2d(x, kernel, shift.to(x.dtype), padding=1, groups=len(kernel))

    def _fold(self) -> tuple[Tensor, Tensor]:
        (kernel, shift), (point, point_shift) = self.conv.folded(), self.conv1.folded()
        return kernel + F.pad(point + 1, (1, 1, 1, 1)), shift + point_shift


class ChannelMixer(nn.Module):
    """Two convolutions of one pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, MLP_RATIO * width)
        self.conv2 = ConvNorm(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x + self.conv2(F.gelu(self.conv1(x)))


class SqueezeExcite(nn.Module):
    """Scale each channel by what the whole map shows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        squeezed = max(8, int(width / SQUEEZE + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.fc2(F.relu(self.fc1(squeezed))).sigmoid()


class RepViTBlock(nn.Module):
    """Mix places, then channels."""

    def __init__(self, width: int, squeezes: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(width)
        self.se = SqueezeExcite(width) if squeezes else nn.Identity()
        self.channel_mixer = ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return self.channel_mixer(self.se(self.token_mixer(x)))


class Downsampling(nn.Module):
    """Halve the resolution and widen."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.pre_block = RepViTBlock(width, squeezes=False)
        self.spatial_downsample = ConvNorm(width, width, 3, 2, groups=width)
        self.channel_downsample = ConvNorm(width, width_out)
        self.ffn = ChannelMixer(width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / 2, W / 2)."""
        return self.ffn(self.channel_downsample(self.spatial_downsample(self.pre_block(x))))


class Stem(nn.Module):
    """Convert an image to a map of stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, width // 2, 3, 2)
        self.conv2 = ConvNorm(width // 2, width, 3, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, C, S / 4, S / 4)."""
        return self.conv2(F.gelu(self.conv1(image)))


class Stage(nn.Module):
    """Blocks of one resolution, of which every other one squeezes."""

    def __init__(self, width: int, width_out: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if width == width_out else Downsampling(width, width_out)
        self.blocks = nn.Sequential(*(RepViTBlock(width_out, i % 2 == 0) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return self.blocks(self.downsample(x))


class RepViT(nn.Module):
    """Four stages of strides 4, 8, 16 and 32, each twice as wide as the one before."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        self.widths = [config.embed_dim * 2**i for i in range(4)]
        self.body = nn.ModuleDict({"stem": Stem(self.widths[0])})
        before = self.widths[0]
        for i, (width, depth) in enumerate(zip(self.widths, config.stages, strict=True)):
            self.body[f"stages_{i}"] = Stage(before, width, depth)
            before = width

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, S, S) to four maps (B, C, S / stride, S / stride), finest first."""
        maps = []
        x = image
        for name, part in self.body.items():
            x = part(x)
            if name != "stem":
                maps.append(x)
        return maps
