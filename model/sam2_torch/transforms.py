"""Between the image and the network: intensities, sizes, and the only axis flip (yx to xy)."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from sam2_torch.config import SAM2Config
from sam2_torch.frames import Frames, check_frame, sample_pixels
from sam2_torch.predictions import SparseMask
from sam2_torch.prompts import MaskPrompt

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as the released models were trained
STD = (0.229, 0.224, 0.225)
PERCENTILES = (0.1, 99.9)
SAMPLED_FRAMES = 8

Contrast: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class FrameGeometry:
    """How an image lies in the network's square input.

    Parameters
    ----------
    shape
        (H, W) of the image.
    size
        Side of the input.
    content
        Height and width that the image takes up in the input, from the top left corner.
    """

    shape: tuple[int, int]
    size: int
    content: tuple[int, int]

    @classmethod
    def fit(cls, shape: tuple[int, int], config: SAM2Config) -> "FrameGeometry":
        """Lay an image of (H, W) into a network's input."""
        size, longest = config.image_size, max(shape)
        if not config.keep_aspect:
            return cls(shape, size, (size, size))
        height, width = (max(1, round(side * size / longest)) for side in shape)
        return cls(shape, size, (height, width))

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Input pixels for one image pixel."""
        return self.content[0] / self.shape[0], self.content[1] / self.shape[1]

    def to_input_xy(self, points_yx: ArrayLike) -> Tensor:
        """Map (..., 2) image points (row, column) to input points (x, y), float32."""
        points = np.asarray(points_yx, dtype=np.float32) * np.array(self.scale_yx, np.float32)
        return torch.from_numpy(np.ascontiguousarray(points[..., ::-1]))

    def mask_to_input(self, prompt: MaskPrompt) -> Tensor:
        """Bring a mask of the image to the input, (1, 1, size, size) float32 of 0 and 1.

        Raises
        ------
        ValueError
            If the mask's shape is not the image's.
        """
        if prompt.mask.shape != self.shape:
            raise ValueError(
                f"mask: expected the image's shape {self.shape}, found {prompt.mask.shape}"
            )
        mask = torch.from_numpy(prompt.mask)[None, None].float()
        mask = (_resize(mask, self.content) >= 0.5).float()
        return _pad(mask, self.size)


def _resize(image: Tensor, shape: tuple[int, int]) -> Tensor:
    if image.shape[-2:] == shape:
        return image
    return F.interpolate(image, size=shape, mode="bilinear", align_corners=False, antialias=True)


def _pad(image: Tensor, size: int) -> Tensor:
    return F.pad(image, (0, size - image.shape[-1], 0, size - image.shape[-2]))


def measure_contrast(frames: Frames) -> Contrast:
    """Choose the intensities that become black and white, constant over a movie.

    The percentiles 0.1 and 99.9 of a few evenly spread frames, each sampled on a grid;
    over all colours together.

    Raises
    ------
    ValueError
        If no sampled pixel is finite.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, SAMPLED_FRAMES).round().astype(int))
    samples = [sample_pixels(frames, t).astype(np.float64) for t in chosen.tolist()]
    values = np.concatenate(samples)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        raise ValueError(
            "image: expected numbers, found only NaN or infinity in the sampled frames"
        )
    low, high = np.percentile(values, PERCENTILES)
    return float(low), float(high)


def image_to_input(frame: Any, contrast: Contrast, config: SAM2Config) -> Tensor:
    """Bring one image to the network's input, (1, 3, size, size) float32.

    Parameters
    ----------
    frame
        (H, W) or (H, W, 3) of any real dtype; NaN becomes black.
    contrast
        Intensities that become 0 and 1; what lies outside is clipped.
    config
        Of the network.
    """
    pixels = check_frame(frame)
    low, high = contrast
    stretched = (pixels.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-12))
    stretched = np.clip(np.nan_to_num(stretched, copy=False, nan=0.0), 0.0, 1.0)
    image = torch.from_numpy(stretched)
    image = image.permute(2, 0, 1) if image.ndim == 3 else image[None]
    geometry = FrameGeometry.fit((pixels.shape[0], pixels.shape[1]), config)
    image = _resize(image[None], geometry.content)
    mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))
    return _pad((image - mean) / std, geometry.size)


def logits_to_masks(logits: Tensor, geometry: FrameGeometry) -> list[SparseMask]:
    """Threshold (N, h, w) logits at image resolution, one mask each.

    Notes
    -----
    Bilinear, as `F.interpolate` without aligned corners. Only the window of the image
    that the positive logits can reach is computed, which is the same and costs what the
    object covers.
    """
    return [_logits_to_mask(one, geometry) for one in logits.float().cpu()]


def _logits_to_mask(logits: Tensor, geometry: FrameGeometry) -> SparseMask:
    positive = logits > 0
    rows, columns = positive.any(1).nonzero()[:, 0], positive.any(0).nonzero()[:, 0]
    if len(rows) == 0:
        return SparseMask.empty(geometry.shape)
    stride = geometry.size / logits.shape[-1]
    window = logits
    origin = []
    for axis, reached in enumerate((rows, columns)):
        first, index, weight = _interpolation(
            (int(reached[0]), int(reached[-1])),
            geometry.shape[axis],
            geometry.scale_yx[axis] / stride,
            logits.shape[axis],
        )
        origin.append(first)
        low, high = window.index_select(axis, index[0]), window.index_select(axis, index[1])
        window = torch.lerp(low, high, weight[:, None] if axis == 0 else weight)
    return SparseMask.from_window(geometry.shape, (window > 0).numpy(), (origin[0], origin[1]))


def _interpolation(
    reached: tuple[int, int], n_pixels: int, scale: float, n_logits: int
) -> tuple[int, Tensor, Tensor]:
    """Find the image pixels that the logits of a range reach, and how to interpolate them.

    Returns the first pixel, the (2, P) neighbouring logits of each pixel and the (P,)
    weight of the second.
    """
    first = max(0, int((reached[0] - 0.5) / scale) - 1)
    last = min(n_pixels, int((reached[1] + 1.5) / scale) + 2)
    source = ((torch.arange(first, last, dtype=torch.float32) + 0.5) * scale - 0.5).clamp(min=0)
    low = source.floor().long().clamp(max=n_logits - 1)
    return first, torch.stack((low, (low + 1).clamp(max=n_logits - 1))), source - low
