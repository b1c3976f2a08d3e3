"""The image encoder: Hiera, or RepViT, and a feature pyramid.

Notes
-----
Hiera: Ryali et al. 2023 (arXiv 2306.00989), with the window position embedding of
Bolya et al. 2023 (arXiv 2311.05613). Reference: `sam2.modeling.backbones`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.bands import in_bands
from sam2_torch.nn.blocks import MLP
from sam2_torch.nn.dot_product import attend
from sam2_torch.nn.position_encoding import CachedTensor
from sam2_torch.nn.repvit import RepViT

MLP_RATIO = 4
TOP_DOWN_LEVELS = (2, 3)  # levels of the pyramid that pass their features downwards


class PatchEmbedding(nn.Module):
    """Convert an image to tokens of stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=7, stride=4, padding=3)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, H / 4, W / 4, width)."""
        return self.proj(image).permute(0, 2, 3, 1).contiguous()


def pool(x: Tensor) -> Tensor:
    """Return the maximum of each 2 x 2 block of (B, H, W, C)."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def split_windows(x: Tensor, side: int) -> Tensor:
    """Cut (B, H, W, C) into (B * windows, side, side, C), padded below and to the right."""
    _, height, width, channels = x.shape
    x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))  # (B, rows, side, columns, side, C)
    # a single row of windows would be a view, whose projection is slow
    return x.transpose(2, 3).reshape(-1, side, side, channels).contiguous()


def join_windows(x: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Invert `split_windows`, to (batch, height, width, C)."""
    side, channels = x.shape[1], x.shape[-1]
    rows, columns = -(-height // side), -(-width // side)
    # (B, rows, columns, side, side, C) -> (B, rows, side, columns, side, C)
    x = x.reshape(batch, rows, columns, side, side, channels).transpose(2, 3)
    return x.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


class MultiScaleAttention(nn.Module):
    """Self-attention whose queries may be pooled, which halves the resolution."""

    def __init__(self, width: int, width_out: int, heads: int, pool_queries: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pool_queries = pool_queries
        self.qkv = nn.Linear(width, 3 * width_out)
        self.proj = nn.Linear(width_out, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C') or, with pooled queries, to half of H and W."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)  # (B, H, W, C') each
        if self.pool_queries:
            query = pool(query)
        height, width = query.shape[1:3]
        query, key, value = (
            part.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, C)
            for part in (query, key, value)
        )
        out = attend(query, key, value)
        # (B, heads, N, C' / heads) -> (B, N, C') -> (B, H, W, C')
        return self.proj(out.transpose(1, 2).flatten(2).unflatten(1, (height, width)))


class HieraBlock(nn.Module):
    """One transformer block; the first of a stage changes width and resolution."""

    def __init__(
        self, width: int, width_out: int, heads: int, window: int, pool_queries: bool
    ) -> None:
        super().__init__()
        self.window = window  # 0: global attention
        self.pool_queries = pool_queries
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = MultiScaleAttention(width, width_out, heads, pool_queries)
        self.norm2 = nn.LayerNorm(width_out, eps=1e-6)
        self.hidden_width = MLP_RATIO * width_out
        self.mlp = MLP((width_out, self.hidden_width, width_out), F.gelu)
        if width != width_out:
            self.proj = nn.Linear(width, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H', W', C')."""
        batch, _, columns, _ = x.shape
        row_bytes = batch * columns * self.hidden_width * x.itemsize
        if self.window:
            aligned = self.window % 2 == 0 or not self.pool_queries  # pairs of rows stay together
            step = self.window if aligned else x.shape[1]
            return in_bands(self._transform, x, 1, row_bytes, step)
        return in_bands(self._feed_forward, self._attend(x), 1, row_bytes)

    def _transform(self, x: Tensor) -> Tensor:
        return self._feed_forward(self._attend(x))

    def _attend(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        shortcut = self.proj(normed) if hasattr(self, "proj") else x
        shortcut = pool(shortcut) if self.pool_queries else shortcut
        if not self.window:
            return shortcut + self.attn(normed)
        attended = self.attn(split_windows(normed, self.window))
        return shortcut + join_windows(attended, len(x), *shortcut.shape[1:3])

    def _feed_forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm2(x))


class Hiera(nn.Module):
    """The hierarchical backbone: four stages of strides 4, 8, 16 and 32."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        width, heads, side = config.embed_dim, config.num_heads, config.background_size
        self.stage_ends = [sum(config.stages[: i + 1]) - 1 for i in range(len(config.stages))]
        self.patch_embed = PatchEmbedding(width)
        first_window = config.window_sizes[0]
        self.pos_embed = nn.Parameter(torch.zeros(1, width, side, side))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, width, first_window, first_window))
        self._position = CachedTensor()
        self.blocks = nn.ModuleList()
        self.widths = [width]
        for i in range(sum(config.stages)):
            starts_stage = i - 1 in self.stage_ends
            stage = sum(end < i - 1 for end in self.stage_ends)  # lags: see window below
            if starts_stage:
                heads, self.widths = 2 * heads, [*self.widths, 2 * self.widths[-1]]
            # the block that pools still works in the windows of the stage before
            window = 0 if i in config.global_blocks else config.window_sizes[stage]
            self.blocks.append(HieraBlock(width, self.widths[-1], heads, window, starts_stage))
            width = self.widths[-1]

    def position_embedding(self, height: int, width: int) -> Tensor:
        """Return the sum of the interpolated and the tiled embedding, (1, height, width, C)."""
        sources = (self.pos_embed, self.pos_embed_window)
        return self._position.get(sources, self._stretch, height, width)

    def _stretch(self, height: int, width: int) -> Tensor:
        window = self.pos_embed_window
        side = window.shape[-1]
        background = F.interpolate(self.pos_embed, size=(height, width), mode="bicubic")
        # (1, C, H, W) -> (1, H, W, C)
        return (background + window.tile(height // side, width // side)).permute(0, 2, 3, 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, S, S) to four maps (B, C, S / stride, S / stride), finest first."""
        x = self.patch_embed(image)
        x = x + self.position_embedding(*x.shape[1:3])
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))  # (B, C, H, W)
        return maps


class _Lateral(nn.Module):
    """A 1 x 1 convolution under the name `conv` that the checkpoints give it."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width_out, kernel_size=1)
        self._folded = CachedTensor()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def composed_with(self, second: nn.Conv2d, x: Tensor) -> Tensor:
        """Apply it and another 1 x 1 convolution, as one where no gradients are wanted."""
        if torch.is_grad_enabled():
            return second(self.conv(x))
        parameters = [*self.conv.parameters(), *second.parameters()]
        folded = self._folded.get(parameters, lambda: self._fold(second)).to(x.dtype)
        return F.conv2d(x, folded[:, :-1, None, None], folded[:, -1])

    def _fold(self, second: nn.Conv2d) -> Tensor:
        """Multiply weights and biases, (width out of the second, width + 1) float32."""
        assert self.conv.bias is not None and second.bias is not None
        ours = torch.cat((self.conv.weight[:, :, 0, 0], self.conv.bias[:, None]), dim=1)
        theirs = second.weight[:, :, 0, 0].float()
        folded = theirs @ ours.float()
        folded[:, -1] += second.bias
        return folded


class FeaturePyramid(nn.Module):
    """Project all stages to one width and add coarse features to finer ones."""

    def __init__(self, widths: list[int], d_model: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Lateral(width, d_model) for width in reversed(widths))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map four maps, finest first, to four of `d_model` channels, finest first."""
        return [self.lateral(maps, 0), self.lateral(maps, 1), *self.coarse(maps)]

    def lateral(self, maps: list[Tensor], level: int, then: nn.Conv2d | None = None) -> Tensor:
        """Project a fine map, to which no coarser one is added.

        Parameters
        ----------
        maps
            The backbone's four maps, finest first.
        level
            0 or 1, the stride 4 or 8.
        then
            A 1 x 1 convolution to apply to the result as well.
        """
        conv = self.convs[-1 - level]
        assert isinstance(conv, _Lateral) and level not in TOP_DOWN_LEVELS
        return conv(maps[level]) if then is None else conv.composed_with(then, maps[level])

    def coarse(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Project the strides 16 and 32; the coarser map is added to the finer one."""
        coarsest, coarser = (self.convs[k](maps[-1 - k]) for k in range(2))
        return coarser + F.interpolate(coarsest, scale_factor=2.0, mode="nearest"), coarsest


class Pyramid(NamedTuple):
    """Features of a batch of images: strides 4 and 8 for the decoder, 16 for the memory."""

    stride4: Tensor
    stride8: Tensor
    stride16: Tensor


class ImageEncoder(nn.Module):
    """A backbone and its feature pyramid; the coarsest level is used only by the one above it."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        self.trunk = Hiera(config) if config.encoder == "hiera" else RepViT(config)
        self.neck = FeaturePyramid(self.trunk.widths, config.d_model)

    def forward(self, image: Tensor, skips: tuple[nn.Conv2d, nn.Conv2d]) -> Pyramid:
        """Map (B, 3, S, S) to three maps.

        Parameters
        ----------
        image
            (B, 3, S, S), normalised.
        skips
            1 x 1 convolutions of the decoder for the strides 4 and 8; they set the channels of
            these maps. The map of stride 16 has `d_model` channels.
        """
        maps = self.trunk(image)
        stride4, stride8 = (self.neck.lateral(maps, i, conv) for i, conv in enumerate(skips))
        return Pyramid(stride4, stride8, self.neck.coarse(maps)[0])
