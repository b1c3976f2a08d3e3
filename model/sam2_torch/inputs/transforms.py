"""Transforms between image and network: intensities, sizes, the only axis flip (yx to xy)."""

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sam2_torch.config import SAM2Config
from sam2_torch.inputs.frames import PERCENTILES as PERCENTILES
from sam2_torch.inputs.frames import Box, Crop, Window, check_frame
from sam2_torch.inputs.frames import Contrast as Contrast
from sam2_torch.inputs.frames import measure_contrast as measure_contrast
from sam2_torch.masks import SparseMask, bounding_box
from sam2_torch.predictions import LOGIT_STEP, MaskLogits, MaskPrediction
from sam2_torch.prompts import MaskPrompt
from sam2_torch.sam2 import MASK_LOGIT, mask_to_logits

LogitsBox: TypeAlias = tuple[int, int, int, int]
"""Rows and columns on the grid of the logits, (y0, x0, y1, x1), half open."""

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as the released models were trained
STD = (0.229, 0.224, 0.225)
FINER = 4  # how many pixels of a mask prompt stand for one of the input, at least


@dataclass(frozen=True)
class InputGeometry:
    """Place of an image, or a crop of it, in the network's square input.

    Parameters
    ----------
    shape
        (H, W) of the crop, or of the image.
    size
        Side of the input.
    content
        Height and width of the crop in the input, from the top left corner.
    image_shape
        (H, W) of the whole image.
    origin_yx
        First row and column of the crop in the image.
    """

    shape: tuple[int, int]
    size: int
    content: tuple[int, int]
    image_shape: tuple[int, int]
    origin_yx: tuple[int, int] = (0, 0)

    @classmethod
    def fit(
        cls, image_shape: tuple[int, int], config: SAM2Config, crop: Crop | None = None
    ) -> "InputGeometry":
        """Fit an image of (H, W), or a crop of it, into a network's input."""
        crop = crop or Crop((0, 0), image_shape)
        size, longest = config.image_size, max(crop.shape)
        content = (size, size)
        if config.keep_aspect:
            height, width = (max(1, round(side * size / longest)) for side in crop.shape)
            content = (height, width)
        return cls(crop.shape, size, content, image_shape, crop.origin_yx)

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Input pixels for one image pixel."""
        return self.content[0] / self.shape[0], self.content[1] / self.shape[1]

    def to_input_xy(self, points_yx: ArrayLike) -> Tensor:
        """Map (..., 2) image points (row, column) to input points (x, y), float32."""
        points = np.asarray(points_yx, np.float32) - np.array(self.origin_yx, np.float32)
        points = points * np.array(self.scale_yx, np.float32)
        return torch.from_numpy(np.ascontiguousarray(points[..., ::-1]))

    def shows(self, point_yx: tuple[float, float]) -> bool:
        """Return whether a point of the image is in the input."""
        return all(
            first <= place <= first + length
            for place, first, length in zip(point_yx, self.origin_yx, self.shape, strict=True)
        )

    def to_image_yx(self, points_xy: Tensor) -> NDArray[np.float32]:
        """Map (..., 2) input points (x, y) back to image points (row, column)."""
        points = points_xy.numpy()[..., ::-1] / np.array(self.scale_yx)
        return (points + np.array(self.origin_yx)).astype(np.float32)

    def box_in_image(self, box: tuple[int, int, int, int], n_logits: int) -> Box:
        """Map a box on a grid of `n_logits` squared over the input to image pixels."""
        stride = self.size / n_logits
        (y, x), (scale_y, scale_x) = self.origin_yx, self.scale_yx
        y0, x0, y1, x1 = (stride * side for side in box)
        return y + y0 / scale_y, x + x0 / scale_x, y + y1 / scale_y, x + x1 / scale_x

    def mask_to_input(self, prompt: MaskPrompt) -> Tensor:
        """Resample a mask of the image to the input, (1, 1, size, size) float32 of 0 and 1.

        Raises
        ------
        ValueError
            If the mask's shape is not the image's.
        """
        if prompt.sparse.shape != self.image_shape:
            raise ValueError(
                f"mask: expected the image's shape {self.image_shape}, found {prompt.sparse.shape}"
            )
        window = Crop(self.origin_yx, self.shape).window
        # of a frame far larger than the input, a coarser mask: it need not fit in memory
        block = min(n // wanted for n, wanted in zip(self.shape, self.content, strict=True))
        seen = _coverage(prompt.sparse, window, max(1, block // FINER))
        mask = torch.from_numpy(seen)[None, None]
        mask = (_resize(mask, self.content) >= 0.5).float()
        return _pad(mask, self.size)


def _coverage(mask: SparseMask, window: Window, block: int) -> NDArray[np.float32]:
    """Return the share of each square of `block` pixels that a mask covers, 0 to 1."""
    if block == 1:
        return mask.part(*window).astype(np.float32)
    shape = tuple(-(-(part.stop - part.start) // block) for part in window)
    coverage = np.zeros(shape, np.float32)
    # whole squares around the mask, counted from the window's first pixel
    spans = [
        (max(0, (own.start - part.start) // block), min(n, -(-(own.stop - part.start) // block)))
        for own, part, n in zip(mask.slices, window, shape, strict=True)
    ]
    if all(first < stop for first, stop in spans):
        here = [
            slice(part.start + first * block, part.start + stop * block)
            for part, (first, stop) in zip(window, spans, strict=True)
        ]
        (y0, y1), (x0, x1) = spans
        squares = mask.part(here[0], here[1]).reshape(y1 - y0, block, x1 - x0, block)
        coverage[y0:y1, x0:x1] = squares.mean((1, 3))
    return coverage


def _resize(image: Tensor, shape: tuple[int, int]) -> Tensor:
    if image.shape[-2:] == shape:
        return image
    return F.interpolate(image, size=shape, mode="bilinear", align_corners=False, antialias=True)


def _pad(image: Tensor, size: int) -> Tensor:
    return F.pad(image, (0, size - image.shape[-1], 0, size - image.shape[-2]))


def image_to_input(
    frame: Any,
    contrast: Contrast,
    config: SAM2Config,
    content: tuple[int, int] | None = None,
) -> Tensor:
    """Scale and normalise one image to the network's input, (1, 3, size, size) float32.

    Parameters
    ----------
    frame
        (H, W) or (H, W, 3) of any real dtype; NaN becomes black.
    contrast
        Intensities that become 0 and 1; what lies outside is clipped.
    config
        Of the network.
    content
        Height and width to take up in the input, if `frame` is not of full resolution.
    """
    pixels = torch.from_numpy(check_frame(frame).astype(np.float32))
    return pixels_to_input(pixels, contrast, config, content)


def pixels_to_input(
    pixels: Tensor,
    contrast: Contrast,
    config: SAM2Config,
    content: tuple[int, int] | None = None,
) -> Tensor:
    """Scale and normalise one image on its device, as `image_to_input`.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3) float32, changed in place.
    contrast, config, content
        As there.
    """
    low, high = contrast
    stretched = pixels.sub_(low).div_(max(high - low, 1e-12))
    image = stretched.nan_to_num_(nan=0.0).clamp_(0.0, 1.0)
    if content is None:
        content = InputGeometry.fit((pixels.shape[0], pixels.shape[1]), config).content
    image = image.permute(2, 0, 1) if image.ndim == 3 else image[None]
    image = _resize(image[None], content)
    mean, std = _normalisation(image.device)
    return _pad((image - mean) / std, config.image_size)


@cache
def _normalisation(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, (3, 1, 1)."""
    with torch.inference_mode(False):  # kept: training may ask for it next
        mean, std = (torch.tensor(value, device=device)[:, None, None] for value in (MEAN, STD))
    return mean, std


def relay(
    maps: Tensor, old: InputGeometry, new: InputGeometry, moved_yx: tuple[float, float] = (0, 0)
) -> Tensor:
    """Resample a map of one crop of an image to another crop.

    Parameters
    ----------
    maps
        (C, h, h) over the input of the old crop.
    old, new
        The crops.
    moved_yx
        How far to move it on top of that, in image pixels.

    Returns
    -------
    (C, h, h) over the input of the new crop; border values beyond the old one.
    """
    axes = []
    for axis in (1, 0):  # x before y, as grid_sample has it
        ratio = old.scale_yx[axis] / new.scale_yx[axis]
        shift = (new.origin_yx[axis] - old.origin_yx[axis] - moved_yx[axis]) * old.scale_yx[axis]
        # on both inputs -1 is the first edge and 1 the last one
        axes.append((ratio, 2 * shift / old.size + ratio - 1))
    (scale_x, shift_x), (scale_y, shift_y) = axes
    theta = torch.tensor([[scale_x, 0, shift_x], [0, scale_y, shift_y]], device=maps.device)
    grid = F.affine_grid(theta[None], [1, *maps.shape], align_corners=False)
    laid = F.grid_sample(maps[None].float(), grid, padding_mode="border", align_corners=False)
    return laid[0].to(maps.dtype)


def make_prediction(
    logits: Tensor,
    geometry: InputGeometry,
    iou: float,
    object_score: float,
    box: LogitsBox | None,
) -> MaskPrediction:
    """Return the mask of one object in image pixels, with its scores.

    Parameters
    ----------
    logits
        (h, w) float32 on the host.
    geometry
        How the image lies in the network's input.
    iou, object_score
        Of the prediction.
    box
        Rows and columns of the positive logits, (y0, x0, y1, x1), half open; None without any.
    """
    mask, coarse = logits_to_mask(logits, geometry, box), coarse_logits(logits, geometry, box)
    return MaskPrediction(mask, logits, iou, object_score, coarse)


def logits_to_masks(logits: Tensor, geometry: InputGeometry) -> list[SparseMask]:
    """Threshold (N, h, w) logits at image resolution, one mask each.

    Notes
    -----
    Bilinear, as `F.interpolate` without aligned corners. Only the window of the image
    that the positive logits can reach is computed, which is the same and costs what the
    object covers.
    """
    return [
        logits_to_mask(one, geometry, bounding_box(one.numpy() > 0)) for one in logits.float().cpu()
    ]


def fit_logits(logits: Tensor, mask: SparseMask, geometry: InputGeometry) -> Tensor:
    """Return (h, w) logits changed where their sign contradicts a mask in image pixels.

    Parameters
    ----------
    logits
        On the host, float32.
    mask, geometry
        The mask, and how its image lies in the network's input.

    Notes
    -----
    What the mask covers by half stays: the grid of the logits is coarser than the image.
    """
    given = mask_to_logits(geometry.mask_to_input(MaskPrompt(mask)), logits.shape[-1])[0, 0]
    contradicts = ((given > 0) != (logits > 0)) & (given.abs() > MASK_LOGIT / 2)
    return torch.where(contradicts, given, logits)


def coarse_logits(
    logits: Tensor, geometry: InputGeometry, box: LogitsBox | None
) -> MaskLogits | None:
    """Crop (h, w) logits to the positive ones, with their place in the image.

    Parameters
    ----------
    logits, geometry
        Of the host, and how they lie in the image.
    box
        Rows and columns of the positive logits, (y0, x0, y1, x1), half open; None without any.

    Returns
    -------
    MaskLogits or None
        None without positive logits.
    """
    if box is None:
        return None
    (y0, x0), (y1, x1) = (max(0, box[0] - 1), max(0, box[1] - 1)), (box[2] + 1, box[3] + 1)
    values = (logits[y0:y1, x0:x1].float() / LOGIT_STEP).round().clamp(-128, 127)
    stride = geometry.size / logits.shape[-1]
    step_y, step_x = (scale / stride for scale in geometry.scale_yx)
    # as `_interpolation` has it, on the grid that is left
    first_y = (0.5 - geometry.origin_yx[0]) * step_y - 0.5 - y0
    first_x = (0.5 - geometry.origin_yx[1]) * step_x - 0.5 - x0
    return MaskLogits(values.to(torch.int8).numpy(), (first_y, first_x), (step_y, step_x))


def logits_to_mask(logits: Tensor, geometry: InputGeometry, box: LogitsBox | None) -> SparseMask:
    """Threshold (h, w) logits as `logits_to_masks`; parameters as for `coarse_logits`."""
    if box is None:
        return SparseMask.empty(geometry.image_shape)
    stride = geometry.size / logits.shape[-1]
    window = logits
    origin = list(geometry.origin_yx)
    for axis in (1, 0):  # the few columns of the logits first: what is left moves whole rows
        first, index, weight = _interpolation(
            (box[axis], box[axis + 2] - 1),
            geometry.shape[axis],
            geometry.scale_yx[axis] / stride,
            logits.shape[axis],
        )
        origin[axis] += first
        low, high = window.index_select(axis, index[0]), window.index_select(axis, index[1])
        window = torch.lerp(low, high, weight[:, None] if axis == 0 else weight)
    return SparseMask.from_window(
        geometry.image_shape, (window > 0).numpy(), (origin[0], origin[1])
    )


def _interpolation(
    reached: tuple[int, int], n_pixels: int, scale: float, n_logits: int
) -> tuple[int, Tensor, Tensor]:
    """Find the image pixels that the logits of a range reach, and how to interpolate them.

    Returns
    -------
    first, neighbours, weight
        The first pixel, the (2, P) neighbouring logits of each pixel, the (P,) weight of the
        second one.
    """
    first = max(0, int((reached[0] - 0.5) / scale) - 1)
    last = min(n_pixels, int((reached[1] + 1.5) / scale) + 2)
    source = ((torch.arange(first, last, dtype=torch.float32) + 0.5) * scale - 0.5).clamp(min=0)
    low = source.floor().long().clamp(max=n_logits - 1)
    return first, torch.stack((low, (low + 1).clamp(max=n_logits - 1))), source - low
