"""What passes along the arrows of the paper's figure: tensors that belong together."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


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
    skips: tuple[Tensor, Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors take up."""
        return sum(tensor.nbytes for tensor in (self.features, *self.skips))


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
    """What N objects remember; the same frames for all of them.

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
