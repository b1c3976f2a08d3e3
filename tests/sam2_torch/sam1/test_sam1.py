"""SAM 1 behind `ImageSession` and in the registry."""

import numpy as np
import pytest
import torch

from sam2_torch import (
    BoxPrompt,
    ImageSession,
    MaskPrompt,
    PointPrompt,
    VideoSession,
    load_model,
    load_sam2,
)
from sam2_torch.checkpoints.checkpoint_files import CheckpointError
from sam2_torch.config import SAM1_NETWORKS, SAM1Config
from sam2_torch.models.downloads import DownloadError, fetch
from sam2_torch.models.http_transfer import fast_checksum
from sam2_torch.models.model_list import list_models
from sam2_torch.models.registry import read_registry
from sam2_torch.sam1.sam1 import SAM1

PARAMETERS = {  # as published: 10.13, 93.7, 312.3 and 641.1 million
    "vit_t": 10_130_092,
    "vit_b": 93_735_472,
    "vit_l": 312_342_832,
    "vit_h": 641_090_608,
}
SMALL = SAM1Config(
    image_size=128, embed_dim=32, depth=2, num_heads=2, global_blocks=(1,), window_size=3
)


@pytest.fixture(scope="module")
def image():
    """A disc on a dark ground, 90 x 120."""
    y, x = np.mgrid[:90, :120]
    return np.where((y - 40) ** 2 + (x - 70) ** 2 < 400, 200, 20).astype(np.uint16)


@pytest.mark.parametrize("name", SAM1_NETWORKS)
def test_networks_have_as_many_parameters_as_published(name):
    with torch.device("meta"):
        network = SAM1(SAM1_NETWORKS[name])
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    assert read_registry().entries[name].parameters == PARAMETERS[name]


@pytest.mark.parametrize("config", [SMALL, SAM1Config("tiny_vit", image_size=128)])
def test_a_session_takes_all_prompts_on_an_image_that_is_not_square(config, image):
    torch.manual_seed(0)
    session = ImageSession(SAM1(config).eval().requires_grad_(False), image)
    disc = image > 100
    for prompts in (
        [PointPrompt([[40, 70]], [1])],
        [BoxPrompt(20, 50, 61, 91)],
        [BoxPrompt(20, 50, 61, 91), PointPrompt([[10, 10]], [0])],
        [MaskPrompt(disc)],
    ):
        found = session.predict(*prompts)
        assert found[0].mask.shape == image.shape
        assert all(0 <= each.iou <= 1 for each in found)
    assert len(session.predict(PointPrompt([[40, 70]], [1]))) == 3


def test_a_movie_is_refused_in_a_sentence(image):
    with pytest.raises(ValueError, match="expected a SAM 2 network, whose memory"):
        VideoSession(SAM1(SMALL).eval(), [image, image])


def test_files_in_their_original_layouts_load_by_shape(tmp_path):
    network = SAM1(SAM1_NETWORKS["vit_t"])
    state = network.state_dict()
    for name, content in {
        "mobile_sam.pt": state,  # as MobileSAM and Meta save: names at the top
        "trainer.pt": {"model_state": {f"sam.{k}": v for k, v in state.items()}, "epoch": 3},
    }.items():
        torch.save(content, tmp_path / name)
        loaded = load_model(tmp_path / name, "cpu")
        assert isinstance(loaded, SAM1) and loaded.config == SAM1_NETWORKS["vit_t"]
        for key, tensor in loaded.state_dict().items():
            torch.testing.assert_close(tensor, state[key])
    with pytest.raises(CheckpointError, match="found SAM 1, which has none; use it for single"):
        load_sam2(tmp_path / "trainer.pt", "cpu")
    state["prompt_encoder.no_mask_embed.weight"] = torch.zeros(1, 8)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="a SAM 1 network of other sizes than vit_t"):
        load_model(tmp_path / "other.pt", "cpu")


def test_every_model_of_others_is_listed_for_what_it_is():
    listed = {status.entry.name: status.entry for status in list_models().models}
    others = [entry for entry in listed.values() if entry.xxh128]
    assert len(others) == 14
    for entry in others:
        assert entry.url.startswith("https://") and len(entry.xxh128) == 32 and entry.config
        assert entry.images_only == ("single images only" in entry.description)
    assert not listed["hvit_t_cells"].images_only


def test_a_download_is_checked_by_the_fast_checksum(hub, tmp_path):
    (tmp_path / "net.pt").write_bytes(content := bytes(range(256)) * 50)
    right = fast_checksum(tmp_path / "net.pt")
    with pytest.raises(DownloadError, match=f"expected a file with the checksum {'0' * 32}"):
        fetch(hub.plain(content, xxh128="0" * 32))
    assert fetch(hub.plain(content, xxh128=right)).read_bytes() == content
