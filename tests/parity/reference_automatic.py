"""Meta's automatic mask generator on a network of any size, without torchvision."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from reference import image_predictor, replaced_modules
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, _: Tensor, iou_threshold: float) -> Tensor:
    """Stand in for torchvision's `batched_nms` with a single category."""
    order = scores.argsort(descending=True, stable=True)
    kept: list[int] = []
    for i in order.tolist():
        if all(_iou(boxes[i], boxes[j]) <= iou_threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def _iou(one: Tensor, other: Tensor) -> float:
    extent = (torch.minimum(one[2:], other[2:]) - torch.maximum(one[:2], other[:2])).clamp(min=0)
    shared = float(extent.prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared
    return shared / union if union else 0.0


@contextmanager
def stand_in_for_torchvision() -> Iterator[None]:
    names = ("torchvision", "torchvision.ops", "torchvision.ops.boxes")
    modules = {name: ModuleType(name) for name in names}
    modules[names[-1]].batched_nms = nms  # type: ignore[attr-defined]
    modules[names[-1]].box_area = None  # type: ignore[attr-defined]  # of crops only
    with replaced_modules(modules):
        yield


def mask_generator(network: Any, points_per_side: int, limits: tuple[float, float, float]) -> Any:
    """Make the generator; limits are its least IoU and stability and its largest box IoU."""
    predictor = image_predictor(network)
    with stand_in_for_torchvision():
        from sam2 import automatic_mask_generator as module
    before = module.SAM2ImagePredictor
    module.SAM2ImagePredictor = lambda *_, **__: predictor
    try:
        return module.SAM2AutomaticMaskGenerator(
            network,
            points_per_side=points_per_side,
            pred_iou_thresh=limits[0],
            stability_score_thresh=limits[1],
            box_nms_thresh=limits[2],
        )
    finally:
        module.SAM2ImagePredictor = before


def reference_masks(
    network: Any, image: np.ndarray, points_per_side: int, limits: tuple[float, float, float]
) -> list[dict[str, Any]]:
    """Let the reference segment everything in an RGB image."""
    return list(mask_generator(network, points_per_side, limits).generate(image))
