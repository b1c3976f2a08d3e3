"""The mask decoder: a two-way transformer between prompts and frame, and its heads.

Notes
-----
Paper, section 4 "Prompt encoder and mask decoder". As in SAM, with skip connections from the
strides 4 and 8 and a head that predicts whether the object is in the frame.
Reference: `sam2.modeling.sam.mask_decoder`, `sam2.modeling.sam.transformer`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.attention import Attention
from sam2_torch.nn.blocks import MLP, LayerNorm2d

HEADS = 8
DEPTH = 2
FEEDFORWARD = 2048
IOU_HEAD_WIDTH = 256
MULTIMASKS = 3  # whole, part, sub-part
STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the frame, then the frame to the tokens."""

    def __init__(self, width: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, HEADS)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, HEADS, downsample=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP((width, FEEDFORWARD, width))
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, HEADS, downsample=2)

    def forward(
        self, tokens: Tensor, pixels: Tensor, token_position: Tensor, pixel_position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update (N, T, C) tokens and (N, HW, C) pixels."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_position
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        placed_pixels = pixels + pixel_position
        attended = self.cross_attn_token_to_image(tokens + token_position, placed_pixels, pixels)
        tokens = self.norm2(tokens + attended)
        tokens = self.norm3(tokens + self.mlp(tokens))
        attended = self.cross_attn_image_to_token(placed_pixels, tokens + token_position, tokens)
        return tokens, self.norm4(pixels + attended)


class TwoWayTransformer(nn.Module):
    """Two blocks and a final attention of the tokens to the frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(width, first=i == 0) for i in range(DEPTH))
        self.final_attn_token_to_image = Attention(width, HEADS, downsample=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self, pixels: Tensor, pixel_position: Tensor, prompts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Map (N, HW, C) pixels, (1, HW, C) positions and (N, T, C) tokens to tokens and pixels."""
        tokens = prompts
        for layer in self.layers:
            tokens, pixels = layer(tokens, pixels, prompts, pixel_position)
        attended = self.final_attn_token_to_image(tokens + prompts, pixels + pixel_position, pixels)
        return self.norm_final_attn(tokens + attended), pixels


class DecodedMasks(NamedTuple):
    """Output of the decoder for N prompts, with M = 1 or 3 candidates each.

    Attributes
    ----------
    logits
        (N, M, S / 4, S / 4).
    ious
        (N, M) predicted IoU, 0 to 1.
    tokens
        (N, M, C) output tokens, from which object pointers are computed.
    object_scores
        (N, 1) logit that the object is in the frame.
    """

    logits: Tensor
    ious: Tensor
    tokens: Tensor
    object_scores: Tensor


def upscaling(width: int) -> nn.Sequential:
    """Return the layers from (N, width, H, W) pixels to (N, width / 8, 4 H, 4 W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
        LayerNorm2d(width // 4),
        nn.GELU(),
        nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
        nn.GELU(),
    )


def hypernetworks(width: int) -> nn.ModuleList:
    """Return the networks from each mask token to the weights of its mask."""
    return nn.ModuleList(MLP((width, width, width, width // 8)) for _ in range(MULTIMASKS + 1))


def mask_products(networks: nn.ModuleList, mask_tokens: Tensor, upscaled: Tensor) -> Tensor:
    """Multiply (N, C / 8, 4 H, 4 W) pixels by the weights of (N, M, C) tokens: (N, M, 4 H, 4 W)."""
    weights = torch.stack([mlp(mask_tokens[:, i]) for i, mlp in enumerate(networks)], dim=1)
    # (N, M, C / 8) @ (N, C / 8, 16 HW) -> (N, M, 4 H, 4 W)
    return (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])


class MaskDecoder(nn.Module):
    """Decode masks from a frame's features and embedded prompts."""

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        width = config.d_model
        self.transformer = TwoWayTransformer(width)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MULTIMASKS + 1, width)
        self.obj_score_token = nn.Embedding(1, width)
        self.output_upscaling = upscaling(width)
        self.conv_s0 = nn.Conv2d(width, width // 8, kernel_size=1)
        self.conv_s1 = nn.Conv2d(width, width // 4, kernel_size=1)
        self.output_hypernetworks_mlps = hypernetworks(width)
        self.iou_prediction_head = MLP(
            (width, IOU_HEAD_WIDTH, IOU_HEAD_WIDTH, MULTIMASKS + 1), sigmoid_output=True
        )
        self.pred_obj_score_head = MLP((width, width, width, 1))

    def forward(
        self,
        pixels: Tensor,
        pixel_position: Tensor,
        prompts: Tensor,
        skips: tuple[Tensor, ...],
        multimask: bool,
    ) -> DecodedMasks:
        """Decode masks.

        Parameters
        ----------
        pixels
            (N, C, H, W) features with the embedded mask added.
        pixel_position
            (1, C, H, W) position encoding of the features.
        prompts
            (N, T, C) embedded points.
        skips
            Features of strides 4 and 8, (1 or N, C / 8, 4 H, 4 W) and (1 or N, C / 4, 2 H, 2 W).
        multimask
            Whether to return three candidates instead of one.
        """
        height, width = pixels.shape[-2:]
        fixed = (self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight)
        output_tokens = torch.cat(fixed).expand(len(prompts), -1, -1)  # (N, 6, C)
        tokens, attended = self.transformer(
            pixels.flatten(2).transpose(1, 2),  # (N, HW, C)
            pixel_position.flatten(2).transpose(1, 2),  # (1, HW, C)
            torch.cat((output_tokens, prompts), dim=1),
        )
        mask_tokens = tokens[:, 2 : 2 + MULTIMASKS + 1]  # (N, 4, C)
        logits = self._masks(
            attended.transpose(1, 2).unflatten(2, (height, width)), mask_tokens, skips
        )
        ious = self.iou_prediction_head(tokens[:, 1])
        object_scores = self.pred_obj_score_head(tokens[:, 0])
        if multimask:
            return DecodedMasks(logits[:, 1:], ious[:, 1:], mask_tokens[:, 1:], object_scores)
        if not self.training:
            logits, ious = _most_stable(logits, ious)
        # the token of the single mask, even where a mask of another token was taken
        return DecodedMasks(logits[:, :1], ious[:, :1], mask_tokens[:, :1], object_scores)

    def _masks(self, pixels: Tensor, mask_tokens: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Upscale the pixels by four and multiply them by each token's weights."""
        first, norm, activation, second, last_activation = self.output_upscaling
        stride4, stride8 = skips
        upscaled = activation(norm(first(pixels) + stride8))
        upscaled = last_activation(second(upscaled) + stride4)
        return mask_products(self.output_hypernetworks_mlps, mask_tokens, upscaled)


def stability(logits: Tensor) -> Tensor:
    """Return the IoU of each mask at a raised and a lowered threshold.

    Parameters
    ----------
    logits
        (..., H, W).

    Returns
    -------
    (...), 0 to 1; 1 where both masks are empty.
    """
    flat = logits.flatten(-2)
    inner = (flat > STABILITY_DELTA).sum(-1, dtype=torch.float32)
    outer = (flat > -STABILITY_DELTA).sum(-1, dtype=torch.float32)
    return torch.where(outer > 0, inner / outer, 1.0)


def _most_stable(logits: Tensor, ious: Tensor) -> tuple[Tensor, Tensor]:
    """Select the single mask, or the best of the other three where it is unstable."""
    best = ious[:, 1:].argmax(dim=-1) + 1
    stable = stability(logits[:, 0]) >= STABILITY_THRESHOLD
    chosen = torch.where(stable, 0, best)
    rows = torch.arange(len(chosen), device=chosen.device)
    return logits[rows, chosen].unsqueeze(1), ious[rows, chosen].unsqueeze(1)
