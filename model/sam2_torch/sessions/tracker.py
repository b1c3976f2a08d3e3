"""Segment objects on one frame: from prompts, or from their memories."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.crop_windows import CropWindows, join
from sam2_torch.inputs.frames import Box, Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.inputs.transforms import fit_logits, make_prediction
from sam2_torch.masks import SparseMask
from sam2_torch.memory.frame_memory import FrameMemory, fetch_answers
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.memory_budget import objects_at_once
from sam2_torch.memory.memory_choice import RecentFrames
from sam2_torch.memory.memory_gathering import MemoryGatherer
from sam2_torch.memory.selection import Direction, Selection
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import MaskPrompt, Prompt
from sam2_torch.runtime.inference_steps import InferenceSteps, PromptTensors
from sam2_torch.sam2 import ImageEmbedding, Segmentation
from sam2_torch.sessions.refinement import refine, without_specks

logger = logging.getLogger(__name__)

MAX_PREVIOUS_LOGIT = 32.0


class Tracker:
    """The network at work on one movie; it keeps nothing but what it puts into memory banks.

    Parameters
    ----------
    steps
        Of the network.
    embeddings
        The movie's image embeddings.
    choice
        Which memories an object attends to.
    crops
        Crop windows on large frames; None for whole frames.
    flips
        Whether to average over flips of prompted frames, where no memory is attended to.
    specks
        Share of the area below which pieces and holes of tracked masks are removed; 0 for none.
    """

    def __init__(
        self,
        steps: InferenceSteps,
        embeddings: FrameEncoder,
        choice: RecentFrames,
        crops: CropWindows | None = None,
        flips: bool = False,
        specks: float = 0.0,
    ) -> None:
        self.model = steps.model
        self._flips, self._specks = flips, specks
        self._steps, self._embeddings = steps, embeddings
        self._choice, self._crops = choice, crops
        self._gatherer = MemoryGatherer(steps, embeddings)
        self.box_in_image = self._gatherer.box_in_image
        self._at_once = objects_at_once(self.model.config, self.model.device, self.model.dtype)

    def segment_mask(self, frame: int, prompt: MaskPrompt, crop: Crop | None) -> list[FrameMemory]:
        """Take a mask prompt as a frame's truth, as far as the crop window shows it."""
        mask = self._embeddings.geometry_of(crop).mask_to_input(prompt)
        found = self.model.segment_from_mask(self._embeddings.embedding(frame, crop), mask)
        return self._fetch(found, crop, prompted=True)

    def segment_points(  # what is known, and what is asked
        self,
        bank: MemoryBank,
        frame: int,
        points: PromptPoints,
        previous: FrameMemory | None,
        excluded: int | None,
        crop: Crop | None,
    ) -> list[FrameMemory]:
        """Segment from clicks and boxes, and from memories if the frame was tracked.

        Parameters
        ----------
        bank, frame
            The object's memories, and where it is prompted.
        points
            All clicks and box corners of this frame.
        previous
            An earlier answer to refine; one in another crop window is not used.
        excluded
            A frame that is no memory: the one whose prompts are replaced.
        crop
            The crop window to segment in.

        Returns
        -------
        list of FrameMemory
            All candidates, the best first.
        """
        embedding = self._embeddings.embedding(frame, crop)
        direction = bank.directions.get(frame)
        if direction is not None and any(f != excluded for f in bank.prompted):
            selection = self._choice.select(bank, frame, direction, excluded)
            features = self._steps.attend(embedding, self._gatherer.gather([bank], selection, crop))
        else:
            if self._flips:
                embedding = self._embeddings.flipped(frame, crop)
            features = self.model.without_memory(embedding.features)
        mask_logits = None
        if previous is not None and previous.crop == crop:
            mask_logits = previous.result().unpacked_logits()[None, None]  # (1, 1, h, w)
            mask_logits = mask_logits.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT)
        # one click is ambiguous: choose among three masks (the reference's multimask_max_pt_num)
        is_ambiguous = len(points.labels) <= 1
        prompts = PromptTensors(
            (points.points_xy[None], points.labels[None]), mask_logits, is_ambiguous
        )
        answers = self._steps.answer(ImageEmbedding(features, embedding.skips), prompts)
        return [self._fetch(each, crop, prompted=True)[0] for each in answers]

    @torch.inference_mode()
    def track(
        self, frame: int, banks: Mapping[int, MemoryBank], direction: Direction
    ) -> dict[int, FrameMemory]:
        """Segment objects in one more frame, and put the result into their memory banks.

        Prompted frames keep their masks. Objects with equal memories go through the network
        together, as many at a time as the device's memory allows. The device may still be
        computing when this returns.

        Parameters
        ----------
        frame, direction
            Which frame, and the direction of the propagation.
        banks
            Memory banks by object id.

        Returns
        -------
        dict of int to FrameMemory
            By object id, in the order of `banks`.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one object fits.
        """
        groups: dict[Selection, list[MemoryBank]] = {}
        for bank in banks.values():
            bank.commit()
            if frame in bank.prompted:
                bank.directions[frame] = direction
            else:
                selection = self._choice.select(bank, frame, direction)
                groups.setdefault(selection, []).append(bank)
        for selection, together in groups.items():
            crops = self._choose_crops(together, selection, frame)
            self._embeddings.prepare(frame, crops)
            for crop in dict.fromkeys(crops):
                group = [bank for bank, its in zip(together, crops, strict=True) if its == crop]
                self._track_together(frame, group, selection, direction, crop)
            for bank in together if self._crops is not None else ():
                larger = self.enlarged(bank[frame])
                if larger != bank[frame].crop:
                    self._track_together(frame, [bank], selection, direction, larger)
        return {object_id: bank[frame] for object_id, bank in banks.items()}

    def _track_together(
        self,
        frame: int,
        banks: Sequence[MemoryBank],
        selection: Selection,
        direction: Direction,
        crop: Crop | None,
    ) -> None:
        """Track objects with equal memories in one crop window, as many at a time as fit."""
        embedding = self._embeddings.embedding(frame, crop)
        done = 0
        while done < len(banks):
            batch = banks[done : done + self._at_once]
            try:
                memories = self._gatherer.gather(batch, selection, crop)
                found, spatial = self._steps.track(embedding, memories)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self._at_once = len(batch) // 2
                torch.cuda.empty_cache()
                logger.warning(
                    "The device's memory is full: going on with %d objects at a time", self._at_once
                )
                continue
            done += len(batch)
            fetched = self._fetch(found, crop, prompted=False)
            for bank, memory, its in zip(batch, fetched, spatial, strict=True):
                memory.spatial = its
                bank.tracked[frame], bank.directions[frame] = memory, direction
                self._choice.release(bank, frame)

    def _fetch(
        self, found: Segmentation, crop: Crop | None, *, prompted: bool
    ) -> list[FrameMemory]:
        """Make the memories of N objects, whose answers are on their way to the host."""
        # logits of a device that will hardly be refined are packed there: fewer bytes to copy
        packed = not prompted and found.logits.device.type != "cpu"
        answers = fetch_answers(found, self._steps.copies, packed=packed)
        return [
            FrameMemory(answer, crop, prompted, pointer)
            for answer, pointer in zip(answers, found.pointers, strict=True)
        ]

    @torch.inference_mode()
    def prediction(self, memory: FrameMemory) -> MaskPrediction:
        """Make the mask of a frame in image pixels, or take the finer one that is known."""
        answer = memory.result()
        logits, scores = answer.unpacked_logits(), (answer.iou, answer.object_score)
        geometry = self._embeddings.geometry_of(memory.crop)
        found = make_prediction(logits, geometry, *scores, answer.box)
        if memory.mask is not None:
            return replace(found, sparse=memory.mask)
        if memory.prompted or not self._specks:
            return found
        return replace(found, sparse=without_specks(found.sparse, self._specks))

    def refined(
        self,
        memory: FrameMemory,
        prompts: Sequence[Prompt],
        present: FrameMemory | None,
        is_given: bool,
    ) -> FrameMemory:
        """Refine the answer to prompts, with logits that agree with the refined mask.

        Parameters
        ----------
        memory
            The network's answer.
        prompts
            All prompts of the object on the frame.
        present
            The mask that these correct; None to start afresh.
        is_given
            Whether that is a mask that the user gave.
        """
        found = self.prediction(memory).sparse
        before = None if present is None else self.prediction(present).sparse
        mask = refine(found, prompts, before, is_given)
        if mask.equals(found):
            return memory
        answer, geometry = memory.result(), self._embeddings.geometry_of(memory.crop)
        if present is not None and mask and answer.object_score <= 0:
            answer = present.result()  # the object is there, whatever the network takes it for
        logits = fit_logits(memory.result().unpacked_logits(), mask, geometry)
        answer = answer._replace(logits=logits.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT))
        return FrameMemory(answer, memory.crop, True, self._steps.upload(answer.pointer), mask=mask)

    def absent(self) -> MaskPrediction:
        """Make the mask of an object that is not looked for."""
        side = self.model.config.logits_size
        empty = SparseMask.empty(self._embeddings.geometry.image_shape)
        return MaskPrediction(empty, torch.full((side, side), -10.0), 0.0, -10.0)

    def choose_crop(
        self, box: Box | None, previous: FrameMemory | None, others: Iterable[Crop | None]
    ) -> Crop | None:
        """Choose a crop window for the prompts of an object.

        Parameters
        ----------
        box
            Around the prompts, in image pixels; None if they do not say where the object is.
        previous
            The object's mask in this frame so far.
        others
            Crop windows of other objects, which are taken if they suit.
        """
        if self._crops is None:
            return None
        if previous is None:
            return self._crops.around(box or self._crops.centre, others)
        mask_box = self.box_in_image(previous)
        both = join(box, mask_box) if box is not None and mask_box is not None else box or mask_box
        return self._crops.next(previous.crop, both, others)

    def enlarged(self, memory: FrameMemory) -> Crop | None:
        """Choose a window in place of one that cuts a mask off; the same if none does."""
        if self._crops is None:
            return memory.crop
        return self._crops.enlarged(memory.crop, self.box_in_image(memory))

    def doubled(self, crop: Crop | None, memory: FrameMemory) -> Crop | None:
        """Choose a window that is twice as large."""
        box = self.box_in_image(memory)
        if self._crops is None or crop is None or box is None:
            return crop
        return self._crops.doubled(crop, box)

    def _choose_crops(
        self, banks: Sequence[MemoryBank], selection: Selection, frame: int
    ) -> list[Crop | None]:
        """Choose the crop window of each object; None for the whole frame."""
        if self._crops is None:
            return [None] * len(banks)
        crops: list[Crop | None] = []
        for bank in banks:
            last = bank[selection.last(frame)]
            crops.append(self._crops.next(last.crop, self.box_in_image(last), list(crops)))
        return crops
