import pytest
from huggingface_hub import constants

from sam2_torch import CELLS_NANO, RELEASED
from sam2_torch.models.model_cache import UNFINISHED, plain_file, repo_folder
from sam2_torch.models.model_list import list_models, model_status
from sam2_torch.models.registry import find_model
from sam2_torch.models.speed_records import Speed, write_speed


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    registry = tmp_path / "models.toml"
    registry.write_text(
        '[models.yeast]\nurl = "https://example.org/yeast.pt"\n'
        '[models.gone]\npath = "gone.pt"\n[models.bad]\nurl = "nowhere"\n'
    )
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(registry))
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))


def test_all_models_are_listed_with_what_is_known():
    models, problems = list_models()
    found = {model.entry.name: model for model in models}
    names = list(found)
    assert names[0] == "cells_nano" and names[-10:] == [*RELEASED, "yeast", "gone"]
    assert len(problems) == 1 and "'bad'" in problems[0]
    nano, large, yeast, gone = (
        found[name] for name in ("cells_nano", "sam2.1_hiera_large", "yeast", "gone")
    )
    assert nano.where == "embedded" and nano.size_bytes == nano.path.stat().st_size
    assert not nano.can_download and not nano.can_remove
    assert large.where == "not downloaded" and round(large.size_bytes / 1e6) == 898
    assert large.can_download and not large.can_remove
    assert yeast.where == "not downloaded" and yeast.size_bytes is None
    assert gone.where == "file is missing" and not gone.can_download


def test_speeds_are_those_that_were_measured():
    speed = Speed("cpu", "4 cores", "float32", 0.2, 0.01, 0.03, 0.04, 0.04)
    write_speed(CELLS_NANO, speed)
    assert model_status(find_model("cells_nano")).speeds == (speed,)
    assert model_status(find_model("sam2_hiera_tiny")).speeds == ()


@pytest.mark.parametrize("name", ["yeast", "sam2.1_hiera_tiny"])
def test_half_a_download_is_told(name):
    entry = find_model(name)
    folder = plain_file(entry).parent if entry.url else repo_folder(entry) / "blobs"
    folder.mkdir(parents=True)
    (folder / f"part{UNFINISHED}").write_bytes(bytes(1234))
    status = model_status(entry)
    assert status.unfinished == 1234
    assert status.path is None and status.can_download and status.can_remove
