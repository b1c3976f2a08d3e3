"""Models that training left in the user's folder are known by name."""

import pytest

from sam2_torch import CELLS_NANO, load_sam2
from sam2_torch.checkpoints.loading import save_checkpoint
from sam2_torch.models.registry import VARIABLE, find_model, models_folder, read_registry
from sam2_torch.models.user_models import read_metadata, read_user_models


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.toml"))
    (tmp_path / "models.toml").write_text("[models]\n")
    folder = models_folder()
    folder.mkdir()
    return folder


def test_a_file_in_the_folder_is_a_model(folder):
    about = {"description": "my cells", "licence": "CC-BY-4.0"}
    save_checkpoint(load_sam2("cells_nano", "cpu"), folder / "my_cells.safetensors", about)
    entry = find_model("my_cells")
    assert (entry.description, entry.licence) == ("my cells", "CC-BY-4.0")
    assert read_metadata(folder / "my_cells.safetensors")["description"] == "my cells"
    assert load_sam2("my_cells", "cpu").config == CELLS_NANO


def test_files_that_are_no_models_do_no_harm(folder):
    (folder / "broken.safetensors").write_bytes(b"\xff\xff")
    (folder / "two words.safetensors").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    registry = read_registry()
    assert not registry.problems
    assert registry.entries["broken"].licence == "not stated"
    assert list(read_user_models(folder)) == ["broken"]
    assert read_metadata(folder / "broken.safetensors") == {}


def test_the_name_of_a_built_in_model_cannot_be_taken(folder):
    (folder / "cells_nano.safetensors").write_bytes(b"")
    registry = read_registry()
    assert registry.entries["cells_nano"].origin == "embedded"
    assert "taken" in registry.problems[0]
