"""One step of an object's way: memories and a frame in, a mask and a new memory out."""

import logging
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sam2_torch.embeddings import FrameEncoder
from sam2_torch.memory_bank import Direction, FrameMemory, MemoryBank, Selection
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompt_points import PromptPoints
from sam2_torch.prompts import MaskPrompt
from sam2_torch.sam2 import MAX_POINTERS, SAM2, Memories, Segmentation
from sam2_torch.transforms import logits_to_masks

logger = logging.getLogger(__name__)

MAX_PREVIOUS_LOGIT = 32.0
OBJECTS_AT_ONCE = 16
MEMORY_DTYPE = torch.bfloat16  # as in the reference; masks tell no difference


class Tracker:
    """The network at work on one movie; it keeps nothing but what the banks are given.

    Parameters
    ----------
    model
        The network.
    embeddings
        The movie's image embeddings.
    max_prompted
        How many prompted frames an object sees at once; None for all.
    """

    def __init__(self, model: SAM2, embeddings: FrameEncoder, max_prompted: int | None) -> None:
        self.model = model
        self.embeddings = embeddings
        self._max_prompted = max_prompted
        self._at_once = OBJECTS_AT_ONCE

    def segment_mask(self, frame: int, prompt: MaskPrompt) -> tuple[FrameMemory, MaskPrediction]:
        """Take a mask prompt as a frame's truth."""
        mask = self.embeddings.geometry.mask_to_input(prompt)
        answer = self.model.segment_from_mask(self.embeddings[frame], mask)
        return self._to_host(answer, prompted=True)[0]

    def segment_points(
        self,
        bank: MemoryBank,
        frame: int,
        said: PromptPoints,
        previous: FrameMemory | None,
        ignored: int | None,
    ) -> tuple[FrameMemory, MaskPrediction]:
        """Segment from clicks and boxes, with what is remembered if the frame was tracked.

        Parameters
        ----------
        bank, frame
            The object's memories, and where it is prompted.
        said
            All clicks and box corners of this frame.
        previous
            An earlier answer to refine.
        ignored
            A frame not to remember: the one whose prompts are replaced.
        """
        features, skips = self.embeddings[frame]
        direction = bank.directions.get(frame)
        if direction is not None and any(f != ignored for f in bank.prompted):
            selection = self.select(bank, frame, direction, ignored)
            features = self.model.attend_to_memory(features, self._memories([bank], selection))
        else:
            features = self.model.without_memory(features)
        mask_logits = None
        if previous is not None:
            mask_logits = previous.unpacked_logits()[None, None].to(self.model.device)
            mask_logits = mask_logits.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT)
        points, labels = said.points_xy[None], said.labels[None]
        # one click is ambiguous: choose among three masks (the reference's multimask_max_pt_num)
        answer = self.model.segment(
            features, skips, (points, labels), mask_logits, multimask=points.shape[1] <= 1
        )
        return self._to_host(answer, prompted=True)[0]

    def track(
        self, frame: int, banks: Sequence[MemoryBank], selection: Selection, way: Direction
    ) -> list[MaskPrediction]:
        """Find objects that remember the same frames in one more frame, and remember it.

        As many at a time as the device's memory allows.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one object fits.
        """
        predictions: list[MaskPrediction] = []
        while len(predictions) < len(banks):
            chunk = banks[len(predictions) : len(predictions) + self._at_once]
            try:
                predictions += self._track_chunk(frame, chunk, selection, way)
            except torch.OutOfMemoryError:
                if len(chunk) == 1:
                    raise
                self._at_once = len(chunk) // 2
                torch.cuda.empty_cache()
                logger.warning(
                    "The device's memory is full: going on with %d objects at a time", self._at_once
                )
        return predictions

    def _track_chunk(
        self, frame: int, banks: Sequence[MemoryBank], selection: Selection, way: Direction
    ) -> list[MaskPrediction]:
        embedding = self.embeddings[frame]
        memories = self._memories(banks, selection)
        features = self.model.attend_to_memory(embedding.features, memories)
        answer = self.model.segment(features, embedding.skips)
        spatial = self.model.encode_memory(
            embedding.features, answer.logits, answer.object_scores, binarize=False
        ).to(MEMORY_DTYPE)
        predictions = []
        for i, (memory, prediction) in enumerate(self._to_host(answer, prompted=False)):
            memory.spatial = spatial[i]
            banks[i].store(frame, memory, way)
            predictions.append(prediction)
        return predictions

    def select(
        self, bank: MemoryBank, frame: int, way: Direction, ignored: int | None = None
    ) -> Selection:
        """Choose what an object sees from a frame; equal choices can be tracked together."""
        return bank.select(frame, way, len(self.embeddings), self._max_prompted, ignored)

    def prediction(self, memory: FrameMemory) -> MaskPrediction:
        """Make the mask of what is known of a frame."""
        logits = memory.unpacked_logits()
        (mask,) = logits_to_masks(logits[None], self.embeddings.geometry)
        return MaskPrediction(mask, logits, memory.iou, memory.object_score)

    def _memories(self, banks: Sequence[MemoryBank], selection: Selection) -> Memories:
        """Gather the selected memories of objects that remember the same frames."""
        spatial = [
            _stack(self._spatial(bank, frame) for bank in banks) for frame, _ in selection.spatial
        ]
        pointers = [
            _stack(self._pointer(bank, frame) for bank in banks) for frame, _ in selection.pointers
        ]
        none = torch.empty(len(banks), 0, self.model.config.d_model, device=self.model.device)
        return Memories(
            spatial,
            [age for _, age in selection.spatial],
            torch.stack(pointers, dim=1) if pointers else none,
            [age for _, age in selection.pointers],
            min(len(self.embeddings), MAX_POINTERS) - 1,
        )

    def _spatial(self, bank: MemoryBank, frame: int) -> Tensor:
        """Get a frame's memory, encoding it from the frame's mask if it was let go."""
        memory = _known(bank, frame)
        if memory.spatial is None:
            scores = torch.tensor([memory.object_score], device=self.model.device)
            logits = memory.unpacked_logits()[None].to(self.model.device)
            features = self.embeddings[frame].features
            encoded = self.model.encode_memory(features, logits, scores, binarize=memory.prompted)
            memory.spatial = encoded[0].to(MEMORY_DTYPE)
        return memory.spatial

    def _pointer(self, bank: MemoryBank, frame: int) -> Tensor:
        memory = _known(bank, frame)
        if memory.device_pointer is None:
            memory.device_pointer = memory.pointer.to(self.model.device, self.model.dtype)
        return memory.device_pointer

    def _to_host(
        self, answer: Segmentation, prompted: bool
    ) -> list[tuple[FrameMemory, MaskPrediction]]:
        """Bring an answer to the host, as a memory and as a prediction of each object."""
        logits, pointers = answer.logits.cpu(), answer.pointers.float().cpu()
        numbers = torch.stack((answer.ious, answer.object_scores)).cpu()
        answers = []
        for i, (iou, score) in enumerate(numbers.T.tolist()):
            memory = FrameMemory(
                logits[i], iou, score, pointers[i], answer.pointers[i], prompted=prompted
            )
            answers.append((memory, self.prediction(memory)))
        return answers


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


def _known(bank: MemoryBank, frame: int) -> FrameMemory:
    memory = bank.remembered(frame)
    assert memory is not None, "only remembered frames are selected"
    return memory
