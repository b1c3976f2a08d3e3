"""Our networks against `transformers`' Sam2Model and Sam2VideoModel, with the same weights."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import SMALLER, SMALLER_2_0, build_ours, fix_weights
from reference_video import make_movie
from torch import Tensor

from sam2_torch import (
    SAM2,
    BoxPrompt,
    ImageSession,
    PointPrompt,
    Prompt,
    SAM2Config,
    VideoSession,
)
from sam2_torch.checkpoints.transformers_names import to_transformers
from sam2_torch.inputs.transforms import image_to_input

sam2_video = pytest.importorskip("transformers.models.sam2_video.modeling_sam2_video")
networks = pytest.importorskip("transformers_networks")

both_versions = pytest.mark.parametrize("config", [SMALLER, SMALLER_2_0], ids=["2.1", "2.0"])

CLICK = PointPrompt([[80, 100]], [1])
CLICKS = PointPrompt([[60, 60], [120, 150]], [0, 1])
BOX = BoxPrompt(40, 60, 120, 160)


@cache
def pair(config: SAM2Config) -> tuple[Any, SAM2]:
    """Build both video networks with the same random weights."""
    theirs, ours = networks.video_network(config), build_ours(config)
    fix_weights(ours)
    theirs.load_state_dict(to_transformers(ours.state_dict()))
    return theirs, ours


def images_of(movie: NDArray[np.uint8], config: SAM2Config) -> Tensor:
    return torch.cat([image_to_input(frame, (0, 255), config) for frame in movie])


def points_of(prompt: Prompt, shape: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
    """Place a prompt in the input: (1, 1, P, 2) in (x, y) and (1, 1, P) labels."""
    if isinstance(prompt, BoxPrompt):
        corners, labels = [[prompt.y0, prompt.x0], [prompt.y1, prompt.x1]], [2, 3]
    else:
        assert isinstance(prompt, PointPrompt)
        corners, labels = prompt.points_yx.tolist(), prompt.labels.tolist()
    scale = torch.tensor([size / shape[2], size / shape[1]])
    return torch.tensor(corners).flip(-1)[None, None] * scale, torch.tensor(labels)[None, None]


@pytest.mark.parametrize("prompt", [CLICK, CLICKS, BOX], ids=["click", "clicks", "box"])
@pytest.mark.parametrize("multimask", [True, False])
def test_image(prompt: Prompt, multimask: bool) -> None:
    _, ours = pair(SMALLER)
    theirs = networks.image_network(SMALLER)
    weights = to_transformers(ours.state_dict())
    theirs.load_state_dict({name: weights[name] for name in theirs.state_dict()})
    movie = make_movie(1)
    found = ImageSession(ours, movie[0], contrast=(0, 255), plain=True).predict(
        prompt, multimask=multimask
    )
    points, labels = points_of(prompt, movie.shape, SMALLER.image_size)
    with torch.inference_mode():
        expected = theirs(
            pixel_values=images_of(movie, SMALLER),
            input_points=points,
            input_labels=labels,
            multimask_output=multimask,
        )
    order = expected.iou_scores[0, 0].argsort(descending=True)
    for one, i in zip(found, order.tolist(), strict=True):
        assert (one.logits - expected.pred_masks[0, 0, i]).abs().max() < 1e-3
        assert abs(one.iou - float(expected.iou_scores[0, 0, i])) < 1e-5


@pytest.mark.usefixtures("exact_memories")
@both_versions
@pytest.mark.parametrize("prompt", [CLICK, BOX], ids=["click", "box"])
@pytest.mark.parametrize("start", [0, 7])
def test_video(config: SAM2Config, prompt: Prompt, start: int) -> None:
    theirs, ours = pair(config)
    movie = make_movie(8)
    session = VideoSession(ours, movie, contrast=(0, 255), plain=True)
    session.add_prompt(1, start, prompt)
    found = list(session.propagate("backward" if start else "forward"))
    inference = sam2_video.Sam2VideoInferenceSession(
        images_of(movie, config), *movie.shape[1:3], dtype=torch.float32
    )
    points, labels = points_of(prompt, movie.shape, config.image_size)
    said = {"point_coords": points, "point_labels": labels}
    inference.add_point_inputs(inference.obj_id_to_idx(1), start, said)
    inference.obj_with_new_inputs.append(1)
    answers = theirs.propagate_in_video_iterator(inference, start, reverse=start > 0)
    for result, expected in zip(found, answers, strict=True):
        assert result.frame == expected.frame_idx
        logits = result.predictions[0].logits
        assert (logits - expected.pred_masks[0, 0]).abs().max() < 1e-3
        assert abs(result.object_scores[0] - float(expected.object_score_logits[0])) < 1e-3
