"""A random network saved by `transformers` is loaded and answers as it did there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import SMALL, SMALL_2_0, fix_weights, relative_error
from torch import Tensor

from sam2_torch import (
    RELEASED,
    SAM2,
    FrameResult,
    ImageSession,
    PointPrompt,
    SAM2Config,
    VideoSession,
    load_sam2,
)
from sam2_torch.checkpoints.transformers_names import to_meta, to_transformers
from sam2_torch.inputs.transforms import image_to_input

pytest.importorskip("transformers")
networks = pytest.importorskip("transformers_networks")

CLICK_YX = (90.0, 150.0)


@pytest.mark.parametrize("name", RELEASED)
def test_names_and_shapes_are_theirs_both_ways(name: str) -> None:
    config = RELEASED[name]
    with torch.device("meta"):
        theirs = networks.video_network(config).state_dict()
        ours = SAM2(config).state_dict()
    theirs, ours = without_memory(theirs), without_memory(ours)
    assert shapes(to_meta(theirs)) == shapes(ours)
    assert shapes(to_transformers(ours)) == shapes(theirs)
    assert shapes(to_meta(to_transformers(ours))) == shapes(ours)


def without_memory(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}


def shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@pytest.fixture(scope="module", params=[SMALL, SMALL_2_0], ids=["2.1", "2.0"])
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SAM2]:
    """A network of theirs, and ours from the file that theirs was saved in."""
    config: SAM2Config = request.param
    random = SAM2(config)
    fix_weights(random)
    network = networks.video_network(config)
    network.load_state_dict(to_transformers(random.state_dict()), strict=True)
    folder = tmp_path_factory.mktemp("saved")
    network.save_pretrained(folder)
    return network, load_registered(folder, config)


def load_registered(folder: Path, config: SAM2Config) -> SAM2:
    """Load the file with its config from a registry: no released network has these sizes."""
    sizes = "\n".join(
        f"{name} = {list(value) if isinstance(value, tuple) else repr(value).lower()}"
        for name, value in config.to_dict().items()
    )
    registry = folder / "models.toml"
    registry.write_text(
        f'[models.theirs]\npath = "model.safetensors"\n[models.theirs.config]\n{sizes}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_SAM2_MODELS", str(registry))
        model = load_sam2("theirs", "cpu")
    assert model.config == config
    return model


def make_movie(size: int) -> np.ndarray:
    """Make a drifting disc on a grating, (4, S, S, 3) uint8."""
    y, x = np.mgrid[:size, :size]
    discs = [(y - 90) ** 2 + (x - 150 - 8 * t) ** 2 < 40**2 for t in range(4)]
    frames = [90 + 60 * np.sin(x / 9) * np.cos(y / 7) + 80 * disc for disc in discs]
    return np.stack([np.stack([f, f * 0.8, 255 - f], axis=-1) for f in frames]).astype(np.uint8)


@torch.inference_mode()
def test_image_features_and_click_are_theirs(pair: tuple[Any, SAM2]) -> None:
    network, model = pair
    frame = make_movie(model.config.image_size)[0]
    pixels = image_to_input(frame, (0, 255), model.config)
    found = model.encode_image(pixels)
    features = network.get_image_embeddings(pixels)
    expected = features[-1] - network.no_memory_embedding.reshape(1, -1, 1, 1)
    assert relative_error(found.features, expected) < 1e-4
    for skip, theirs in zip(found.skips, features, strict=False):
        assert relative_error(skip, theirs) < 1e-4

    answer = network._single_frame_forward(
        pixel_values=pixels,
        input_points=torch.tensor([[[CLICK_YX[::-1]]]]),
        input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
        multimask_output=True,
    )
    assert float(answer.object_score_logits) > 0  # else they empty the mask
    session = ImageSession(model, frame, contrast=(0, 255), plain=True)
    predictions = session.predict(PointPrompt([CLICK_YX], [1]), multimask=True)
    expected = answer.iou_scores.flatten().sort(descending=True).values
    assert [one.iou for one in predictions] == pytest.approx(expected.tolist(), abs=1e-4)
    best = answer.pred_masks[0, 0].clamp(-32, 32)  # the only one that they give
    assert float((predictions[0].logits - best).abs().max()) < 1e-3


@torch.inference_mode()
def test_movie_is_followed_as_there(pair: tuple[Any, SAM2]) -> None:
    """The names of memory attention and memory encoder are right, too."""
    network, model = pair
    movie = make_movie(model.config.image_size)
    video = VideoSession(model, movie, contrast=(0, 255), plain=True)
    video.add_prompt(1, 0, PointPrompt([CLICK_YX], [1]))
    expected = follow_there(network, model, movie)
    results: list[FrameResult] = list(video.propagate("forward"))
    assert [result.frame for result in results] == list(expected)
    assert float(expected[3].max()) > -1024  # seen, not declared absent
    for result in results:
        found = result.predictions[0].logits
        assert float((found - expected[result.frame]).abs().max()) < 1e-3


def follow_there(network: Any, model: SAM2, movie: np.ndarray) -> dict[int, Tensor]:
    """Give their logits of stride 4, by frame."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    size = model.config.image_size
    frames = torch.cat([image_to_input(frame, (0, 255), model.config) for frame in movie])
    session = Sam2VideoInferenceSession(frames, size, size, dtype=torch.float32)
    points = {
        "point_coords": torch.tensor([[[CLICK_YX[::-1]]]]),
        "point_labels": torch.ones(1, 1, 1, dtype=torch.int32),
    }
    session.add_point_inputs(session.obj_id_to_idx(1), 0, points)
    session.obj_with_new_inputs = [1]
    return {
        output.frame_idx: output.pred_masks[0, 0]
        for output in network.propagate_in_video_iterator(session, start_frame_idx=0)
    }
