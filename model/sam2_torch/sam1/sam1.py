"""SAM 1: the network, with the methods that an `ImageSession` calls on either family."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM1Config
from sam2_torch.nn.blocks import MLP
from sam2_torch.nn.mask_decoder import (
    FEEDFORWARD,
    IOU_HEAD_WIDTH,
    MULTIMASKS,
    DecodedMasks,
    TwoWayTransformer,
    hypernetworks,
    mask_products,
    upscaling,
)
from sam2_torch.nn.prompt_encoder import PADDING, TOP_LEFT, PromptEncoder
from sam2_torch.sam1.tiny_vit import TinyViT
from sam2_torch.sam1.vit import FeedForward, ViT
from sam2_torch.sam2 import ImageEmbedding, mask_to_logits

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
        self.output_upscaling = upscaling(width)
        self.output_hypernetworks_mlps = hypernetworks(width)
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
        networks, mask_tokens = self.output_hypernetworks_mlps[chosen], mask_tokens[:, chosen]
        logits = mask_products(networks, mask_tokens, upscaled)
        ious = self.iou_prediction_head(tokens[:, 0])[:, chosen]
        scores = ious.new_full((len(ious), 1), PRESENT_LOGIT)
        return DecodedMasks(logits, ious.clamp(0, 1), mask_tokens, scores)


class SAM1(nn.Module):
    """Segment anything in single images (Kirillov et al. 2023, arXiv 2304.02643).

    Parameters
    ----------
    config
        Sizes; the weights are random until a state dict is loaded. Names and shapes of the
        parameters are those of the published checkpoints.
    """

    def __init__(self, config: SAM1Config) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ViT(config) if config.encoder == "vit" else TinyViT(config)
        self.prompt_encoder = PromptEncoder(config.d_model, config.image_size)
        self.mask_decoder = MaskDecoder(config.d_model)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.prompt_encoder.no_mask_embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return self.prompt_encoder.no_mask_embed.weight.dtype

    def encode_image(self, images: Tensor) -> ImageEmbedding:
        """Encode (B, 3, S, S) normalised images; there are no skips."""
        features = self.image_encoder(images.to(self.device, self.dtype))
        return ImageEmbedding(features, ())

    def without_memory(self, features: Tensor) -> Tensor:
        """Return the features as they are: the network has no memory."""
        return features

    def decode_masks(
        self,
        features: Tensor,
        skips: tuple[Tensor, ...],
        points: tuple[Tensor, Tensor] | None,
        mask_logits: Tensor | None,
        multimask: bool,
    ) -> DecodedMasks:
        """Decode the masks of N prompts; parameters as in `SAM2.decode_masks`."""
        del skips
        prompts = self._embed_points(points, len(features))
        features = features.expand(len(prompts), -1, -1, -1)
        pixels = features + self.prompt_encoder.embed_mask(mask_logits)
        return self.mask_decoder(pixels, self.prompt_encoder.grid_encoding(), prompts, multimask)

    def mask_to_logits(self, mask: Tensor) -> Tensor:
        """Convert (N, 1, S, S) masks of 0 and 1 to logits, (N, 1, S / 4, S / 4) from -10 to 10."""
        return mask_to_logits(mask, self.config.logits_size)

    def _embed_points(self, points: tuple[Tensor, Tensor] | None, batch: int) -> Tensor:
        """Embed points and box corners, (N, P, C); a padding point ends lists without a box."""
        if points is None:
            weight = self.prompt_encoder.no_mask_embed.weight
            return weight.new_zeros(batch, 0, self.config.d_model)
        points_xy, labels = (part.to(self.device) for part in points)
        if not bool((labels >= TOP_LEFT).any()):
            points_xy = F.pad(points_xy, (0, 0, 0, 1))
            labels = F.pad(labels, (0, 1), value=PADDING)
        return self.prompt_encoder.embed_points(points_xy, labels)
