"""Segment objects in one image."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.inputs.transforms import Contrast, make_prediction
from sam2_torch.masks import bounding_box
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import MaskPrompt, Prompt
from sam2_torch.runtime.inference_steps import PromptTensors
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import SAM2

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

    Raises
    ------
    ValueError
        If it is no image.
    """

    def __init__(self, model: SAM2 | SAM1, image: Any, *, contrast: Contrast | None = None) -> None:
        self.model = model
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
            Points, a box, points in a box, or a mask, which is refined.
        multimask
            Whether to give three candidates (whole, part, sub-part) instead of one; by
            default for a single click, which is ambiguous.
        mask_logits
            (h, w) logits of an earlier prediction to refine.

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
        points = None
        if others:
            clicks = PromptPoints.of(others, geometry)
            points = clicks.points_xy[None], clicks.labels[None]
        if multimask is None:
            multimask = points is not None and points[1].shape[1] == 1 and mask_logits is None
        previous = None if mask_logits is None else mask_logits[None, None]
        tensors = PromptTensors(points, previous, multimask)
        decoded = self._embeddings.steps.decode(self._embeddings[0], tensors)
        order = decoded.ious[0].argsort(descending=True)
        logits = decoded.logits[0, order].float().cpu()
        score = float(decoded.object_scores[0, 0])
        predictions = [
            make_prediction(one, geometry, iou, score, bounding_box(one.numpy() > 0))
            for one, iou in zip(logits, decoded.ious[0, order].tolist(), strict=True)
        ]
        return [
            replace(each, logits=each.logits.clamp(-MAX_LOGIT, MAX_LOGIT)) for each in predictions
        ]
