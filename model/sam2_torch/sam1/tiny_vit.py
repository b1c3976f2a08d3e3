"""The image encoder of MobileSAM: TinyViT, convolutions first, then attention in windows.

Notes
-----
Wu et al. 2022 (arXiv 2207.10666). Reference: `mobile_sam.modeling.tiny_vit_sam`.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM1Config
from sam2_torch.nn.blocks import ConvNorm
from sam2_torch.nn.image_encoder import join_windows, split_windows
from sam2_torch.sam1.vit import neck

WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
EXPANSION = 4
CLASSES = 1000  # of the classifier that the checkpoints keep, and that nothing uses


class PatchEmbedding(nn.Module):
    """Convert an image to a map of stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, 3, 2), nn.GELU(), ConvNorm(width // 2, width, 3, 2)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, width, S / 4, S / 4)."""
        return self.seq(image)


class InvertedBottleneck(nn.Module):
    """A convolution of each channel by itself, in a wider space."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = EXPANSION * width
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        wide = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(wide))


class PatchMerging(nn.Module):
    """Change the width, and halve the resolution if `stride` is 2."""

    def __init__(self, width: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, width_out)
        self.conv2 = ConvNorm(width_out, width_out, 3, stride, groups=width_out)
        self.conv3 = ConvNorm(width_out, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Self-attention in a window, with a learned bias for each distance of two tokens."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        places = list(product(range(window), repeat=2))
        distances = [(abs(y - v), abs(x - w)) for y, x in places for v, w in places]
        numbers = {distance: i for i, distance in enumerate(dict.fromkeys(distances))}
        self.attention_biases = nn.Parameter(torch.zeros(heads, len(numbers)))
        index = torch.tensor([numbers[distance] for distance in distances])
        self.register_buffer("index", index.view(len(places), -1), persistent=False)

    index: Tensor
    """(tokens, tokens) number of the distance of two tokens."""

    def forward(self, windows: Tensor) -> Tensor:
        """Map (B, side, side, C) to the same shape."""
        x = self.norm(windows.flatten(1, 2))
        # (B, N, 3 C) -> (B, heads, N, 3 C / heads): the checkpoints keep q, k, v of a head together
        split = self.qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        query, key, value = split.chunk(3, dim=-1)
        bias = self.attention_biases[:, self.index]  # (heads, N, N)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        # (B, heads, N, C / heads) -> (B, side, side, C)
        return self.proj(out.transpose(1, 2).flatten(2)).view_as(windows)


class FeedForward(nn.Module):
    """A norm and two linear layers, under the names of the checkpoints."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to (..., C)."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyViTBlock(nn.Module):
    """Attention in windows, a convolution of each channel by itself, a feed-forward layer."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        windows = self.attn(split_windows(tokens, self.window))
        tokens = tokens + join_windows(windows, len(x), *tokens.shape[1:3])
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """The blocks of one width, and the change to the next one."""

    def __init__(self, stage: int) -> None:
        super().__init__()
        width = WIDTHS[stage]
        self.blocks = nn.Sequential(
            *(
                InvertedBottleneck(width)
                if stage == 0
                else TinyViTBlock(width, HEADS[stage], WINDOWS[stage])
                for _ in range(DEPTHS[stage])
            )
        )
        if stage < len(WIDTHS) - 1:
            # the last change keeps the resolution: the features have stride 16
            stride = 1 if stage == len(WIDTHS) - 2 else 2
            self.downsample = PatchMerging(width, WIDTHS[stage + 1], stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the next stage's input."""
        x = self.blocks(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class TinyViT(nn.Module):
    """Encode an image as features of stride 16."""

    def __init__(self, config: SAM1Config) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(WIDTHS[0])
        self.layers = nn.Sequential(*(Stage(i) for i in range(len(WIDTHS))))
        self.norm_head = nn.LayerNorm(WIDTHS[-1])
        self.head = nn.Linear(WIDTHS[-1], CLASSES)
        self.neck = neck(WIDTHS[-1], config.d_model)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, C, S / 16, S / 16)."""
        return self.neck(self.layers(self.patch_embed(image)))
