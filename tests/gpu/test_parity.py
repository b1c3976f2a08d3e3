"""`VideoSession` against `SAM2VideoPredictor` on a CUDA device, in float32 and bfloat16."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import SMALLER, pair, relative_error
from reference_video import SHAPE, ReferenceVideo, make_movie, to_images

from sam2_torch import BoxPrompt, PointPrompt, VideoSession

pytestmark = pytest.mark.gpu
pytest.importorskip("sam2.sam2_video_predictor")

FRAMES = 24  # the memory is full from frame 8 on, the pointers from 16 on: then graphs replay
PROMPTS = {1: BoxPrompt(30, 40, 110, 130), 2: PointPrompt([[90, 170]], [1])}


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """Multiply float32 matrices in float32, not in TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def propagate_reference(network: Any, dtype: torch.dtype) -> dict[int, NDArray[np.bool_]]:
    """Return the masks of both objects by frame, (2, H, W)."""
    video = ReferenceVideo(network, to_images(network, make_movie(FRAMES)).cuda(), SHAPE)
    half = torch.autocast("cuda", dtype) if dtype != torch.float32 else nullcontext()
    with half, torch.inference_mode():
        for object_id, prompt in PROMPTS.items():
            video.add_prompt(object_id, 0, prompt)
        found = video.propagate(0)
    return {
        frame: np.stack([(masks[i] > 0).cpu().numpy() for i in sorted(masks)])
        for frame, masks in found.items()
    }


@pytest.mark.parametrize(
    ("dtype", "least_iou"), [(torch.float32, 0.999), (torch.bfloat16, 0.9)], ids=str
)
def test_masks_are_those_of_the_reference(dtype: torch.dtype, least_iou: float) -> None:
    network, model = (copy.deepcopy(each).cuda() for each in pair(SMALLER))
    expected = propagate_reference(network, dtype)
    session = VideoSession(model.to(dtype), make_movie(FRAMES), contrast=(0, 255), plain=True)
    for object_id, prompt in PROMPTS.items():
        session.add_prompt(object_id, 0, prompt)
    ious = []
    for result in session.propagate("forward"):
        for mask, other in zip(result.masks, expected[result.frame], strict=True):
            ious.append((mask & other).sum() / max(1, (mask | other).sum()))
    print(f"{dtype}: IoU mean {np.mean(ious):.5f}, least {min(ious):.5f}")
    assert len(ious) >= 2 * (FRAMES - 1) and np.mean(ious) >= least_iou


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.06)])
def test_embeddings_are_those_of_the_reference(dtype: torch.dtype, tolerance: float) -> None:
    network, model = (copy.deepcopy(each).cuda() for each in pair(SMALLER))
    image = to_images(network, make_movie(1)).cuda()
    half = torch.autocast("cuda", dtype) if dtype != torch.float32 else nullcontext()
    with half, torch.inference_mode():
        expected = network.forward_image(image)["backbone_fpn"][-1]
        found = model.to(dtype).encode_image(image.to(dtype)).features
    error = relative_error(found.float(), expected.float())
    print(f"{dtype}: relative error {error:.2e}")
    assert error < tolerance
