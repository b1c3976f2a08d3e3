"""Objects out of the maps of the instance decoder: ideal maps, and the decoder in the package."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from tiny_network import TINY
from torch import Tensor, nn

from sam2_torch import CELLS_NANO, SAM2, Everything, EverythingOptions, load_sam2, save_checkpoint
from sam2_torch.automatic.instances import (
    WEIGHTS,
    find_instances,
    label_instances,
    load_instance_decoder,
    seed_hills,
)
from sam2_torch.checkpoints.loading import CheckpointError
from sam2_torch.inputs.transforms import InputGeometry
from sam2_torch.models.registry import INSTANCES_SHA256
from sam2_torch.sam2 import ImageEmbedding

DECODER = EverythingOptions(by="decoder")
DISCS = ((24, 30, 12), (24, 52, 12), (70, 90, 6))  # the first two touch


def ideal_maps(shape: tuple[int, int], scale: float = 1) -> NDArray[np.float32]:
    """Foreground, centre and depth of the discs, (3, H, W)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    maps = np.zeros((3, *shape), np.float32)
    for cy, cx, r in DISCS:
        away = np.hypot(y - cy * scale, x - cx * scale)
        inside = away < r * scale
        depth = distance_transform_edt(inside)
        maps[:, inside] = np.stack(
            [np.ones(shape), 1 - away / away[inside].max(), depth / depth.max()]
        )[:, inside]
    return maps


def test_touching_objects_are_separated_half_way() -> None:
    foreground, centre, depth = ideal_maps((90, 120))
    labels = label_instances(foreground, seed_hills(centre, depth))
    assert sorted(np.unique(labels)) == [0, 1, 2, 3]
    assert labels[24, 30] != labels[24, 52] and labels[24, 38] == labels[24, 30]
    assert labels[24, 44] == labels[24, 52]
    np.testing.assert_array_equal(labels > 0, foreground > 0.5)


def test_specks_and_empty_maps_give_nothing() -> None:
    maps = np.zeros((3, 30, 40), np.float32)
    maps[:, 5:7, 5:7] = 1
    assert not label_instances(maps[0], seed_hills(maps[1], maps[2])).any()


class Ideal(nn.Module):
    """A decoder that returns given maps."""

    def __init__(self, maps: NDArray[np.float32]) -> None:
        super().__init__()
        self.logits = torch.from_numpy(maps).clamp(0.001, 0.999).logit()[None]

    def forward(self, features: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        return self.logits.clone()


def test_masks_lie_in_image_pixels() -> None:
    """An image of 180 x 240 in an input of 256: the maps are 128 x 128, of which 96 x 128 count."""
    maps = np.zeros((3, 128, 128), np.float32)
    maps[:, :96] = ideal_maps((96, 128))
    maps[:, 100:120, 10:30] = 1  # beyond the image
    embedding = ImageEmbedding(torch.zeros(1), (torch.zeros(1), torch.zeros(1)))
    geometry = InputGeometry((180, 240), 256, (192, 256), (180, 240))
    found = list(find_instances(Ideal(maps), embedding, geometry))  # type: ignore[arg-type]
    assert len(found) == 3
    y, x = np.mgrid[:180, :240]
    for mask, (cy, cx, r) in zip(found, DISCS, strict=True):
        cy, cx, r = (240 / 128 * n for n in (cy + 0.5, cx + 0.5, r))
        truth = np.hypot(y + 0.5 - cy, x + 0.5 - cx) < r
        dense = mask.sparse.to_dense()
        assert (dense & truth).sum() > 0.85 * (dense | truth).sum()
        assert np.hypot(mask.seed_yx[0] - cy, mask.seed_yx[1] - cx) < 4
        assert 0.5 < mask.score <= 1


def test_the_decoder_in_the_package_belongs_to_the_embedded_network() -> None:
    assert sha256(WEIGHTS.read_bytes()).hexdigest() == INSTANCES_SHA256
    for dtype in (torch.float32, torch.bfloat16):
        model = load_sam2("cells_nano", "cpu", dtype)
        decoder = load_instance_decoder(model)
        assert decoder is not None and next(decoder.parameters()).dtype == dtype


@pytest.mark.parametrize("config", [TINY, CELLS_NANO], ids=["other sizes", "other weights"])
def test_another_network_has_no_decoder_and_uses_the_grid(config: object) -> None:
    torch.manual_seed(0)
    model = SAM2(config).eval()  # type: ignore[arg-type]
    assert load_instance_decoder(model) is None
    assert Everything(model, np.zeros((20, 30), np.uint8), DECODER).by == "grid"


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    model = SAM2(TINY)
    save_checkpoint(model, tmp_path / "network.safetensors")
    with pytest.raises(CheckpointError, match=r"network\.safetensors: expected an instance"):
        load_instance_decoder(model, tmp_path / "network.safetensors")
    with pytest.raises(FileNotFoundError):
        load_instance_decoder(model, tmp_path / "none.safetensors")


def test_the_embedded_decoder_finds_discs_and_counts_crops() -> None:
    y, x = np.mgrid[:128, :200]
    pixels = np.random.default_rng(0).normal(800, 60, (128, 200))
    places = ((30, 40), (80, 60), (45, 150))
    for cy, cx in places:
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < 14**2] += 3000
    everything = Everything(load_sam2("cells_nano", "cpu"), pixels.astype(np.float32), DECODER)
    assert everything.by == "decoder" and list(everything.run()) == [(0, 1), (1, 1)]
    masks = everything.masks()
    assert len(masks) == 3
    for cy, cx in places:
        truth = (y - cy) ** 2 + (x - cx) ** 2 < 14**2
        dense = [mask.sparse.to_dense() for mask in masks]
        assert max((one & truth).sum() / (one | truth).sum() for one in dense) > 0.7
