"""Segment objects in one image."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.inputs.transforms import (
    Contrast,
    coarse_logits,
    fit_logits,
    logits_to_masks,
    make_prediction,
)
from sam2_torch.masks import SparseMask, bounding_box
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import MaskPrompt, Prompt
from sam2_torch.runtime.inference_steps import PromptTensors
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.refinement import averages_flips, context, refine

MAX_LOGIT = 32.0


class ImageSession:
    """Segment objects in one image.

    Parameters
    ----------
    model
        From `load_sam2` or `load_model`.
    image
        (H, W) or (H, W, 3) of any real dtype; encoded at the first prediction, once.
    contrast
        Intensities that become black and white; if None, the percentiles 0.1 and 99.9.
    plain
        Whether to take the network's masks as they are, as the reference does, without
        `sam2_torch.sessions.refinement` and flips.
    flips
        Whether to average over the mirrored image, which is encoded four times then; by
        default on GPUs.

    Raises
    ------
    ValueError
        If it is no image.
    """

    def __init__(
        self,
        model: SAM2 | SAM1,
        image: Any,
        *,
        contrast: Contrast | None = None,
        plain: bool = False,
        flips: bool | None = None,
    ) -> None:
        self.model = model
        self._plain = plain
        self._flips = averages_flips(model.device, plain, flips)
        # of the network, only the methods that both families have are called here
        self._embeddings = FrameEncoder(cast("SAM2", model), [image], contrast)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self._embeddings.geometry.shape

    @torch.inference_mode()
    def predict(
        self,
        *prompts: Prompt,
        multimask: bool | None = None,
        mask_logits: Tensor | None = None,
    ) -> list[MaskPrediction]:
        """Segment one object.

        Parameters
        ----------
        prompts
            Points, a box, points in a box, or a mask, which the points correct. A mask by
            itself comes back as it is.
        multimask
            Whether to give three candidates (whole, part, sub-part) instead of one; by
            default for a single click, which is ambiguous.
        mask_logits
            (h, w) logits of an earlier prediction, which the points correct.

        Returns
        -------
        list of MaskPrediction
            Best first, by predicted IoU.

        Raises
        ------
        ValueError
            If nothing is prompted, or a prompt does not fit the image.

        Notes
        -----
        Reference: `SAM2ImagePredictor.predict`; as there, the object score empties no mask.
        """
        geometry = self._embeddings.geometry
        masks = [prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]
        others = [prompt for prompt in prompts if not isinstance(prompt, MaskPrompt)]
        if not prompts and mask_logits is None:
            raise ValueError("prompt: expected at least one, found none")
        if masks:
            mask = geometry.mask_to_input(masks[0]).to(self.model.device)
            mask_logits = self.model.mask_to_logits(mask)[0, 0]
        present = masks[0].sparse if masks else None
        if not masks and mask_logits is not None:
            present = logits_to_masks(mask_logits[None], geometry)[0]
        points = None
        if others:
            beside = () if self._plain else context(present, others, bool(masks))
            clicks = PromptPoints.of((*beside, *others), geometry)
            points = clicks.points_xy[None], clicks.labels[None]
        if multimask is None:
            multimask = points is not None and points[1].shape[1] == 1 and mask_logits is None
        previous = None if mask_logits is None else mask_logits[None, None]
        tensors = PromptTensors(points, previous, multimask)
        embedding = self._embeddings.flipped(0) if self._flips else self._embeddings[0]
        decoded = self._embeddings.steps.decode(embedding, tensors)
        order = decoded.ious[0].argsort(descending=True)
        logits = decoded.logits[0, order].float().cpu()
        score = float(decoded.object_scores[0, 0])
        return [
            self._prediction(one, iou, score, prompts, present)
            for one, iou in zip(logits, decoded.ious[0, order].tolist(), strict=True)
        ]

    def _prediction(
        self,
        logits: Tensor,
        iou: float,
        score: float,
        prompts: tuple[Prompt, ...],
        present: SparseMask | None,
    ) -> MaskPrediction:
        geometry = self._embeddings.geometry
        found = make_prediction(logits, geometry, iou, score, bounding_box(logits.numpy() > 0))
        limited = found.logits.clamp(-MAX_LOGIT, MAX_LOGIT)
        is_given = any(isinstance(prompt, MaskPrompt) for prompt in prompts)
        mask = found.sparse
        if not self._plain:
            mask = refine(mask, prompts, present, is_given)
        if mask.equals(found.sparse):
            return replace(found, logits=limited)
        limited = fit_logits(limited, mask, geometry)
        coarse = coarse_logits(limited, geometry, bounding_box(limited.numpy() > 0))
        return replace(found, sparse=mask, logits=limited, coarse=coarse)
