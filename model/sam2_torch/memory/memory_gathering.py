"""Gather the selected memories as tensors on the model's device."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.crop_windows import middle
from sam2_torch.inputs.frames import Box, Crop
from sam2_torch.inputs.transforms import relay
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.selection import Selection
from sam2_torch.runtime.inference_steps import InferenceSteps
from sam2_torch.sam2 import MAX_POINTERS, Memories


class MemoryGatherer:
    """Gathers memories; what has left the device is made again.

    Parameters
    ----------
    steps
        Of the network.
    embeddings
        The movie's image embeddings.
    """

    def __init__(self, steps: InferenceSteps, embeddings: FrameEncoder) -> None:
        self._steps = steps
        self._embeddings = embeddings
        self._config, self._dtype = steps.model.config, steps.model.dtype

    def gather(
        self, banks: Sequence[MemoryBank], selection: Selection, crop: Crop | None
    ) -> Memories:
        """Gather memories of objects that attend to the same frames.

        Parameters
        ----------
        banks, selection
            Of the objects.
        crop
            The crop window to segment in: memories of other windows are laid over it.
        """
        last = selection.spatial[-1][0] if selection.spatial else 0
        spatial = [
            _stack(self._laid(bank, frame, crop, last) for bank in banks)
            for frame, _ in selection.spatial
        ]
        pointers = [
            _stack(self._pointer(bank[frame]) for bank in banks) for frame, _ in selection.pointers
        ]
        if pointers:
            stacked = torch.stack(pointers, dim=1)  # (N, P, C)
        else:
            device = self._steps.model.device
            stacked = torch.empty(len(banks), 0, self._config.d_model, device=device)
        return Memories(
            spatial,
            [age for _, age in selection.spatial],
            stacked,
            [age for _, age in selection.pointers],
            min(len(self._embeddings), MAX_POINTERS) - 1,
        )

    def box_in_image(self, memory: FrameMemory) -> Box | None:
        """Find the bounding box of a mask in image pixels; None if the object is absent."""
        box = memory.result().box
        if box is None:
            return None
        return self._embeddings.geometry_of(memory.crop).box_in_image(box, self._config.logits_size)

    def _laid(self, bank: MemoryBank, frame: int, crop: Crop | None, last: int) -> Tensor:
        """Return the spatial memory of a frame, laid over a crop window.

        Memories keep their place in the image. Only an object that has since moved out of the
        window is moved to where it was `last`.
        """
        memory = bank[frame]
        if memory.spatial is None:
            memory.spatial = self._encode(memory, frame)
        if memory.crop == crop:
            return memory.spatial
        before, here = (self._embeddings.geometry_of(each) for each in (memory.crop, crop))
        box, last_box = self.box_in_image(memory), self.box_in_image(bank[last])
        moved = (0.0, 0.0)
        if box is not None and last_box is not None and not here.shows(middle(box)):
            (y, x), (last_y, last_x) = middle(box), middle(last_box)
            moved = (last_y - y, last_x - x)
        return relay(memory.spatial, before, here, moved)

    def _encode(self, memory: FrameMemory, frame: int) -> Tensor:
        """Encode the spatial memory of a frame from its logits, (memory_dim, h, w)."""
        answer, upload = memory.result(), self._steps.upload
        scores = upload(torch.tensor([answer.object_score]))
        logits = upload(answer.unpacked_logits()[None])
        features = self._embeddings.embedding(frame, memory.crop).features
        encoded = self._steps.encode_memory(features, logits, scores, binarize=memory.prompted)
        return encoded[0]

    def _pointer(self, memory: FrameMemory) -> Tensor:
        if memory.device_pointer is None:
            pointer = memory.result().pointer.to(self._dtype)
            memory.device_pointer = self._steps.upload(pointer)
        return memory.device_pointer


def _stack(rows: Iterable[Tensor]) -> Tensor:
    """Stack tensors; without a copy if they are the rows of one tensor, as after a batch."""
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
