"""What objects remember, gathered on the network's device, for what is looked at now."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.crop_windows import middle
from sam2_torch.inputs.frames import Box, Crop
from sam2_torch.inputs.transforms import relay
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank, Selection
from sam2_torch.sam2 import MAX_POINTERS, Memories


class Recall:
    """Gathers memories of objects; what has left the device is made again.

    Parameters
    ----------
    embeddings
        The movie's image embeddings.
    """

    def __init__(self, embeddings: FrameEncoder) -> None:
        self._embeddings = embeddings
        self._model = embeddings.model
        self._upload = embeddings.steps.copies.upload

    def whole(
        self, banks: Sequence[MemoryBank], selection: Selection, crop: Crop | None
    ) -> Memories:
        """Gather the selected memories of objects that remember the same frames.

        Parameters
        ----------
        banks, selection
            Of the objects.
        crop
            What they are looked for in: memories are laid over it.
        """
        last = selection.spatial[-1][0] if selection.spatial else 0
        spatial = [
            _stack(self._laid(bank, frame, crop, last) for bank in banks)
            for frame, _ in selection.spatial
        ]
        return self._memories(banks, selection, spatial)

    def box_in_image(self, memory: FrameMemory) -> Box | None:
        """Find the extent of a mask in image pixels; None if the object is not there."""
        if memory.box is None:
            return None
        n_logits = self._model.config.logits_size
        return self._embeddings.seen(memory.crop).box_in_image(memory.box, n_logits)

    def _memories(
        self, banks: Sequence[MemoryBank], selection: Selection, spatial: list[Tensor]
    ) -> Memories:
        pointers = [
            _stack(self._pointer(bank, frame) for bank in banks) for frame, _ in selection.pointers
        ]
        none = torch.empty(len(banks), 0, self._model.config.d_model, device=self._model.device)
        return Memories(
            spatial,
            [age for _, age in selection.spatial],
            torch.stack(pointers, dim=1) if pointers else none,
            [age for _, age in selection.pointers],
            min(len(self._embeddings), MAX_POINTERS) - 1,
        )

    def _spatial(self, bank: MemoryBank, frame: int) -> Tensor:
        """Get the memory of a whole frame, encoding it from its mask if it is not there."""
        memory = bank.known(frame)
        if memory.spatial is None:
            memory.spatial = self._encode(memory, frame)
        return memory.spatial

    def _laid(self, bank: MemoryBank, frame: int, crop: Crop | None, last: int) -> Tensor:
        """Get the memory of a frame, laid over the crop that is seen now.

        Where things were in the image counts. Only an object that has gone far since then is
        laid to where it was `last` seen.
        """
        spatial, memory = self._spatial(bank, frame), bank.known(frame)
        if memory.crop == crop:
            return spatial
        seen, here = self._embeddings.seen(memory.crop), self._embeddings.seen(crop)
        box, last_box = self.box_in_image(memory), self.box_in_image(bank.known(last))
        moved = (0.0, 0.0)
        if box is not None and last_box is not None and not here.shows(middle(box)):
            (y, x), (last_y, last_x) = middle(box), middle(last_box)
            moved = (last_y - y, last_x - x)
        return relay(spatial, seen, here, moved)

    def _encode(self, memory: FrameMemory, frame: int) -> Tensor:
        """Encode what is remembered of a whole frame."""
        scores = self._upload(torch.tensor([memory.object_score]))
        logits = self._upload(memory.unpacked_logits()[None])
        features = self._embeddings.embedding(frame, memory.crop).features
        steps = self._embeddings.steps
        return steps.encode_memory(features, logits, scores, binarize=memory.prompted)[0]

    def _pointer(self, bank: MemoryBank, frame: int) -> Tensor:
        memory = bank.known(frame)
        if memory.device_pointer is None:
            memory.device_pointer = self._upload(memory.pointer.to(self._model.dtype))
        return memory.device_pointer


def _stack(rows: Iterable[Tensor]) -> Tensor:
    """Stack tensors; without a copy if they are the rows of one tensor, as a cohort's are."""
    tensors = list(rows)
    first = tensors[0]
    size, storage = first.numel(), first.untyped_storage().data_ptr()
    in_a_row = first.is_contiguous() and all(
        t.untyped_storage().data_ptr() == storage
        and t.storage_offset() == first.storage_offset() + i * size
        for i, t in enumerate(tensors)
    )
    if not in_a_row:
        return torch.stack(tensors)
    return first.as_strided((len(tensors), *first.shape), (size, *first.stride()))
