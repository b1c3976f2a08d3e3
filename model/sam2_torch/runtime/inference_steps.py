"""The network's work on a frame, as steps that a device can replay.

Steps never wait for the device: their arguments and results stay there.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sam2_torch.nn.mask_decoder import DecodedMasks
from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, TOP_LEFT
from sam2_torch.runtime.cuda_graphs import Graphs, recorder_for
from sam2_torch.runtime.host_copies import copies_for
from sam2_torch.sam2 import SAM2, ImageEmbedding, Memories, Segmentation

MOST_REPLAYED = 16 * 64 * 64  # tokens of all objects: more keep a device busy without graphs
FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
"""Axes of (B, C, y, x) along which an image is flipped, the image itself first."""
MEMORY_DTYPE = torch.bfloat16  # as in the reference; masks do not depend on it


class PromptTensors(NamedTuple):
    """The prompts of one object on a frame; as in `SAM2.decode_masks`.

    Parameters
    ----------
    points
        (1, P, 2) in (x, y) of the input's pixels and (1, P) labels; None for no points at all.
    mask_logits
        (1, 1, S / 4, S / 4) of an earlier answer, or None.
    multimask
        Whether to decode three candidates.
    """

    points: tuple[Tensor, Tensor] | None
    mask_logits: Tensor | None
    multimask: bool


class InferenceSteps:
    """A network's steps, and copies to and from its device.

    Parameters
    ----------
    model
        The network. Its weights may change in place, but not be replaced by other tensors.
    graphs
        Whether to replay steps as CUDA graphs, on CUDA devices. Masks are the same.
    """

    def __init__(self, model: SAM2, graphs: bool = True) -> None:
        self.model = model
        self.copies = copies_for(model.device)
        self.upload = self.copies.upload
        graphs = graphs and isinstance(model, SAM2)  # SAM 1 looks at the labels of points
        recorder = recorder_for(model.device) if graphs else None
        self._graphs = Graphs(recorder, list(model.parameters()))

    def encode_image(self, images: Tensor) -> ImageEmbedding:
        """Encode (B, 3, S, S) normalised images."""
        on_device = images.to(self.model.device, self.model.dtype)
        return self._graphs.call(self.model.encode_image, on_device)

    def attend(self, embedding: ImageEmbedding, memories: Memories) -> Tensor:
        """Condition a frame's features on the memories of N objects, (N, C, H, W)."""
        features, placed = embedding.features, self._placed(memories)
        return self._graphs.call(self.model.attend_to_memory, features, placed)

    def answer(self, embedding: ImageEmbedding, prompts: PromptTensors) -> tuple[Segmentation, ...]:
        """Answer prompts: all candidates, the best first.

        Parameters
        ----------
        embedding
            Of the frame; its features conditioned on memories, or marked as without. A batch of
            all `FLIPS` of it is averaged.
        prompts
            Points, and an earlier answer.
        """
        return self._graphs.call(self._answer, embedding, self._uploaded(prompts))

    def decode(self, embedding: ImageEmbedding, prompts: PromptTensors) -> DecodedMasks:
        """Decode the masks of prompts in an image without memories."""
        return self._graphs.call(self._decode, embedding, self._uploaded(prompts))

    def track(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        """Segment N objects in a frame, and encode their spatial memories there."""
        memories = self._placed(memories)
        if len(memories.pointers) * self.model.config.embedding_size**2 > MOST_REPLAYED:
            return self._track(embedding, memories)
        return self._graphs.call(self._track, embedding, memories)

    def encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        """Encode the spatial memories of a frame, as `SAM2.encode_memory` does."""
        return self._graphs.call(self._encode_memory, features, logits, object_scores, binarize)

    def _uploaded(self, prompts: PromptTensors) -> PromptTensors:
        points, logits = prompts.points, prompts.mask_logits
        if points is not None:
            points = self.upload(points[0]), self.upload(points[1])
        logits = None if logits is None else self.upload(logits)
        return prompts._replace(points=points, mask_logits=logits)

    def _placed(self, memories: Memories) -> Memories:
        """Copy the ages of pointers, which differ from frame to frame, to the device."""
        ages = torch.as_tensor(memories.pointer_ages, dtype=torch.float32)
        return memories._replace(pointer_ages=self.upload(ages))

    def _answer(
        self, embedding: ImageEmbedding, prompts: PromptTensors
    ) -> tuple[Segmentation, ...]:
        decoded = self._averaged(*embedding, prompts)
        return tuple(self.model.choose(decoded, rank) for rank in range(decoded.ious.shape[1]))

    def _decode(self, embedding: ImageEmbedding, prompts: PromptTensors) -> DecodedMasks:
        features = self.model.without_memory(embedding.features)
        return self._averaged(features, embedding.skips, prompts)

    def _averaged(
        self, features: Tensor, skips: tuple[Tensor, ...], prompts: PromptTensors
    ) -> DecodedMasks:
        """Decode the prompts in each flip of the frame, and average the masks."""
        if len(features) == 1:
            return self.model.decode_masks(features, skips, *prompts)
        points, logits, multimask = prompts
        flipped = points and _flipped_points(*points, self.model.config.image_size)
        if logits is not None:
            logits = torch.cat([logits.flip(flip) for flip in FLIPS])
        found = self.model.decode_masks(features, skips, flipped, logits, multimask)
        masks = [one.flip(flip) for one, flip in zip(found.logits.split(1), FLIPS, strict=True)]
        return DecodedMasks(
            torch.cat(masks).mean(0, keepdim=True),
            found.ious.mean(0, keepdim=True),
            found.tokens[:1],
            found.object_scores.mean(0, keepdim=True),
        )

    def _track(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        found, spatial = self.model.track(embedding, memories)
        return found, spatial.to(MEMORY_DTYPE)

    def _encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        encoded = self.model.encode_memory(features, logits, object_scores, binarize)
        return encoded.to(MEMORY_DTYPE)


def _flipped_points(points_xy: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return (1, P, 2) clicks and box corners in all flips of an input, (4, P, 2) and (4, P)."""
    first, last = labels == TOP_LEFT, labels == BOTTOM_RIGHT
    # a flipped corner is the opposite one; clicks are centres of pixels, corners between them
    place = torch.arange(labels.shape[1], device=labels.device) + first.int() - last.int()
    mirrored = torch.where((first | last)[..., None], size - points_xy, size - 1 - points_xy)
    mirrored = mirrored.gather(1, place[..., None].expand_as(mirrored))
    (x, y), (mirrored_x, mirrored_y) = points_xy.unbind(-1), mirrored.unbind(-1)
    flipped = [
        torch.stack((mirrored_x if 3 in flip else x, mirrored_y if 2 in flip else y), dim=-1)
        for flip in FLIPS
    ]
    return torch.cat(flipped), labels.expand(len(FLIPS), -1)
