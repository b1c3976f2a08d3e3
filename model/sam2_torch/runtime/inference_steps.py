"""What the network does for each frame, as steps that a device can replay.

The steps wait for nothing: what they are given is on the device, and so is what they return.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sam2_torch.nn.mask_decoder import DecodedMasks
from sam2_torch.runtime.cuda_graphs import Graphs, recorder_for
from sam2_torch.runtime.host_copies import copies_for
from sam2_torch.sam2 import SAM2, ImageEmbedding, Memories, Segmentation

MOST_REPLAYED = 16 * 64 * 64  # places of all objects: more keep a device busy without graphs
MEMORY_DTYPE = torch.bfloat16  # as in the reference; masks tell no difference


class Said(NamedTuple):
    """What was said of one object in a frame; as in `SAM2.decode_masks`.

    Attributes
    ----------
    points
        (1, P, 2) in (x, y) of the input's pixels and (1, P) labels; None for no points at all.
    mask_logits
        (1, 1, S / 4, S / 4) of an earlier answer, or None.
    multimask
        Whether to give three candidates.
    """

    points: tuple[Tensor, Tensor] | None
    mask_logits: Tensor | None
    multimask: bool


class Steps:
    """A network's steps, and `copies` to and from its device.

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
        recorder = recorder_for(model.device) if graphs else None
        self._graphs = Graphs(recorder, list(model.parameters()))

    def encode_image(self, images: Tensor) -> ImageEmbedding:
        """Encode (B, 3, S, S) normalised images."""
        on_device = images.to(self.model.device, self.model.dtype)
        return self._graphs.call(self._encode_image, on_device)

    def attend(self, embedding: ImageEmbedding, memories: Memories) -> Tensor:
        """Condition a frame's features on what N objects remember, (N, C, H, W)."""
        return self._graphs.call(self._attend, embedding.features, self._placed(memories))

    def answer(self, embedding: ImageEmbedding, said: Said) -> tuple[Segmentation, ...]:
        """Answer a prompt: all candidates, the best first.

        Parameters
        ----------
        embedding
            Of the frame; its features with what is remembered, or marked as without.
        said
            Points, and an earlier answer.
        """
        return self._graphs.call(self._answer, embedding, self._uploaded(said))

    def decode(self, embedding: ImageEmbedding, said: Said) -> DecodedMasks:
        """Decode the masks of a prompt into an image of which nothing is remembered."""
        return self._graphs.call(self._decode, embedding, self._uploaded(said))

    def follow(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        """Find N objects in a frame, and encode what is to be remembered of them there."""
        memories, side = self._placed(memories), self.model.config.embedding_size
        if len(memories.pointers) * side**2 > MOST_REPLAYED:
            return self._follow(embedding, memories)
        return self._graphs.call(self._follow, embedding, memories)

    def encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        """Encode what is to be remembered of a frame, as `SAM2.encode_memory` does."""
        return self._graphs.call(self._encode_memory, features, logits, object_scores, binarize)

    def _uploaded(self, said: Said) -> Said:
        upload, points, logits = self.copies.upload, said.points, said.mask_logits
        if points is not None:
            points = upload(points[0]), upload(points[1])
        return said._replace(points=points, mask_logits=None if logits is None else upload(logits))

    def _placed(self, memories: Memories) -> Memories:
        """Bring the ages of pointers, which differ from frame to frame, to the device."""
        ages = torch.as_tensor(memories.pointer_ages, dtype=torch.float32)
        return memories._replace(pointer_ages=self.copies.upload(ages))

    def _encode_image(self, images: Tensor) -> ImageEmbedding:
        return self.model.encode_image(images)

    def _attend(self, features: Tensor, memories: Memories) -> Tensor:
        return self.model.attend_to_memory(features, memories)

    def _answer(self, embedding: ImageEmbedding, said: Said) -> tuple[Segmentation, ...]:
        features, skips = embedding
        decoded = self.model.decode_masks(features, skips, *said)
        return tuple(self.model.choose(decoded, rank) for rank in range(decoded.ious.shape[1]))

    def _decode(self, embedding: ImageEmbedding, said: Said) -> DecodedMasks:
        features = self.model.without_memory(embedding.features)
        return self.model.decode_masks(features, embedding.skips, *said)

    def _follow(self, embedding: ImageEmbedding, memories: Memories) -> tuple[Segmentation, Tensor]:
        features = self.model.attend_to_memory(embedding.features, memories)
        found = self.model.segment(features, embedding.skips)
        spatial = self.model.encode_memory(
            embedding.features, found.logits, found.object_scores, binarize=False
        )
        return found, spatial.to(MEMORY_DTYPE)

    def _encode_memory(
        self, features: Tensor, logits: Tensor, object_scores: Tensor, binarize: bool
    ) -> Tensor:
        encoded = self.model.encode_memory(features, logits, object_scores, binarize)
        return encoded.to(MEMORY_DTYPE)
