"""Cache embeddings: the most recently used on the device, older ones on the host."""

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from sam2_torch.inputs.frames import Crop
from sam2_torch.runtime.host_copies import Copies
from sam2_torch.sam2 import ImageEmbedding

if TYPE_CHECKING:
    from torch import Tensor

    from sam2_torch.runtime.pending import Pending


class Part(NamedTuple):
    """What is encoded of a movie.

    Parameters
    ----------
    frame
        The frame.
    crop
        The crop window; None for the whole frame.
    flip
        Axes of the input, (B, C, y, x), along which it is flipped.
    """

    frame: int
    crop: Crop | None = None
    flip: tuple[int, ...] = ()


class EmbeddingCache:
    """Keeps embeddings within two budgets, the most recently used on the device.

    Parameters
    ----------
    copies
        To and from the device where the network wants them.
    device_bytes
        How many bytes may stay there; one embedding always may.
    host_bytes
        How many bytes of what had to leave the device may stay in the computer's memory.
        Without meaning where the device is the CPU: there the two are one.
    """

    def __init__(self, copies: Copies, device_bytes: int, host_bytes: int) -> None:
        self._copies = copies
        self._near = _Budget(device_bytes)
        self._far = _Budget(0 if copies.device.type == "cpu" else host_bytes)
        self._leaving: list[tuple[Part, list[Pending[Tensor]]]] = []

    def __contains__(self, part: Part) -> bool:
        self._arrive()
        return part in self._near.kept or part in self._far.kept

    def __getitem__(self, part: Part) -> ImageEmbedding:
        """Return a cached embedding, on the device.

        Raises
        ------
        KeyError
            If it is not cached.
        """
        self._arrive()
        if part in self._far.kept:
            self[part] = self._far.take(part).map(self._copies.upload)
        self._near.kept.move_to_end(part)
        return self._near.kept[part]

    def __setitem__(self, part: Part, embedding: ImageEmbedding) -> None:
        for old, gone in self._near.keep(part, embedding, at_least=1):
            if self._far.has_room(gone):
                self._leave(old, gone)

    @property
    def nbytes(self) -> tuple[int, int]:
        """Bytes on the device and on the host."""
        self._arrive()
        return self._near.used_bytes, self._far.used_bytes

    def _leave(self, part: Part, embedding: ImageEmbedding) -> None:
        """Begin to copy an embedding to the host."""
        now = self._copies.record()
        tensors = (embedding.features, *embedding.skips)
        self._leaving.append((part, [self._copies.fetch(tensor, now) for tensor in tensors]))

    def _arrive(self) -> None:
        """Keep what left the device a frame ago on the host."""
        for part, arriving in self._leaving:
            features, *skips = (pending.result() for pending in arriving)
            self._far.keep(part, ImageEmbedding(features, tuple(skips)))
        self._leaving.clear()


class _Budget:
    """The most recently used embeddings that fit into a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.kept: OrderedDict[Part, ImageEmbedding] = OrderedDict()
        self.used_bytes = 0
        self._max_bytes = max_bytes

    def has_room(self, embedding: ImageEmbedding) -> bool:
        """Return whether an embedding fits at all."""
        return embedding.nbytes <= self._max_bytes

    def keep(
        self, part: Part, embedding: ImageEmbedding, at_least: int = 0
    ) -> list[tuple[Part, ImageEmbedding]]:
        """Keep an embedding, and return those that had to leave for it."""
        if part in self.kept:
            self.take(part)
        self.kept[part] = embedding
        self.used_bytes += embedding.nbytes
        gone = []
        while self.used_bytes > self._max_bytes and len(self.kept) > at_least:
            oldest, its = self.kept.popitem(last=False)
            self.used_bytes -= its.nbytes
            gone.append((oldest, its))
        return gone

    def take(self, part: Part) -> ImageEmbedding:
        """Remove and return an embedding."""
        embedding = self.kept.pop(part)
        self.used_bytes -= embedding.nbytes
        return embedding
