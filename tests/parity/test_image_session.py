"""`ImageSession` against `SAM2ImagePredictor`, end to end."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import SMALL, SMALL_2_0, changed, image_predictor, pair, random_tensor
from torch import Tensor

from sam2_torch import BoxPrompt, ImageSession, MaskPrediction, PointPrompt, Prompt, SAM2Config
from sam2_torch.nn.mask_decoder import STABILITY_THRESHOLD, stability

pytest.importorskip("sam2")

SINGLE_MASK = "sam_mask_decoder.output_hypernetworks_mlps.0.layers.2.{}"

CLICK = PointPrompt([[60, 100]], [1])
CLICKS = PointPrompt([[60, 100], [150.5, 30], [20, 300.25]], [1, 0, 1])
BOX = BoxPrompt(30, 50, 170, 330)


def make_image(height: int, width: int) -> NDArray[np.uint8]:
    noise = random_tensor(1, 3, 9, 11, seed=5)
    clouds = torch.nn.functional.interpolate(noise, size=(height, width), mode="bicubic")[0]
    return (40 * clouds + 128).clamp(0, 255).byte().permute(1, 2, 0).numpy()


@cache
def both(config: SAM2Config, height: int = 200, width: int = 340) -> tuple[ImageSession, Any]:
    network, model = pair(config)
    image = make_image(height, width)
    predictor = image_predictor(network)
    predictor.set_image(image)
    return ImageSession(model, image, contrast=(0, 255), plain=True), predictor


def ask_reference(
    predictor: Any, prompts: Sequence[Prompt], multimask: bool, mask_logits: Tensor | None
) -> list[tuple[NDArray[np.bool_], float, NDArray[np.float32]]]:
    """Ask for masks, IoUs and logits, best first."""
    clicks = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
    boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
    masks, ious, logits = predictor.predict(
        point_coords=clicks[0].points_yx[:, ::-1].copy() if clicks else None,
        point_labels=clicks[0].labels if clicks else None,
        box=np.array([boxes[0].x0, boxes[0].y0, boxes[0].x1, boxes[0].y1]) if boxes else None,
        mask_input=None if mask_logits is None else mask_logits[None].numpy(),
        multimask_output=multimask,
    )
    order = np.argsort(-ious)
    return [(masks[i] > 0, float(ious[i]), logits[i]) for i in order]


def assert_same(
    found: Sequence[MaskPrediction],
    expected: Sequence[tuple[NDArray[np.bool_], float, NDArray[np.float32]]],
) -> None:
    for one, (mask, iou, logits) in zip(found, expected, strict=True):
        assert np.abs(one.logits.numpy() - logits).max() < 1e-3
        assert abs(one.iou - iou) < 1e-5
        assert one.mask.shape == mask.shape
        assert (one.mask != mask).mean() <= 1e-4


@pytest.mark.parametrize(
    "prompts",
    [(CLICK,), (CLICKS,), (BOX,), (BOX, CLICKS)],
    ids=["click", "clicks", "box", "box and points"],
)
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("with_mask", [False, True], ids=["", "mask input"])
def test_each_kind_of_prompt(prompts: Sequence[Prompt], multimask: bool, with_mask: bool) -> None:
    session, predictor = both(SMALL)
    mask_logits = session.predict(CLICK)[0].logits if with_mask else None
    found = session.predict(*prompts, multimask=multimask, mask_logits=mask_logits)
    expected = ask_reference(predictor, prompts, multimask, mask_logits)
    assert len(found) == (3 if multimask else 1)
    assert_same(found, expected)


@pytest.mark.parametrize("multimask", [True, False])
def test_mask_input_alone(multimask: bool) -> None:
    session, predictor = both(SMALL)
    mask_logits = session.predict(BOX)[0].logits
    found = session.predict(multimask=multimask, mask_logits=mask_logits)
    assert_same(found, ask_reference(predictor, (), multimask, mask_logits))


@pytest.mark.parametrize(("height", "width"), [(90, 64), (256, 256), (400, 300)])
def test_images_of_other_sizes(height: int, width: int) -> None:
    session, predictor = both(SMALL, height, width)
    prompts = (BoxPrompt(10, 20, 80, 60), PointPrompt([[40, 40]], [1]))
    assert_same(session.predict(*prompts), ask_reference(predictor, prompts, False, None))


def test_2_0() -> None:
    session, predictor = both(SMALL_2_0)
    found = session.predict(CLICK)
    assert_same(found, ask_reference(predictor, (CLICK,), True, None))


@pytest.mark.parametrize("prompt", [CLICK, BOX], ids=["click", "box"])
@pytest.mark.parametrize("scale", [12.0, 1e-3], ids=["stable", "unstable"])
def test_both_sides_of_the_stability_gate(prompt: Prompt, scale: float) -> None:
    session, predictor = both(SMALL)
    networks = pair(SMALL)
    with (
        changed(networks, SINGLE_MASK.format("weight"), lambda values: values * scale),
        changed(networks, SINGLE_MASK.format("bias"), lambda values: values * scale),
    ):
        found = session.predict(prompt, multimask=False)
        expected = ask_reference(predictor, (prompt,), False, None)
    assert bool(stability(found[0].logits) >= STABILITY_THRESHOLD) == (scale > 1)
    assert_same(found, expected)
