import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from sam2_torch import CELLS_NANO, load_sam2
from sam2_torch.checkpoints import CheckpointError, choose_device, read_checkpoint


@pytest.fixture(scope="module")
def state():
    return {name: t.clone() for name, t in load_sam2("cells_nano", "cpu").state_dict().items()}


def test_embedded_model_loads_and_is_ready():
    model = load_sam2("cells_nano", device="cpu")
    assert model.config == CELLS_NANO
    assert not model.training and model.dtype == torch.float32
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("layout", ["meta", "bare", "safetensors", "own"])
def test_layouts_are_recognised_by_their_shapes(tmp_path, state, layout):
    path = tmp_path / ("model.pt" if layout in ("meta", "bare") else "model.safetensors")
    if layout == "meta":
        torch.save({"model": state}, path)
    elif layout == "bare":
        torch.save(state, path)
    else:
        metadata = {"sam2_config": json.dumps(CELLS_NANO.to_dict())} if layout == "own" else None
        save_file(state, path, metadata)
    model = load_sam2(path, "cpu")
    assert model.config == CELLS_NANO
    torch.testing.assert_close(dict(model.state_dict()), state)


def test_missing_model_names_what_there_is():
    with pytest.raises(FileNotFoundError, match=r"expected cells_nano.*found no such file"):
        load_sam2("sam9_gigantic", "cpu")


class Malice:
    def __reduce__(self):
        return (open, ("/tmp/never-made-by-a-checkpoint", "w"))


def test_file_that_would_run_code_is_not_opened(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"model": Malice()}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        load_sam2(path, "cpu")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_file_is_told(tmp_path, state, suffix):
    path = tmp_path / f"model{suffix}"
    torch.save({"model": state}, path) if suffix == ".pt" else save_file(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="fetch it again"):
        load_sam2(path, "cpu")


@pytest.mark.parametrize("content", [b"", b"not a model at all", pickle.dumps([1, 2])])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_other_files_are_told(tmp_path, content, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\."):
        read_checkpoint(path)


def test_other_architecture_is_told_by_its_nearest(tmp_path, state):
    path = tmp_path / "wide.safetensors"
    state = {**state, "no_mem_embed": torch.zeros(1, 1, 99)}
    save_file(state, path)
    with pytest.raises(
        CheckpointError, match=r"nearest, cells_nano, differs in 1 tensors, first no_mem_embed"
    ):
        load_sam2(path, "cpu")


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match="expected auto, cuda, mps or cpu"):
        choose_device("abacus")
    with pytest.raises(ValueError, match="is not there"):
        choose_device("cuda:99")
