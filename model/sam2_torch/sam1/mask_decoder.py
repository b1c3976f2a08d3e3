"""The mask decoder of SAM 1: that of SAM 2 without skips and object score.

Notes
-----
Reference: `segment_anything.modeling.mask_decoder`.
"""

import torch
from torch import Tensor, nn

from sam2_torch.nn.blocks import MLP, LayerNorm2d
from sam2_torch.nn.mask_decoder import (
    FEEDFORWARD,
    IOU_HEAD_WIDTH,
    MULTIMASKS,
    DecodedMasks,
    TwoWayTransformer,
)
from sam2_torch.sam1.vit import FeedForward

PRESENT_LOGIT = 10.0  # object score of a network that cannot tell


class MaskDecoder(nn.Module):
    """Decode masks from an image's features and embedded prompts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(width)
        for layer in self.transformer.layers:
            layer.mlp = FeedForward(width, FEEDFORWARD, nn.ReLU())
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MULTIMASKS + 1, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP((width, width, width, width // 8)) for _ in range(MULTIMASKS + 1)
        )
        self.iou_prediction_head = MLP((width, IOU_HEAD_WIDTH, IOU_HEAD_WIDTH, MULTIMASKS + 1))

    def forward(
        self, pixels: Tensor, pixel_position: Tensor, prompts: Tensor, multimask: bool
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
        multimask
            Whether to return three candidates instead of one.
        """
        fixed = torch.cat((self.iou_token.weight, self.mask_tokens.weight))
        tokens, attended = self.transformer(
            pixels.flatten(2).transpose(1, 2),  # (N, HW, C)
            pixel_position.flatten(2).transpose(1, 2),  # (1, HW, C)
            torch.cat((fixed.expand(len(prompts), -1, -1), prompts), dim=1),
        )
        chosen = slice(1, None) if multimask else slice(0, 1)
        mask_tokens = tokens[:, 1 : MULTIMASKS + 2]  # (N, 4, C)
        upscaled = self.output_upscaling(attended.transpose(1, 2).unflatten(2, pixels.shape[-2:]))
        weights = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        # (N, 1 or 3, C / 8) @ (N, C / 8, 16 HW) -> (N, 1 or 3, 4 H, 4 W)
        logits = (weights[:, chosen] @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        ious = self.iou_prediction_head(tokens[:, 0])[:, chosen]
        scores = ious.new_full((len(ious), 1), PRESENT_LOGIT)
        return DecodedMasks(logits, ious.clamp(0, 1), mask_tokens[:, chosen], scores)
