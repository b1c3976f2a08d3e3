"""SAM 2: the network, as the arrows of the paper's figure.

The methods know nothing of videos or sessions; a `VideoSession` decides which memories
an object sees.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.blocks import MLP
from sam2_torch.nn.image_encoder import ImageEncoder
from sam2_torch.nn.mask_decoder import DecodedMasks, MaskDecoder
from sam2_torch.nn.memory_attention import MemoryAttention
from sam2_torch.nn.memory_encoder import MemoryEncoder
from sam2_torch.nn.memory_perceiver import MemoryPerceiver
from sam2_torch.nn.point_decoder import PointDecoder
from sam2_torch.nn.position_encoding import sine_encoding_1d, sine_encoding_2d
from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, PADDING, TOP_LEFT, PromptEncoder


class ImageEmbedding(NamedTuple):
    """Features of one image, or of a batch of B.

    Attributes
    ----------
    features
        (B, C, S / 16, S / 16), without memory.
    skips
        (B, C / 8, S / 4, S / 4) and (B, C / 4, S / 8, S / 8), for the decoder.
    """

    features: Tensor
    skips: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors take up."""
        return sum(tensor.nbytes for tensor in (self.features, *self.skips))

    def map(self, function: Callable[[Tensor], Tensor]) -> "ImageEmbedding":
        """Apply a function to each tensor."""
        return ImageEmbedding(function(self.features), tuple(function(skip) for skip in self.skips))


class Segmentation(NamedTuple):
    """The chosen mask of each of N objects.

    Attributes
    ----------
    logits
        (N, S / 4, S / 4) float32; -1024 throughout where the object is absent.
    ious
        (N,) predicted IoU.
    object_scores
        (N,) logit, above 0 where the object is visible.
    pointers
        (N, C) object pointers.
    """

    logits: Tensor
    ious: Tensor
    object_scores: Tensor
    pointers: Tensor


class Memories(NamedTuple):
    """Memories of N objects, of the same frames for all of them.

    Attributes
    ----------
    spatial
        One (N, memory_dim, h, w) for each remembered frame.
    ages
        For each of them, 0 if it was prompted, else how many frames ago (1 to 6).
    pointers
        (N, P, C).
    pointer_ages
        For each of the P, how many frames ago; negative for frames that lie ahead. A device need
        not be waited for if it has them, as float32.
    max_age
        The largest age that the movie allows, by which the ages are divided.
    """

    spatial: Sequence[Tensor]
    ages: Sequence[int]
    pointers: Tensor
    pointer_ages: Sequence[int] | Tensor
    max_age: int


MEMORIES = 7  # one temporal encoding for prompted frames and one for each of 6 recent ones
MAX_POINTERS = 16
NO_OBJECT_LOGIT = -1024.0
MEMORY_SCALE, MEMORY_BIAS = 20.0, -10.0  # of mask probabilities that enter the memory encoder
MASK_LOGIT = 10.0  # logit of the pixels of a mask prompt, and of its object score


class SAM2(nn.Module):
    """Segment anything in images and videos (Ravi et al. 2024, arXiv 2408.00714).

    Parameters
    ----------
    config
        Sizes; the weights are random until a state dict is loaded. Names and shapes of
        the parameters are those of Meta's checkpoints.
    """

    features_position: Tensor
    memory_position: Tensor

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        self.config = config
        width, memory_dim = config.d_model, config.memory_dim
        self.image_encoder = ImageEncoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        if config.memory_latents:
            self.spatial_perceiver = MemoryPerceiver(config)
        self.sam_prompt_encoder = PromptEncoder(width, config.image_size)
        self.sam_mask_decoder = MaskDecoder(config)
        self.obj_ptr_proj = MLP((width, width, width, width))
        self.maskmem_tpos_enc = nn.Parameter(torch.empty(MEMORIES, 1, 1, memory_dim))
        self.no_mem_embed = nn.Parameter(torch.empty(1, 1, width))
        self.no_mem_pos_enc = nn.Parameter(torch.empty(1, 1, width))
        self.no_obj_ptr = nn.Parameter(torch.empty(1, width))
        if config.version == "2.1":
            self.no_obj_embed_spatial = nn.Parameter(torch.empty(1, memory_dim))
            self.obj_ptr_tpos_proj = nn.Linear(width, memory_dim)
        for parameter in self.parameters(recurse=False):
            nn.init.trunc_normal_(parameter, std=0.02)
        size = config.embedding_size
        for name, channels in (("features_position", width), ("memory_position", memory_dim)):
            encoding = sine_encoding_2d(channels, size).flatten(1).T[None]  # (1, HW, C)
            self.register_buffer(name, encoding, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.no_mem_embed.dtype

    def encode_image(self, images: Tensor) -> ImageEmbedding:
        """Encode (B, 3, S, S) normalised images."""
        decoder = self.sam_mask_decoder
        images = images.to(self.device, self.dtype)
        pyramid = self.image_encoder(images, (decoder.conv_s0, decoder.conv_s1))
        return ImageEmbedding(pyramid.stride16, (pyramid.stride4, pyramid.stride8))

    def without_memory(self, features: Tensor) -> Tensor:
        """Add the embedding of no memory to features (B, C, H, W)."""
        return features + self.no_mem_embed.reshape(1, -1, 1, 1)

    def attend_to_memory(self, features: Tensor, memories: Memories) -> Tensor:
        """Condition one frame's features on the memories of N objects.

        Parameters
        ----------
        features
            (1, C, H, W) of the frame, without memory.
        memories
            Of the objects.

        Returns
        -------
        (N, C, H, W).
        """
        tokens, memory_position, pointer_tokens = self._memory_tokens(memories)
        conditioned = self.memory_attention(
            features.flatten(2).transpose(1, 2),  # (1, HW, C)
            self.features_position.to(features.dtype),
            tokens,
            memory_position,
            pointer_tokens,
        )
        return conditioned.transpose(1, 2).unflatten(2, features.shape[-2:])

    def _memory_tokens(self, memories: Memories) -> tuple[Tensor, Tensor, int]:
        """Return memories and pointers as (N, L, memory_dim), positions as (1, L, memory_dim)."""
        spatial = torch.stack(list(memories.spatial), dim=1).to(self.dtype)  # (N, M, C, H, W)
        place = self.memory_position.to(self.dtype)
        if self.config.memory_latents:
            n = len(spatial)
            summary = self.spatial_perceiver(spatial.flatten(0, 1), place)  # (N * M, 2 L, C)
            spatial = summary.unflatten(0, (n, -1)).flatten(1, 2)
            place = self.spatial_perceiver.latent_position.to(self.dtype)
        else:
            spatial = spatial.flatten(3).transpose(2, 3).flatten(1, 2)  # (N, M * HW, C)
        # age 0 is the last row: prompted
        times = torch.stack([self.maskmem_tpos_enc[age - 1, 0] for age in memories.ages])
        position = (place[:, None] + times).flatten(1, 2)  # (1, M * tokens, C)

        pieces = self.config.d_model // self.config.memory_dim
        pointers = memories.pointers.to(self.dtype).unflatten(-1, (pieces, -1)).flatten(1, 2)
        pointer_position = self._pointer_position(memories).repeat_interleave(pieces, dim=0)
        tokens = torch.cat((spatial, pointers), dim=1)
        return tokens, torch.cat((position, pointer_position[None]), dim=1), pointers.shape[1]

    def _pointer_position(self, memories: Memories) -> Tensor:
        """Encode the ages of the pointers, (P, memory_dim)."""
        if self.config.version == "2.0":
            shape = (len(memories.pointer_ages), self.config.memory_dim)
            return memories.pointers.new_zeros(shape, dtype=self.dtype)
        ages = torch.as_tensor(memories.pointer_ages, dtype=torch.float32, device=self.device)
        encoding = sine_encoding_1d(ages / max(memories.max_age, 1), self.config.d_model)
        return self.obj_ptr_tpos_proj(encoding.to(self.dtype))

    def decode_masks(
        self,
        features: Tensor,
        skips: tuple[Tensor, ...],
        points: tuple[Tensor, Tensor] | None,
        mask_logits: Tensor | None,
        multimask: bool,
    ) -> DecodedMasks:
        """Decode the masks of N prompts.

        Parameters
        ----------
        features
            (N, C, H, W), or (1, C, H, W) for N prompts of one frame.
        skips
            As in `ImageEmbedding`.
        points
            (N, P, 2) in (x, y) of the input's pixels and (N, P) labels, box corners among
            them; None for no points at all.
        mask_logits
            (N, 1, S / 4, S / 4) of an earlier answer or a mask, or None.
        multimask
            Whether to give three candidates.
        """
        prompts = self._embed_points(points, len(features))
        features = features.expand(len(prompts), -1, -1, -1)
        pixels = features + self.sam_prompt_encoder.embed_mask(mask_logits)
        grid = self.sam_prompt_encoder.grid_encoding()
        return self.sam_mask_decoder(pixels, grid, prompts, skips, multimask)

    def point_decoder(self, embedding: ImageEmbedding) -> PointDecoder:
        """Return a decoder for many single clicks on one image."""
        no_mask = self.sam_prompt_encoder.embed_mask(None)
        return PointDecoder(
            self.sam_mask_decoder,
            self.without_memory(embedding.features) + no_mask,
            self.sam_prompt_encoder.grid_encoding(),
            embedding.skips,
        )

    def embed_clicks(self, points_xy: Tensor) -> Tensor:
        """Embed (N, 2) single positive clicks in (x, y) of the input's pixels, (N, 2, C)."""
        labels = torch.ones(len(points_xy), 1, dtype=torch.int32)
        return self._embed_points((points_xy[:, None], labels), 1)

    def embed_boxes(self, boxes_xy: Tensor) -> Tensor:
        """Embed (N, 2, 2) boxes, corners in (x, y) of the input's pixels, (N, 3, C)."""
        labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], dtype=torch.int32)
        return self._embed_points((boxes_xy, labels.expand(len(boxes_xy), -1)), 1)

    def _embed_points(self, points: tuple[Tensor, Tensor] | None, batch: int) -> Tensor:
        if points is None:
            return self.no_mem_embed.new_zeros(batch, 0, self.config.d_model)
        points_xy, labels = (part.to(self.device) for part in points)
        points_xy = F.pad(points_xy, (0, 0, 0, 1))  # SAM ends each list with a padding point
        labels = F.pad(labels, (0, 1), value=PADDING)
        return self.sam_prompt_encoder.embed_points(points_xy, labels)

    def segment(
        self,
        features: Tensor,
        skips: tuple[Tensor, ...],
        points: tuple[Tensor, Tensor] | None = None,
        mask_logits: Tensor | None = None,
        multimask: bool = True,
    ) -> Segmentation:
        """Decode one mask for each of N objects, or its absence.

        Parameters as in `decode_masks`, but features are (N, C, H, W); without points a
        padding point stands for them. Of three candidates the best is taken.

        Notes
        -----
        Reference: `SAM2Base._forward_sam_heads`.
        """
        if points is None:
            points = no_points(len(features), features.device)
        return self.choose(self.decode_masks(features, skips, points, mask_logits, multimask))

    def choose(self, decoded: DecodedMasks, rank: int = 0) -> Segmentation:
        """Take the best candidate of each object, or the one of another rank, or its absence."""
        best = decoded.ious.argmax(dim=1)
        if rank:
            best = decoded.ious.argsort(dim=1, descending=True, stable=True)[:, rank]
        rows = torch.arange(len(best), device=best.device)
        visible = decoded.object_scores > 0
        logits = decoded.logits[rows, best].float()
        return Segmentation(
            torch.where(visible[:, :, None], logits, NO_OBJECT_LOGIT),
            decoded.ious[rows, best].float(),
            decoded.object_scores[:, 0].float(),
            self._gate_pointers(self.obj_ptr_proj(decoded.tokens[rows, best]), visible),
        )

    def _gate_pointers(self, pointers: Tensor, visible: Tensor) -> Tensor:
        return torch.where(visible, pointers, self.no_obj_ptr)

    def mask_to_logits(self, mask: Tensor) -> Tensor:
        """Turn (N, 1, S, S) masks of 0 and 1 into logits, (N, 1, S / 4, S / 4) from -10 to 10."""
        return mask_to_logits(mask, self.config.logits_size)

    def segment_from_mask(self, embedding: ImageEmbedding, mask: Tensor) -> Segmentation:
        """Take (N, 1, S, S) masks of 0 and 1 as the truth of a frame.

        Notes
        -----
        Reference: `SAM2Base._use_mask_as_output`.
        """
        mask = mask.to(self.device)
        logits = self.mask_to_logits(mask)
        features = embedding.features.expand(len(mask), -1, -1, -1)
        seen = self.segment(
            features,
            embedding.skips,
            mask_logits=self.mask_downsample(mask.to(self.dtype)),
            multimask=False,
        )
        visible = mask.flatten(1).any(dim=1, keepdim=True)
        scores = torch.where(visible[:, 0], MASK_LOGIT, -MASK_LOGIT)
        pointers = self._gate_pointers(seen.pointers, visible)
        return Segmentation(logits[:, 0], torch.ones_like(scores), scores, pointers)

    def track(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        """Segment N objects by their memories in a frame, and encode their memories of it."""
        features = self.attend_to_memory(embedding.features, memories)
        found = self.segment(features, embedding.skips)
        spatial = self.encode_memory(
            embedding.features, found.logits, found.object_scores, binarize=False
        )
        return found, spatial

    def encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        """Encode what is to be remembered of a frame, (N, memory_dim, H, W).

        Parameters
        ----------
        features
            (1, C, H, W) of the frame, without memory.
        logits, object_scores
            (N, S / 4, S / 4) and (N,) of the objects.
        binarize
            Whether to remember the mask (prompted frames) or its probabilities.

        Notes
        -----
        Reference: `SAM2Base._encode_new_memory`.
        """
        masks = F.interpolate(logits[:, None].float(), scale_factor=4.0, mode="bilinear")
        masks = (masks > 0).float() if binarize else masks.sigmoid()
        masks = (MEMORY_SCALE * masks + MEMORY_BIAS).to(self.dtype)
        memory = self.memory_encoder(features, masks)
        if self.config.version == "2.1":
            absent = (object_scores <= 0).to(memory.dtype)[:, None, None, None]
            memory = memory + absent * self.no_obj_embed_spatial[..., None, None]
        return memory


def no_points(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the padding points of N objects without prompts."""
    points_xy = torch.zeros(n, 1, 2, device=device)
    return points_xy, torch.full((n, 1), PADDING, device=device)


def mask_to_logits(mask: Tensor, size: int) -> Tensor:
    """Convert (N, 1, S, S) masks of 0 and 1 to logits, (N, 1, size, size) from -10 to 10."""
    logits = (2 * mask - 1) * MASK_LOGIT
    return F.interpolate(logits, size=(size, size), mode="bilinear", antialias=True)
