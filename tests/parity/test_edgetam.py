"""EdgeTAM against `transformers`' EdgeTamVideoModel, with the same random weights.

The backbone of `transformers` is timm's, which is seldom installed: there, ours stands in for it,
and it is compared with timm where that is installed, and with its own plain layers everywhere.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference_video import make_movie
from torch import Tensor, nn

from sam2_torch import SAM2, BoxPrompt, PointPrompt, Prompt, VideoSession
from sam2_torch.checkpoints.transformers_names import to_meta
from sam2_torch.config import EDGETAM
from sam2_torch.inputs.transforms import image_to_input
from sam2_torch.nn.blocks import ConvNorm
from sam2_torch.nn.repvit import RepViT, TokenMixer

images = pytest.importorskip("transformers.models.edgetam.modeling_edgetam")
videos = pytest.importorskip("transformers.models.edgetam_video.modeling_edgetam_video")

SMALLER = replace(EDGETAM, image_size=256, memory_latents=16)  # windows of 4 x 4 places
FRAMES = 9  # from frame 8 on the memory is full
CLICK, BOX = PointPrompt([[80, 100]], [1]), BoxPrompt(40, 60, 120, 160)


class Backbone(nn.Module):
    """Our backbone under the names of theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.timm_model = RepViT(EDGETAM).body

    def forward(self, pixels: Tensor, **_: Any) -> SimpleNamespace:
        maps = RepViT.forward(SimpleNamespace(body=self.timm_model), pixels)  # type: ignore[arg-type]
        return SimpleNamespace(last_hidden_state=maps, hidden_states=None)


def from_config(config: Any) -> nn.Module:
    """Build a part of their network."""
    is_backbone = type(config).__name__ == "TimmWrapperConfig"
    return Backbone() if is_backbone else images.EdgeTamVisionModel(config)


def fill(network: Any) -> None:
    """Fill weights with numbers that keep activations near 1, and the object in sight."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        tensor.normal_(0, 1, generator=generator)
        if tensor.ndim > 1 and len(tensor) > 1:
            tensor.mul_(tensor[0].numel() ** -0.5)
        elif name.endswith("running_var"):
            tensor.abs_().add_(0.5)
        else:
            is_scale = name.endswith("weight") or name.endswith("scale")
            tensor.mul_(0.1).add_(float(is_scale))
    for embedding in ("prompt_encoder.shared_embedding", "shared_image_embedding"):
        generator.manual_seed(1)
        network.get_submodule(embedding).positional_embedding.normal_(generator=generator)
    network.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(3)


@pytest.fixture(scope="module")
def theirs() -> Any:
    from transformers import EdgeTamVideoConfig, EdgeTamVisionConfig
    from transformers.models.timm_wrapper.configuration_timm_wrapper import TimmWrapperConfig

    backbone = TimmWrapperConfig(architecture="repvit_m1")
    sides = [[SMALLER.image_size // stride] * 2 for stride in (4, 8, 16)]
    config = EdgeTamVideoConfig(
        image_size=SMALLER.image_size,
        vision_config=EdgeTamVisionConfig(backbone_config=backbone, backbone_feature_sizes=sides),
        prompt_encoder_config={"image_size": SMALLER.image_size},
        memory_attention_rope_feat_sizes=sides[2],
        memory_attention_rope_k_sizes=[4, 4],
        perceiver_resampler_num_latents=SMALLER.memory_latents,
        perceiver_resampler_num_latents_2d=SMALLER.memory_latents,
        enable_occlusion_spatial_embedding=False,  # as in the released network
        enable_temporal_pos_encoding_for_object_pointers=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (images, videos):
            patch.setattr(module, "AutoModel", SimpleNamespace(from_config=from_config))
        network = videos.EdgeTamVideoModel(config).eval()
    network.requires_grad_(False)
    fill(network)
    return network


@pytest.fixture(scope="module")
def ours(theirs: Any) -> SAM2:
    state = to_meta(theirs.state_dict())
    network = SAM2(SMALLER).eval().requires_grad_(False)
    network.load_state_dict(state, strict=True)
    return network


@pytest.mark.usefixtures("exact_memories")
@pytest.mark.parametrize("prompt", [CLICK, BOX], ids=["click", "box"])
def test_movies_are_segmented_alike(theirs: Any, ours: SAM2, prompt: Prompt) -> None:
    movie = make_movie(FRAMES)
    session = VideoSession(ours, movie, contrast=(0, 255), plain=True)
    session.add_prompt(1, 0, prompt)
    found = list(session.propagate("forward"))
    pixels = torch.cat([image_to_input(frame, (0, 255), SMALLER) for frame in movie])
    inference = videos.EdgeTamVideoInferenceSession(pixels, *movie.shape[1:3], dtype=torch.float32)
    scale = SMALLER.image_size / torch.tensor([movie.shape[2], movie.shape[1]])
    if isinstance(prompt, BoxPrompt):
        corners, labels = [[prompt.y0, prompt.x0], [prompt.y1, prompt.x1]], [2, 3]
    else:
        corners, labels = prompt.points_yx.tolist(), prompt.labels.tolist()
    said = {
        "point_coords": torch.tensor(corners).flip(-1)[None, None] * scale,
        "point_labels": torch.tensor(labels)[None, None],
    }
    inference.add_point_inputs(inference.obj_id_to_idx(1), 0, said)
    inference.obj_with_new_inputs.append(1)
    answers = theirs.propagate_in_video_iterator(inference, 0)
    compared = 0
    for result, expected in zip(found, answers, strict=True):
        logits = result.predictions[0].logits
        assert (logits - expected.pred_masks[0, 0]).abs().max() < 1e-3
        assert abs(result.object_scores[0] - float(expected.object_score_logits[0])) < 1e-3
        compared += 1
    assert compared == FRAMES


def with_statistics(network: nn.Module) -> None:
    """Give batch norms statistics as after a training."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3, generator=generator)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)


def plainly(conv: ConvNorm, x: Tensor) -> Tensor:
    """Apply convolution and norm one after the other."""
    return conv.bn(conv.c(x))


def test_folded_convolutions_are_the_plain_ones() -> None:
    torch.manual_seed(0)
    mixer, narrow = TokenMixer(16).eval(), ConvNorm(16, 24, 3, 2).eval()
    with_statistics(mixer)
    with_statistics(narrow)
    x = torch.randn(2, 16, 12, 20)
    expected = plainly(mixer.conv, x) + plainly(mixer.conv1, x) + x
    torch.testing.assert_close(mixer(x), expected)
    torch.testing.assert_close(narrow(x), plainly(narrow, x))
    before = narrow(x)
    with torch.no_grad():
        narrow.c.weight.mul_(2)
    assert not torch.allclose(narrow(x), before)  # what was folded follows the weights


def test_the_backbone_is_that_of_timm() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model("repvit_m1", features_only=True, out_indices=(0, 1, 2, 3)).eval()
    with_statistics(theirs)
    ours = RepViT(EDGETAM).eval()
    ours.load_state_dict({f"body.{name}": t for name, t in theirs.state_dict().items()})
    x = torch.randn(1, 3, 128, 192)
    with torch.inference_mode():
        for one, other in zip(ours(x), theirs(x), strict=True):
            assert float((one - other).norm() / other.norm()) < 1e-5
            assert np.isfinite(float(F.mse_loss(one, other)))
