"""One step of an object's way: memories and a frame in, a mask and a new memory out."""

import logging
from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.crop_windows import CropPlan, join
from sam2_torch.inputs.frames import Box, Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.inputs.transforms import coarse_logits, logits_to_mask
from sam2_torch.memory.frame_memory import FrameMemory, PackedLogits
from sam2_torch.memory.memory_bank import Direction, MemoryBank, Selection
from sam2_torch.memory.memory_budget import objects_at_once
from sam2_torch.memory.memory_gathering import Recall
from sam2_torch.memory.pending_results import Arrival, ArrivingLogits, whole_logits
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import MaskPrompt
from sam2_torch.runtime.inference_steps import Said
from sam2_torch.sam2 import SAM2, ImageEmbedding, Segmentation

logger = logging.getLogger(__name__)

MAX_PREVIOUS_LOGIT = 32.0


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
    crops
        Which windows of large frames the network sees; None for whole frames.
    """

    def __init__(
        self,
        model: SAM2,
        embeddings: FrameEncoder,
        max_prompted: int | None,
        crops: CropPlan | None = None,
    ) -> None:
        self.model = model
        self.embeddings = embeddings
        self._steps, self._copies = embeddings.steps, embeddings.steps.copies
        self.recall = Recall(embeddings)
        self._crops = crops
        self._max_prompted = max_prompted
        self._at_once = objects_at_once(model.config, model.device, model.dtype)

    def segment_mask(self, frame: int, prompt: MaskPrompt, crop: Crop | None) -> FrameMemory:
        """Take a mask prompt as a frame's truth, as far as it is seen."""
        mask = self.embeddings.seen(crop).mask_to_input(prompt)
        answer = self.model.segment_from_mask(self.embeddings.embedding(frame, crop), mask)
        return self._on_its_way(answer, prompted=True, crop=crop)[0]

    def segment_points(
        self,
        bank: MemoryBank,
        frame: int,
        said: PromptPoints,
        previous: FrameMemory | None,
        ignored: int | None,
        crop: Crop | None,
    ) -> FrameMemory:
        """Segment from clicks and boxes, with what is remembered if the frame was tracked.

        Parameters
        ----------
        bank, frame
            The object's memories, and where it is prompted.
        said
            All clicks and box corners of this frame.
        previous
            An earlier answer to refine; one that was given in another crop is of no use.
        ignored
            A frame not to remember: the one whose prompts are replaced.
        crop
            What to look at.
        """
        embedding = self.embeddings.embedding(frame, crop)
        direction = bank.directions.get(frame)
        if direction is not None and any(f != ignored for f in bank.prompted):
            selection = self.select(bank, frame, direction, ignored)
            memories = self.recall.whole([bank], selection, crop)
            features = self._steps.attend(embedding, memories)
        else:
            features = self.model.without_memory(embedding.features)
        mask_logits = None
        if previous is not None and previous.crop == crop:
            mask_logits = previous.unpacked_logits()[None, None]
            mask_logits = mask_logits.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT)
        points = said.points_xy[None], said.labels[None]
        # one click is ambiguous: choose among three masks (the reference's multimask_max_pt_num)
        is_ambiguous = points[1].shape[1] <= 1
        answers = self._steps.answer(
            ImageEmbedding(features, embedding.skips), Said(points, mask_logits, is_ambiguous)
        )
        ranked = [self._on_its_way(each, prompted=True, crop=crop)[0] for each in answers]
        ranked[0].others = tuple(ranked[1:])
        return ranked[0]

    def track(
        self, frame: int, banks: Sequence[MemoryBank], selection: Selection, way: Direction
    ) -> None:
        """Find objects that remember the same frames in one more frame, and remember it.

        As many at a time as the device's memory allows. It need not be done with it yet.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one object fits.
        """
        windows = self._windows(frame, banks, selection)
        self.embeddings.prepare(frame, windows)
        for window in dict.fromkeys(windows):
            cohort = [bank for bank, its in zip(banks, windows, strict=True) if its == window]
            self._track_cohort(frame, cohort, selection, way, window)
        for bank in banks if self._crops is not None else ():
            memory = bank.known(frame)
            larger = self.enlarged(memory)
            if larger != memory.crop:
                self._track_cohort(frame, [bank], selection, way, larger)

    def choose_crop(
        self, box: Box | None, known: FrameMemory | None, others: Iterable[Crop | None]
    ) -> Crop | None:
        """Choose what to look at for what was said of an object.

        Parameters
        ----------
        box
            Where it was said to be, in image pixels; None if that was not said.
        known
            What is known of the object in this frame.
        others
            What is looked at for other objects.
        """
        if self._crops is None:
            return None
        if known is None:
            return self._crops.around(box or self._crops.centre, others)
        seen = self.recall.box_in_image(known)
        both = join(box, seen) if box is not None and seen is not None else box or seen
        return self._crops.follow(known.crop, both, others)

    def enlarged(self, memory: FrameMemory) -> Crop | None:
        """Choose what to look at in place of what cuts a mask off; the same if nothing does."""
        if self._crops is None:
            return memory.crop
        return self._crops.enlarged(memory.crop, self.recall.box_in_image(memory))

    def doubled(self, crop: Crop | None, memory: FrameMemory) -> Crop | None:
        """Choose a window that is twice as large."""
        box = self.recall.box_in_image(memory)
        if self._crops is None or crop is None or box is None:
            return crop
        return self._crops.doubled(crop, box)

    def _windows(
        self, frame: int, banks: Sequence[MemoryBank], selection: Selection
    ) -> list[Crop | None]:
        """Choose for each object the crop window to look for it in; None for the whole frame."""
        if self._crops is None:
            return [None] * len(banks)
        windows: list[Crop | None] = []
        for bank in banks:
            last = bank.known(_passed(selection, frame))
            box = self.recall.box_in_image(last)
            windows.append(self._crops.follow(last.crop, box, list(windows)))
        return windows

    def _track_cohort(
        self,
        frame: int,
        banks: Sequence[MemoryBank],
        selection: Selection,
        way: Direction,
        crop: Crop | None,
    ) -> None:
        """Track objects that are seen in the same window, as many at a time as fit."""
        embedding = self.embeddings.embedding(frame, crop)
        done = 0
        while done < len(banks):
            chunk = banks[done : done + self._at_once]
            try:
                memories = self.recall.whole(chunk, selection, crop)
                answer, spatial = self._steps.follow(embedding, memories)
            except torch.OutOfMemoryError:
                if len(chunk) == 1:
                    raise
                self._at_once = len(chunk) // 2
                torch.cuda.empty_cache()
                logger.warning(
                    "The device's memory is full: going on with %d objects at a time", self._at_once
                )
                continue
            done += len(chunk)
            found = self._on_its_way(answer, prompted=False, crop=crop)
            for bank, memory, its in zip(chunk, found, spatial, strict=True):
                memory.spatial = its
                bank.store(frame, memory, way)

    def select(
        self, bank: MemoryBank, frame: int, way: Direction, ignored: int | None = None
    ) -> Selection:
        """Choose what an object sees from a frame; equal choices can be tracked together."""
        return bank.select(frame, way, len(self.embeddings), self._max_prompted, ignored)

    def prediction(self, memory: FrameMemory) -> MaskPrediction:
        """Make the mask of what is known of a frame."""
        logits, box = memory.unpacked_logits(), memory.box
        seen = self.embeddings.seen(memory.crop)
        mask, coarse = logits_to_mask(logits, seen, box), coarse_logits(logits, seen, box)
        return MaskPrediction(mask, logits, memory.iou, memory.object_score, coarse)

    def _on_its_way(
        self, answer: Segmentation, prompted: bool, crop: Crop | None
    ) -> list[FrameMemory]:
        """Begin to bring the answer for each object to the host."""
        arrival = Arrival(self._copies, answer, self._send(answer.logits, prompted))
        memories = []
        for i, pointer in enumerate(answer.pointers):
            memory = FrameMemory.arriving(partial(arrival.found, i), pointer)
            memory.prompted, memory.crop = prompted, crop
            memories.append(memory)
        return memories

    def _send(self, logits: Tensor, prompted: bool) -> ArrivingLogits:
        """Begin to bring logits to the host; those that no one may refine soon, as few bytes."""
        whole = prompted or logits.device.type == "cpu"
        send = whole_logits if whole else PackedLogits.send_all
        return send(logits, self._copies)


def _passed(selection: Selection, frame: int) -> int:
    """Find the frame that an object came from: the last one passed, or the nearest prompted."""
    passed = [(age, seen) for seen, age in selection.spatial if age > 0]
    if passed:
        return min(passed)[1]
    return min((seen for seen, _ in selection.spatial), key=lambda seen: abs(seen - frame))
