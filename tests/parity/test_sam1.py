"""SAM 1 against `transformers`' SamModel, with random weights."""

import re
import zlib
from functools import cache
from typing import Any

import pytest
import torch
from reference import random_tensor, relative_error

from sam2_torch.config import SAM1Config
from sam2_torch.nn.prompt_encoder import BOTTOM_RIGHT, TOP_LEFT
from sam2_torch.sam1.sam1 import SAM1

pytest.importorskip("transformers")
CONFIG = SAM1Config(
    image_size=80,  # 5 x 5 tokens: windows of 3 need padding
    embed_dim=32,
    depth=3,
    num_heads=2,
    global_blocks=(1,),
    window_size=3,
)
RENAMED = (
    (r"^vision_encoder\.patch_embed\.projection", "image_encoder.patch_embed.proj"),
    (r"^vision_encoder\.neck\.conv1", "image_encoder.neck.0"),
    (r"^vision_encoder\.neck\.layer_norm1", "image_encoder.neck.1"),
    (r"^vision_encoder\.neck\.conv2", "image_encoder.neck.2"),
    (r"^vision_encoder\.neck\.layer_norm2", "image_encoder.neck.3"),
    (r"^vision_encoder\.layers", "image_encoder.blocks"),
    (r"^vision_encoder", "image_encoder"),
    (r"(transformer\.layers\.\d)\.layer_norm(\d)", r"\1.norm\2"),
    (r"layer_norm_final_attn", "norm_final_attn"),
    (r"(blocks\.\d)\.layer_norm(\d)", r"\1.norm\2"),
    (r"encoder\.point_embed\.", "encoder.point_embeddings."),
    (r"mask_embed\.conv1", "mask_downscaling.0"),
    (r"mask_embed\.layer_norm1", "mask_downscaling.1"),
    (r"mask_embed\.conv2", "mask_downscaling.3"),
    (r"mask_embed\.layer_norm2", "mask_downscaling.4"),
    (r"mask_embed\.conv3", "mask_downscaling.6"),
    (r"upscale_conv1", "output_upscaling.0"),
    (r"upscale_layer_norm", "output_upscaling.1"),
    (r"upscale_conv2", "output_upscaling.3"),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d)\.proj_in", r"\1.layers.0"),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d)\.proj_out", r"\1.layers.2"),
)


def original_name(name: str) -> str:
    """Return Meta's name of one of transformers' tensors."""
    hidden = re.match(r"(.*(?:iou_prediction_head|hypernetworks_mlps\.\d)\.layers\.)0(\..*)", name)
    if hidden:
        return f"{hidden[1]}1{hidden[2]}"
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


@cache
def pair() -> tuple[Any, SAM1]:
    """Return both networks with the same random weights."""
    from transformers import SamConfig, SamModel

    vision = {
        "hidden_size": CONFIG.embed_dim,
        "output_channels": CONFIG.d_model,
        "num_hidden_layers": CONFIG.depth,
        "num_attention_heads": CONFIG.num_heads,
        "image_size": CONFIG.image_size,
        "patch_size": 16,
        "window_size": CONFIG.window_size,
        "global_attn_indexes": list(CONFIG.global_blocks),
        "mlp_dim": 4 * CONFIG.embed_dim,
        "num_pos_feats": CONFIG.d_model // 2,
    }
    prompts = {"image_size": CONFIG.image_size, "patch_size": 16, "image_embedding_size": 5}
    reference = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompts)).eval()
    ours = SAM1(CONFIG).eval().requires_grad_(False)
    for name, tensor in ours.state_dict().items():
        torch.manual_seed(zlib.crc32(name.encode()))
        scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 and len(tensor) > 1 else 0.3
        offset = float("norm" in name and name.endswith("weight"))
        tensor.copy_(scale * torch.randn(tensor.shape) + offset)
    theirs = reference.state_dict()
    state = ours.state_dict()
    matrix = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    filled = {}
    for name in theirs:
        source = matrix if "positional_embedding" in name else original_name(name)
        filled[name] = state[source]
    assert set(state) == {matrix} | {original_name(n) for n in theirs if "positional_" not in n}
    reference.load_state_dict(filled)
    return reference, ours


def test_embeddings() -> None:
    reference, ours = pair()
    image = random_tensor(1, 3, 80, 80)
    with torch.inference_mode():
        expected = reference.get_image_embeddings(image)
        found = ours.encode_image(image).features
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", ["point", "points", "box", "box and point", "mask"])
def test_masks(prompt: str, multimask: bool) -> None:
    reference, ours = pair()
    image = random_tensor(1, 3, 80, 80, seed=1)
    points = torch.tensor([[20.0, 30.0], [55.0, 10.0]])[: 1 if prompt.endswith("point") else 2]
    labels = torch.tensor([1, 0])[: len(points)]
    box = torch.tensor([[8.0, 12.0], [60.0, 70.0]])
    theirs: dict[str, Any] = {}
    places, kinds = [], []
    if "point" in prompt or prompt == "mask":
        theirs |= {"input_points": points[None, None], "input_labels": labels[None, None]}
        places.append(points), kinds.append(labels)
    if "box" in prompt:
        theirs["input_boxes"] = box.reshape(1, 1, 4)
        places.append(box), kinds.append(torch.tensor([TOP_LEFT, BOTTOM_RIGHT]))
    mask = random_tensor(1, 1, 20, 20, seed=2) if prompt == "mask" else None
    with torch.inference_mode():
        embedding = ours.encode_image(image)
        expected = reference(
            image_embeddings=embedding.features,
            input_masks=mask,
            multimask_output=multimask,
            **theirs,
        )
        found = ours.decode_masks(
            embedding.features,
            embedding.skips,
            (torch.cat(places)[None], torch.cat(kinds)[None]),
            mask,
            multimask,
        )
    assert relative_error(found.logits, expected.pred_masks[:, 0]) < 1e-4
    torch.testing.assert_close(found.ious, expected.iou_scores[:, 0].clamp(0, 1))
