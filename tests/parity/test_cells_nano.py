"""The embedded network with its trained weights, and a released one in its real size."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from reference import build_reference, pair
from reference_video import MASK_TOLERANCE, ReferenceVideo, make_movie, to_images
from torch import Tensor

from sam2_torch import CELLS_NANO, RELEASED, SAM2, BoxPrompt, PointPrompt, VideoSession, load_sam2

pytest.importorskip("sam2.sam2_video_predictor")

HEIGHT, WIDTH = 96, 128
CENTRES = ((40.0, 30.0), (60.0, 90.0))


def make_cells(n_frames: int = 8) -> NDArray[np.uint8]:
    """Make a movie of two bright discs that drift over a noisy ground, (T, H, W)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).normal(30, 8, (n_frames, HEIGHT, WIDTH))
    for t in range(n_frames):
        for (row, column), drift in zip(CENTRES, (3, -2), strict=True):
            noise[t] += 130 * (np.hypot(y - row - t, x - column - drift * t) < 11)
    return noise.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def networks() -> tuple[Any, SAM2]:
    ours, reference = load_sam2("cells_nano", "cpu"), build_reference(CELLS_NANO)
    reference.load_state_dict(ours.state_dict())
    return reference, ours


def fit_aspect(network: Any, movie: NDArray[np.uint8]) -> Tensor:
    """Bring the movie into the reference's input, but with its aspect kept (as cells_nano is)."""
    square = to_images(network, np.repeat(movie[..., None], 3, axis=-1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = torch.from_numpy(movie)[:, None].float() / 255
    size = network.image_size
    content = F.interpolate(
        pixels, (size * HEIGHT // WIDTH, size), mode="bilinear", antialias=True
    ).expand(-1, 3, -1, -1)
    images = torch.zeros_like(square)
    images[:, :, : content.shape[2]] = (content - mean[:, None, None]) / std[:, None, None]
    return images


@pytest.mark.slow
@pytest.mark.usefixtures("exact_memories")
def test_masks_of_two_cells(networks: tuple[Any, SAM2]) -> None:
    network, model = networks
    movie = make_cells()
    session = VideoSession(model, movie, contrast=(0, 255), plain=True)
    # the input is the movie's frame, extended to a square below
    reference = ReferenceVideo(network, fit_aspect(network, movie), (WIDTH, WIDTH))
    row, column = CENTRES[1]
    box = BoxPrompt(row - 12, column - 12, row + 12, column + 12)
    for object_id, prompt in enumerate((PointPrompt([CENTRES[0]], [1]), box), 1):
        found = session.add_prompt(object_id, 0, prompt)
        full = reference.add_prompt(object_id, 0, prompt)
        reference.assert_same(found, object_id, 0, full[:HEIGHT])
        assert 200 < found.sparse.area < 600  # of 380
    expected = reference.propagate()
    for result in session.propagate("forward"):
        for object_id, one in zip(result.object_ids, result.predictions, strict=True):
            full = expected[result.frame][object_id]
            reference.assert_same(one, object_id, result.frame, full[:HEIGHT])
            assert one.sparse.area > 100


def test_masks_with_memories_in_bfloat16(networks: tuple[Any, SAM2]) -> None:
    """As both keep them: noise that they amplify must not reach the masks."""
    network, model = networks
    movie = make_cells(4)
    session = VideoSession(model, movie, contrast=(0, 255), plain=True)
    reference = ReferenceVideo(network, fit_aspect(network, movie), (WIDTH, WIDTH))
    prompt = PointPrompt([CENTRES[0]], [1])
    session.add_prompt(1, 0, prompt)
    reference.add_prompt(1, 0, prompt)
    expected = reference.propagate()
    for result in session.propagate("forward"):
        differ = result.masks[0] != (expected[result.frame][1][:HEIGHT] > 0).numpy()
        assert differ.mean() <= MASK_TOLERANCE
        logits, _ = reference.answer(1, result.frame)
        assert (result.predictions[0].logits - logits).abs().max() < 1e-2


@pytest.mark.slow
@pytest.mark.usefixtures("exact_memories")
def test_tiny_in_its_real_size() -> None:
    network, model = pair(RELEASED["sam2.1_hiera_tiny"])
    movie = make_movie(2)
    session = VideoSession(model, movie, contrast=(0, 255), plain=True)
    reference = ReferenceVideo(network, to_images(network, movie), (movie.shape[1], movie.shape[2]))
    click = PointPrompt([[80, 100]], [1])
    reference.assert_same(session.add_prompt(1, 0, click), 1, 0, reference.add_prompt(1, 0, click))
    found = list(session.propagate("forward"))
    reference.assert_all_same(found, reference.propagate())
