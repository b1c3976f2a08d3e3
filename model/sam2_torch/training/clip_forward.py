"""Run clips through the network with gradients, as a session does, for whole batches.

Prompts differ from object to object, the prompted frames do not. All objects of all clips
therefore attend to memories of the same frames, and go through the network together.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_torch.memory.selection import Selection, select_memories
from sam2_torch.nn.mask_decoder import DecodedMasks
from sam2_torch.sam2 import (
    MAX_POINTERS,
    SAM2,
    ImageEmbedding,
    Memories,
    Segmentation,
    no_points,
)
from sam2_torch.sessions.tracker import MAX_PREVIOUS_LOGIT
from sam2_torch.training.data.batches import Batch
from sam2_torch.training.simulated_prompts import Points, Prompter, PromptPlan


@dataclass(frozen=True, eq=False)
class Answer:
    """Prediction for a frame, after the last of its prompts or after one of them.

    Parameters
    ----------
    frame
        Index in the clip.
    decoded
        All candidates, for the losses.
    chosen
        The mask that memories are made of.
    """

    frame: int
    decoded: DecodedMasks
    chosen: Segmentation


class ClipRun:
    """The clips of one batch, going through the network.

    Parameters
    ----------
    model
        In training mode, so that the single mask is not replaced by another candidate.
    batch
        On the model's device.
    plan
        Which frames are prompted, and how.
    prompter
        Draws the prompts.

    Attributes
    ----------
    embedding
        Of all frames, clip by clip.
    answers
        What `run` predicted.
    """

    def __init__(self, model: SAM2, batch: Batch, plan: PromptPlan, prompter: Prompter) -> None:
        self._model = model
        self._batch = batch
        self._plan = plan
        self._prompter = prompter
        self.embedding = model.encode_image(batch.inputs())  # of all frames of all clips
        self._prompted: set[int] = set()
        self._spatial: dict[int, Tensor] = {}
        self._pointers: dict[int, Tensor] = {}
        self.answers: list[Answer] = []

    def run(self) -> list[Answer]:
        """Process all frames; one answer for each frame, and one more for each correction.

        A frame of a clip with a mask prompt has none: its mask is not the network's.
        """
        for frame in self._plan.prompted:
            self._prompt(frame)
        for frame in range(self._batch.n_frames):
            if frame not in self._plan.prompted:
                self._track(frame)
        return self.answers

    def _prompt(self, frame: int) -> None:
        embedding = self._at(frame)
        if self._plan.kind == "mask" and self._batch.n_frames > 1:
            chosen = self._model.segment_from_mask(embedding, self._batch.masks(frame))
        else:
            features = self._model.without_memory(embedding.features)
            prompted = ImageEmbedding(features, embedding.skips)
            truth = self._batch.truth(frame)
            if self._plan.kind == "mask":
                points, previous = self._rough_mask(truth)
            else:
                points, previous = self._prompter.first(self._plan.kind, truth), None
            chosen = self._segment(frame, prompted, points, previous)
            chosen = self._correct(frame, prompted, chosen, points)
        self._store_memory(frame, chosen, prompted=True)

    def _rough_mask(self, truth: Tensor) -> tuple[Points | None, Tensor]:
        """Draw rough masks as logits, half of the time together with a first correction."""
        rough = self._prompter.rough_masks(truth)
        click = self._prompter.click(rough - 0.5, truth) if self._prompter.toss() else None
        return click, self._model.mask_to_logits(rough[:, None])[:, 0]

    def _track(self, frame: int) -> None:
        embedding = self._at(frame)
        selection = select_memories(
            frame, "forward", self._batch.n_frames, self._prompted, self._pointers
        )
        memories = self._memories(selection)
        seen = ImageEmbedding(
            self._model.attend_to_memory(embedding.features, memories), embedding.skips
        )
        chosen = self._segment(frame, seen, None, None)
        corrected = frame in self._plan.corrected
        if corrected:
            chosen = self._correct(frame, seen, chosen, None)
        self._store_memory(frame, chosen, prompted=corrected)

    def _correct(
        self, frame: int, seen: ImageEmbedding, chosen: Segmentation, points: Points | None
    ) -> Segmentation:
        """Click into the errors, if the plan has corrections of the frame."""
        for _ in range(self._plan.clicks if frame in self._plan.corrected else 0):
            logits, truth = chosen.logits.detach(), self._batch.truth(frame)
            stretched = F.interpolate(logits[:, None], size=truth.shape[-2:], mode="bilinear")
            click = self._prompter.click(stretched[:, 0], truth)
            points = click if points is None else _joined(points, click)
            chosen = self._segment(frame, seen, points, logits)
        return chosen

    def _segment(
        self, frame: int, seen: ImageEmbedding, points: Points | None, previous: Tensor | None
    ) -> Segmentation:
        if previous is not None:
            previous = previous[:, None].clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT)
        only_mask = points is None and previous is not None
        multimask = not only_mask and (points is None or points[1].shape[1] <= 1)
        given = points or no_points(self._batch.n_objects, self._batch.owner.device)
        decoded = self._model.decode_masks(seen.features, seen.skips, given, previous, multimask)
        chosen = self._model.choose(decoded)
        self.answers.append(Answer(frame, decoded, chosen))
        return chosen

    def _store_memory(self, frame: int, chosen: Segmentation, prompted: bool) -> None:
        if prompted:
            self._prompted.add(frame)
        self._pointers[frame] = chosen.pointers
        if self._batch.n_frames > 1:
            self._spatial[frame] = self._model.encode_memory(
                self._at(frame).features, chosen.logits, chosen.object_scores, binarize=prompted
            )

    def _memories(self, selection: Selection) -> Memories:
        return Memories(
            [self._spatial[frame] for frame, _ in selection.spatial],
            [age for _, age in selection.spatial],
            torch.stack([self._pointers[frame] for frame, _ in selection.pointers], dim=1),
            [age for _, age in selection.pointers],
            min(self._batch.n_frames, MAX_POINTERS) - 1,
        )

    def _at(self, frame: int) -> ImageEmbedding:
        """Return the features of a frame for each object."""
        rows = self._batch.owner * self._batch.n_frames + frame
        features, skips = self.embedding
        return ImageEmbedding(features[rows], (skips[0][rows], skips[1][rows]))


def _joined(before: Points, click: Points) -> Points:
    return torch.cat((before[0], click[0]), dim=1), torch.cat((before[1], click[1]), dim=1)
