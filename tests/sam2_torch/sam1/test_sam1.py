"""SAM 1 in sessions, in automatic masks and in the registry."""

import numpy as np
import pytest
import torch

from sam2_torch import (
    BoxPrompt,
    Depth,
    ImageSession,
    MaskPrompt,
    PointPrompt,
    VideoSession,
    load_model,
    load_sam2,
)
from sam2_torch.automatic.mask_generator import Everything, segment_everything
from sam2_torch.automatic.options import EverythingOptions, SeedGrid, Thresholds
from sam2_torch.automatic.similarity import Likeness, find_alike
from sam2_torch.checkpoints.checkpoint_files import CheckpointError
from sam2_torch.config import SAM1_NETWORKS, SAM1Config
from sam2_torch.embeddings.disk_store import EmbeddingStore
from sam2_torch.masks import SparseMask
from sam2_torch.models.downloads import DownloadError, fetch
from sam2_torch.models.http_transfer import fast_checksum
from sam2_torch.models.model_list import list_models
from sam2_torch.models.registry import read_registry
from sam2_torch.nn.mask_decoder import DecodedMasks
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sessions.speed_check import measure_speed

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


class Echo(SAM1):
    """Answers clicks with the disc, and masks with themselves, shifted by so many logits."""

    def __init__(self, shift=0):
        torch.manual_seed(0)
        super().__init__(SMALL)
        self.eval().requires_grad_(False)
        self.shift, self.asked = shift, []

    def decode_masks(self, features, skips, points, mask_logits, multimask):
        self.asked.append((points, mask_logits))
        if mask_logits is None:
            y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
            mask_logits = 25 - (y - 11) ** 2 - (x - 19) ** 2
            mask_logits = mask_logits[None, None]
        logits = mask_logits.roll(self.shift, dims=3).expand(-1, 3 if multimask else 1, -1, -1)
        n, m = logits.shape[:2]
        return DecodedMasks(
            logits, torch.full((n, m), 0.8), torch.zeros(n, m, 256), torch.full((n, 1), 10.0)
        )


@pytest.mark.parametrize("depth", [None, Depth(), Depth(3)])
@pytest.mark.parametrize("resolution", [None, 1.0])
def test_in_movies_and_stacks_mask_and_box_prompt_the_next_frame(image, depth, resolution):
    network = Echo()
    session = VideoSession(network, [image] * 6, depth=depth, resolution=resolution)
    clicked = session.add_prompt(2, 1, PointPrompt([[40, 70]], [1]))
    network.asked.clear()
    found = {result.frame: result for result in session.propagate()}
    assert sorted(found) == list(range(6))
    for result in found.values():
        (mask,) = result.predictions
        assert mask.sparse.iou(clicked.sparse) > 0.9 and mask.iou == pytest.approx(0.8)
    assert all(logits is not None for _, logits in network.asked)
    (corners, labels), logits = network.asked[0]
    assert labels.tolist() == [[2, 3]]
    y, x = (np.nonzero((logits[0, 0] > 0).numpy().any(axis)) for axis in (1, 0))
    margin = 0.1 * (x[0][-1] + 1 - x[0][0])
    assert corners[0, 0, 0] == pytest.approx(4 * (x[0][0] - margin))
    assert corners[0, 1, 1] == pytest.approx(4 * (y[0][-1] + 1 + 0.1 * (y[0][-1] + 1 - y[0][0])))


def test_an_object_that_hardly_overlaps_is_lost_and_stays_lost(image):
    session = VideoSession(Echo(shift=11), [image] * 4)
    session.add_prompt(1, 0, MaskPrompt(image > 100))
    found = [result.predictions[0] for result in session.propagate()]
    assert [bool(each.sparse) for each in found] == [True, False, False, False]
    assert [each.object_score > 0 for each in found] == [True, False, False, False]


def test_corrections_and_a_second_session_with_its_embeddings(image, tmp_path):
    torch.manual_seed(0)
    network = SAM1(SMALL).eval().requires_grad_(False)
    masks = []
    for _ in range(2):
        store = EmbeddingStore(tmp_path)
        session = VideoSession(network, [image] * 40, embeddings=store, cache_bytes=0)
        session.add_prompt(1, 0, MaskPrompt(image > 100))
        list(session.propagate())
        session.add_prompt(1, 30, PointPrompt([[40, 70]], [1]))
        results = list(session.propagate_changes())
        assert any(30 == result.frame for result in results)
        masks.append([result.predictions[0].sparse for result in results])
        assert len(store) == 1
    assert all(a.equals(b) for a, b in zip(*masks, strict=True))


def test_everything_and_what_is_similar(image):
    torch.manual_seed(0)
    network = SAM1(SMALL).eval().requires_grad_(False)
    loose = EverythingOptions(
        by="decoder",
        grid=SeedGrid(3),
        thresholds=Thresholds(min_iou=0, min_stability=0),
        min_score=0,
    )
    everything = Everything(network, image, loose)
    assert everything.by == "grid"  # there is no instance decoder for it
    steps = list(everything.run())
    assert steps[-1].done == steps[-1].total > 0
    likeness = Likeness(network, [image])
    likeness.add_examples(0, [SparseMask.from_dense(image > 100)])
    found = segment_everything(network, image, loose, seeds_yx=[[40, 70]])
    assert [len(find_alike(likeness, 0, found))] == [len(found)]


def test_its_speed_is_measured():
    speed = measure_speed(SAM1(SMALL).eval().requires_grad_(False))
    assert min(speed.encode_s, speed.click_s, speed.propagate_s) >= 0


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
    with pytest.raises(CheckpointError, match="found SAM 1; choose a SAM 2 model"):
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
        assert entry.has_memory == (entry.name == "hvit_t_cells")


def test_a_download_is_checked_by_the_fast_checksum(hub, tmp_path):
    (tmp_path / "net.pt").write_bytes(content := bytes(range(256)) * 50)
    right = fast_checksum(tmp_path / "net.pt")
    with pytest.raises(DownloadError, match=f"expected a file with the checksum {'0' * 32}"):
        fetch(hub.plain(content, xxh128="0" * 32))
    assert fetch(hub.plain(content, xxh128=right)).read_bytes() == content
