"""Rank objects by words, with a CLIP-type model of `transformers`.

Notes
-----
SAM's own text prompts were never released. Radford et al. 2021 (arXiv 2103.00020). Models trained
on everyday pictures know little of microscopy: their order is a suggestion.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.automatic.options import TEXT_MODEL
from sam2_torch.inputs.frames import check_frame
from sam2_torch.inputs.transforms import Contrast
from sam2_torch.masks import SparseMask

MEAN, STD = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)
"""Of the colours that CLIP was trained on."""

SENTENCE = "a microscopy image of {}"
OTHERWISE = "something else"
MARGIN = 0.2  # of an object's sides, around it
DIMMED = 0.3  # brightness of what is around the object
BATCH = 32


class Words:
    """Compare objects of images with words.

    Parameters
    ----------
    words
        What is wanted; after commas what else there is ("dividing cell, resting cell").
    model
        Name on the Hugging Face Hub, or folder, of a CLIP-type model.
    device
        Where it runs.
    least
        Least similarity of what fits the words, 0 to 1.

    Raises
    ------
    ValueError
        If there are no words, `transformers` is not installed, or the model cannot be loaded.
    """

    def __init__(
        self,
        words: str,
        model: str | Path = TEXT_MODEL,
        device: torch.device | str = "cpu",
        least: float = 0.5,
    ) -> None:
        self._least = least
        wanted = [word.strip() for word in words.split(",") if word.strip()]
        if not wanted:
            raise ValueError("words: expected what to look for, found nothing")
        self._network, tokenizer = _load(model)
        self._network.to(device).eval()
        self._device = torch.device(device)
        sentences = [SENTENCE.format(word) for word in (*wanted, OTHERWISE)]
        with torch.inference_mode():
            tokens = tokenizer(sentences, padding=True, return_tensors="pt").to(device)
            self._texts = _unit(self._network.get_text_features(**tokens))  # (W, D)

    @torch.inference_mode()
    def similarities(
        self, image: NDArray[Any], masks: Sequence[SparseMask], contrast: Contrast
    ) -> NDArray[np.float32]:
        """Return how well masks fit the first of the words rather than the others, (N,), 0 to 1.

        Parameters
        ----------
        image
            (H, W) or (H, W, 3).
        masks
            Of objects in the image.
        contrast
            Intensities that become black and white.
        """
        if not masks:
            return np.zeros(0, np.float32)
        pixels = _shown(image, contrast)
        size = self._network.config.vision_config.image_size
        views = torch.stack([_view(pixels, mask, size) for mask in masks])
        mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))
        features = [
            _unit(self._network.get_image_features(pixel_values=part.to(self._device)))
            for part in ((views - mean) / std).split(BATCH)
        ]
        scale = self._network.logit_scale.exp()
        shares = (scale * torch.cat(features) @ self._texts.T).softmax(dim=1)
        return np.asarray(shares[:, 0].float().cpu().numpy())

    def fitting(
        self, image: NDArray[Any], masks: Sequence[SparseMask], contrast: Contrast
    ) -> list[int]:
        """Return the indices of the masks that fit the words, best first; as `similarities`."""
        fits = self.similarities(image, masks, contrast)
        return [i for i in np.argsort(-fits, kind="stable").tolist() if fits[i] >= self._least]


def _load(model: str | Path) -> tuple[Any, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ValueError(
            'words: expected the package transformers, found none; pip install "napari-sam2[words]"'
        ) from error
    try:
        network = AutoModel.from_pretrained(model)
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise ValueError(f"words: {model} cannot be loaded: {error}") from error
    if not hasattr(network, "get_image_features") or not hasattr(network, "get_text_features"):
        raise ValueError(
            f"words: expected a model of images and texts as CLIP, found {model}, which is "
            f"{type(network).__name__}"
        )
    return network, tokenizer


def _shown(image: NDArray[Any], contrast: Contrast) -> Tensor:
    """Return an image as colours, (3, H, W), 0 to 1."""
    pixels = torch.from_numpy(check_frame(image).astype(np.float32))
    low, high = contrast
    colours = ((pixels - low) / max(high - low, 1e-12)).nan_to_num(0.0).clamp(0.0, 1.0)
    return colours.permute(2, 0, 1) if colours.ndim == 3 else colours.expand(3, -1, -1)


def _view(pixels: Tensor, mask: SparseMask, size: int) -> Tensor:
    """Cut out a square with an object in its middle, dimmed around it, (3, size, size)."""
    y0, x0, y1, x1 = mask.box
    side = math.ceil((1 + 2 * MARGIN) * max(y1 - y0, x1 - x0))
    wanted = [((a + b - side) // 2, n) for a, b, n in ((y0, y1, 0), (x0, x1, 1))]
    inside = [slice(max(0, first), min(mask.shape[n], first + side)) for first, n in wanted]
    own = torch.from_numpy(mask.part(*inside))
    window = pixels[:, inside[0], inside[1]] * torch.where(own, 1.0, DIMMED)
    (top, _), (left, _) = wanted
    before = max(0, -left), max(0, -top)
    after = (side - window.shape[n] - first for n, first in ((2, before[0]), (1, before[1])))
    right, below = after
    square = F.pad(window, (before[0], right, before[1], below))
    return F.interpolate(square[None], size=(size, size), mode="bilinear", antialias=True)[0]


def _unit(features: Any) -> Tensor:
    """Return features of unit length, whichever output they come in."""
    tensor = features if isinstance(features, Tensor) else features.pooler_output
    return F.normalize(tensor.float(), dim=-1)
