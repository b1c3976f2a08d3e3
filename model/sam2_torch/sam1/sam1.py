"""SAM 1: the network, with the methods that sessions call on either family."""

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
from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, PADDING, TOP_LEFT, PromptEncoder
from sam2_torch.sam1.tiny_vit import TinyViT
from sam2_torch.sam1.vit import FeedForward, ViT
from sam2_torch.sam2 import (
    MASK_LOGIT,
    NO_OBJECT_LOGIT,
    ImageEmbedding,
    Memories,
    Segmentation,
    mask_to_logits,
)

PRESENT_LOGIT = 10.0  # object score of a network that cannot tell
MAX_LOGIT = 32.0  # of a mask that is earlier to the next frame
BOX_MARGIN = 0.1  # of the box around it, as a share of its sides
LEAST_OVERLAP = 0.1  # IoU with the mask of the frame before; below it the object is lost


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

    def point_decoder(self, embedding: ImageEmbedding) -> "PromptDecoder":
        """Return a decoder for many prompts on one image."""
        return PromptDecoder(self, embedding.features)

    def embed_clicks(self, points_xy: Tensor) -> Tensor:
        """Embed (N, 2) single positive clicks in (x, y) of the input's pixels, (N, 2, C)."""
        labels = torch.ones(len(points_xy), 1, dtype=torch.int32)
        return self._embed_points((points_xy[:, None], labels), 1)

    def choose(self, decoded: DecodedMasks, rank: int = 0) -> Segmentation:
        """Take the best candidate of each object, or the one of another rank; no pointers."""
        chosen = decoded.ious.argsort(dim=1, descending=True, stable=True)[:, rank]
        rows = torch.arange(len(chosen), device=chosen.device)
        return Segmentation(
            decoded.logits[rows, chosen].float(),
            decoded.ious[rows, chosen].float(),
            decoded.object_scores[:, 0].float(),
            decoded.tokens.new_zeros(len(chosen), 0),
        )

    def segment_from_mask(self, embedding: ImageEmbedding, mask: Tensor) -> Segmentation:
        """Take (N, 1, S, S) masks of 0 and 1 as the truth of a frame."""
        logits = self.mask_to_logits(mask.to(self.device))[:, 0]
        visible = mask.to(self.device).flatten(1).any(dim=1)
        scores = torch.where(visible, MASK_LOGIT, -MASK_LOGIT)
        pointers = embedding.features.new_zeros(len(mask), 0)
        return Segmentation(logits, torch.ones_like(scores), scores, pointers)

    def encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        """Return the logits (N, S / 4, S / 4) as what is remembered, (N, 1, S / 4, S / 4)."""
        del features, object_scores, binarize
        return logits[:, None].clamp(-MAX_LOGIT, MAX_LOGIT)

    def attend_to_memory(self, features: Tensor, memories: Memories) -> Tensor:
        """Return the features as they are, for each of N objects: (N, C, H, W)."""
        return features.expand(len(memories.pointers), -1, -1, -1)

    def track(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        """Carry the masks of N objects on: mask and box are the prompts of the next frame.

        An object whose mask is empty, or hardly overlaps with the one before, is absent.
        """
        earlier = memories.spatial[-1].to(self.dtype)  # (N, 1, S / 4, S / 4)
        before = earlier[:, 0] > 0
        corners = _loose_boxes(before) * (self.config.image_size / self.config.logits_size)
        labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], dtype=torch.int32, device=self.device)
        points = corners, labels.expand(len(earlier), -1)
        found = self.choose(self.decode_masks(embedding.features, (), points, earlier, False))
        now = found.logits > 0
        shared, union = ((now & before).sum((1, 2)), (now | before).sum((1, 2)))
        stays = shared > LEAST_OVERLAP * union
        found = found._replace(
            logits=torch.where(stays[:, None, None], found.logits, NO_OBJECT_LOGIT),
            object_scores=torch.where(stays, found.object_scores, -PRESENT_LOGIT),
        )
        return found, self.encode_memory(
            embedding.features, found.logits, found.object_scores, binarize=False
        )

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


class PromptDecoder:
    """Decodes prompts of one image; what `PointDecoder` is for SAM 2.

    Parameters
    ----------
    model
        The network.
    features
        (1, C, H, W) of the image.
    """

    def __init__(self, model: SAM1, features: Tensor) -> None:
        self._model = model
        self._pixels = features + model.prompt_encoder.embed_mask(None)

    def decode(self, prompts: Tensor) -> DecodedMasks:
        """Decode (N, P, C) embedded prompts: three candidates of each."""
        pixels = self._pixels.expand(len(prompts), -1, -1, -1)
        grid = self._model.prompt_encoder.grid_encoding()
        return self._model.mask_decoder(pixels, grid, prompts, True)

    def masks(self, decoded: DecodedMasks, points: Tensor, candidates: Tensor) -> Tensor:
        """Return the logits of chosen candidates, (M, S / 4, S / 4).

        Parameters
        ----------
        decoded
            Result of `decode`.
        points, candidates
            (M,) index of the prompt and of its candidate, 0 to 2.
        """
        return decoded.logits[points, candidates]


def _loose_boxes(masks: Tensor) -> Tensor:
    """Return the corners of boxes with a margin around (N, h, w) masks, (N, 2, 2) in (x, y)."""
    sides = []
    for axis in (1, 2):  # x before y
        along = masks.any(axis).to(torch.uint8)
        first, last = along.argmax(1), along.shape[1] - along.flip(1).argmax(1)
        margin = BOX_MARGIN * (last - first)
        sides.append(torch.stack((first - margin, last + margin), dim=1).clamp(0, along.shape[1]))
    return torch.stack(sides, dim=2)
