"""Find all objects that are similar to examples."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from sam2_torch.automatic.found_masks import AutomaticMask
from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Frames
from sam2_torch.inputs.transforms import Contrast, InputGeometry
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import MaskPrompt
from sam2_torch.sam2 import SAM2, ImageEmbedding

SIZE_WEIGHT = 0.5  # of a factor e in area, in units of the similarity


class Likeness:
    """Compare objects with examples by appearance, object pointer and size.

    Parameters
    ----------
    model
        From `load_sam2`.
    frames
        The movie, or a list of one image.
    contrast
        Intensities that become black and white; measured if None.

    Notes
    -----
    The appearance is the image embedding (strides 16 and 4), averaged over the mask, minus its
    average over the frame, which all of its objects share. Pointers are computed from the masks
    as prompts, so that those of examples and candidates have the same source.
    """

    def __init__(self, model: SAM2, frames: Frames, contrast: Contrast | None = None) -> None:
        self._model = model
        self._encoder = FrameEncoder(model, frames, contrast)
        self._examples: list[NDArray[np.float32]] = []
        self._areas: list[float] = []

    def add_examples(self, frame: int, masks: Sequence[SparseMask]) -> None:
        """Add objects of a frame as examples.

        Parameters
        ----------
        frame
            Index of the frame.
        masks
            Masks in image pixels.

        Raises
        ------
        ValueError
            If a mask is empty or not of the frame's shape.
        """
        for mask in masks:
            if not mask:
                raise ValueError("example: expected an object, found an empty mask")
        self._examples.extend(self.describe(frame, masks))
        self._areas.extend(mask.area for mask in masks)

    def similarities(self, frame: int, masks: Sequence[SparseMask]) -> NDArray[np.float32]:
        """Return the similarity of masks of a frame to the most similar example, (N,), 0 to 1.

        Raises
        ------
        ValueError
            If there is no example.
        """
        if not self._examples:
            raise ValueError("examples: expected at least one object, found none")
        if not masks:
            return np.zeros(0, np.float32)
        described = self.describe(frame, masks)  # (N, D), each part of unit length
        look = described @ np.stack(self._examples).T  # (N, E), -1 to 1
        areas = np.array([mask.area for mask in masks], np.float32)
        sizes = np.abs(np.log(areas[:, None] / np.array(self._areas, np.float32)))
        alike = np.clip(look, 0, 1) * np.exp(-SIZE_WEIGHT * sizes)
        return np.asarray(alike.max(axis=1), np.float32)

    @torch.inference_mode()
    def describe(self, frame: int, masks: Sequence[SparseMask]) -> NDArray[np.float32]:
        """Compute descriptors of objects of a frame, (N, D), of unit length."""
        embedding, geometry = self._encoder[frame], self._encoder.geometry
        rows = [self._describe(embedding, geometry, mask) for mask in masks]
        return torch.stack(rows).cpu().numpy()

    def _describe(
        self, embedding: ImageEmbedding, geometry: InputGeometry, mask: SparseMask
    ) -> torch.Tensor:
        pixels = geometry.mask_to_input(MaskPrompt(mask)).to(self._model.device)
        pointer = self._model.segment_from_mask(embedding, pixels).pointers[0].float()
        content = torch.zeros_like(pixels)
        content[..., : geometry.content[0], : geometry.content[1]] = 1
        parts = [
            _pooled(maps.float(), pixels) - _pooled(maps.float(), content)
            for maps in (embedding.features, *embedding.skips[:1])  # SAM 1 has no skips
        ]
        parts = [F.normalize(part, dim=0) for part in (*parts, pointer) if len(part)]
        return torch.cat(parts) / len(parts) ** 0.5


def find_alike(
    likeness: Likeness, frame: int, candidates: Sequence[AutomaticMask]
) -> list[tuple[AutomaticMask, float]]:
    """Sort the candidates of a frame by their similarity to the examples.

    Parameters
    ----------
    likeness
        With examples.
    frame
        Index of the candidates' frame.
    candidates
        Result of `segment_everything` there.

    Returns
    -------
    Candidates with their similarity, 0 to 1, most similar first.

    Raises
    ------
    ValueError
        If there is no example.
    """
    similarities = likeness.similarities(frame, [one.sparse for one in candidates])
    order = np.argsort(-similarities, kind="stable").tolist()
    return [(candidates[i], float(similarities[i])) for i in order]


def _pooled(maps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average (1, C, h, w) maps over a (1, 1, S, S) mask, (C,)."""
    weights = F.interpolate(mask, maps.shape[-2:], mode="area")[0, 0]
    return (maps[0] * weights).sum((1, 2)) / weights.sum().clamp(min=1e-6)
