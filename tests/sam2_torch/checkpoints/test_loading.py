import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sam2_torch import (
    CELLS_NANO,
    SAM2,
    ImageSession,
    PointPrompt,
    SAM2Config,
    load_sam2,
    save_checkpoint,
)
from sam2_torch.checkpoints.loading import CheckpointError
from sam2_torch.checkpoints.transformers_names import to_transformers
from sam2_torch.config import EDGETAM


@pytest.fixture(scope="module")
def state():
    return {name: t.clone() for name, t in load_sam2("cells_nano", "cpu").state_dict().items()}


def test_embedded_model_loads_and_is_ready():
    model = load_sam2("cells_nano", device="cpu")
    assert model.config == CELLS_NANO
    assert not model.training and model.dtype == torch.float32
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(t.is_meta for t in (*model.parameters(), *model.buffers()))


@pytest.mark.parametrize("layout", ["meta", "bare", "safetensors", "own", "transformers"])
def test_layouts_are_recognised_by_their_shapes(tmp_path, state, layout):
    path = tmp_path / ("model.pt" if layout in ("meta", "bare") else "model.safetensors")
    if layout in ("meta", "bare"):
        torch.save({"model": state} if layout == "meta" else state, path)
    elif layout == "transformers":
        save_file(to_transformers(state), path)
    else:
        metadata = {"sam2_config": json.dumps(CELLS_NANO.to_dict())} if layout == "own" else None
        save_file(state, path, metadata)
    model = load_sam2(path, "cpu")
    assert model.config == CELLS_NANO
    torch.testing.assert_close(dict(model.state_dict()), state)


def test_edgetam_loads_from_its_file_and_segments(tmp_path):
    torch.manual_seed(0)
    state = SAM2(EDGETAM).state_dict()
    torch.save({"model": state}, tmp_path / "edgetam.pt")
    model = load_sam2(tmp_path / "edgetam.pt", "cpu")
    assert model.config == EDGETAM
    image = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    found = ImageSession(model, image).predict(PointPrompt([[40, 60]], [1]))
    assert found[0].mask.shape == image.shape
    without = {name: t for name, t in state.items() if not name.startswith("spatial_perceiver")}
    torch.save(without, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"nearest network is edgetam, where spatial_perc"):
        load_sam2(tmp_path / "other.pt", "cpu")


def test_what_metas_trainer_saves_loads(tmp_path, state):
    """With optimizer, loss, meters and numpy's numbers (trainer.py: save_checkpoint)."""
    path = tmp_path / "checkpoint.pt"
    content = {
        "model": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 1e-5}]},
        "epoch": 4, "loss": {"all": {}}, "steps": {"train": np.int64(9), "val": 0},
        "time_elapsed": np.float64(3.5), "best_meter_values": {"loss": np.float32(0.1)},
    }  # fmt: skip
    torch.save(content, path)
    torch.testing.assert_close(dict(load_sam2(path, "cpu").state_dict()), state)


def test_folder_that_transformers_saved_loads(tmp_path, state):
    save_file(to_transformers(state), tmp_path / "model.safetensors")
    assert load_sam2(str(tmp_path), "cpu").config == CELLS_NANO


def test_network_of_any_size_is_saved_with_its_config_and_provenance(tmp_path):
    config = SAM2Config(image_size=256, embed_dim=32, d_model=64, memory_layers=1)
    model, path = SAM2(config), tmp_path / "mine.safetensors"
    save_checkpoint(model, path, {"data": "zebrafish, 2026"})
    loaded = load_sam2(path, "cpu")
    assert loaded.config == config
    torch.testing.assert_close(dict(loaded.state_dict()), dict(model.state_dict()))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["data"] == "zebrafish, 2026"
    assert metadata["made_by"].startswith("napari-sam2")


def test_file_whose_config_is_not_its_own_is_told(tmp_path, state):
    path = tmp_path / "liar.safetensors"
    save_file(state, path, {"sam2_config": json.dumps(SAM2Config().to_dict())})
    with pytest.raises(CheckpointError, match=r"is expected to be \(.*\), found \(.*\)"):
        load_sam2(path, "cpu")


@pytest.mark.parametrize("config", ["{broken", '{"unknown": 1}'])
def test_file_with_a_broken_config_is_told(tmp_path, state, config):
    path = tmp_path / "broken.safetensors"
    save_file(state, path, {"sam2_config": config})
    with pytest.raises(CheckpointError, match="expected a readable config"):
        load_sam2(path, "cpu")


def test_registry_gives_a_name_an_input_size_of_its_own(tmp_path, state, monkeypatch):
    """As MedSAM2 needs it: an architecture of Meta's, trained with other images."""
    torch.save({"model": state}, tmp_path / "med.pt")
    registry = tmp_path / "models.toml"
    registry.write_text(
        '[models.med]\npath = "med.pt"\nconfig = {base = "cells_nano", image_size = 256}\n'
    )
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(registry))
    model = load_sam2("med", "cpu")
    assert model.config.image_size == 256 and model.config.embed_dim == CELLS_NANO.embed_dim
    (tmp_path / "med.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"'med' .*models\.toml.*expected a file at"):
        load_sam2("med", "cpu")


def test_missing_model_names_what_there_is():
    with pytest.raises(
        FileNotFoundError, match=r"expected one of cells_nano, .*did you mean sam2_hiera_large\?"
    ):
        load_sam2("sam2_hiera_larg", "cpu")
    with pytest.raises(FileNotFoundError, match=r"expected a checkpoint at .*gone\.pt"):
        load_sam2(Path("gone.pt"), "cpu")


def test_loading_a_network_does_not_import_the_compiler():
    script = "import sys, sam2_torch; sam2_torch.load_sam2(); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
