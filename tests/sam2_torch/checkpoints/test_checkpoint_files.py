import argparse
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.serialization import get_safe_globals

from sam2_torch import SAM2, SAM2Config
from sam2_torch.checkpoints.checkpoint_files import (
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
)
from sam2_torch.checkpoints.transformers_names import to_transformers

SMALL = SAM2Config(
    image_size=128, embed_dim=16, stages=(1, 1, 2, 1), global_blocks=(2,),
    window_sizes=(8, 4, 4, 4), background_size=4, d_model=64, memory_layers=1,
    memory_feedforward=64, memory_dim=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def state():
    return SAM2(SMALL).state_dict()


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


CONTENTS = {
    "meta": lambda state: {"model": state},
    "bare": lambda state: state,
    "trainer": lambda state: {
        "model": state, "optimizer": {"state": {0: {"step": torch.ones(())}}, "param_groups": []},
        "epoch": 3, "steps": {"train": 10, "val": 0}, "time_elapsed": 1.5, "best_meter_values": {},
    },
    # Meta's trainer, trainer.py: save_checkpoint; what numpy computed stays numpy's
    "trainer_with_numpy": lambda state: {
        "model": OrderedDict(state),
        "optimizer": {
            "state": {0: {"step": torch.ones(()), "exp_avg": torch.ones(3)}},
            "param_groups": [{"lr": np.float64(5e-6), "betas": (0.9, 0.999), "params": [0]}],
        },
        "epoch": np.int64(3), "loss": {"all": OrderedDict()},
        "steps": {"train": np.int32(10), "val": 0}, "time_elapsed": np.float32(1.5),
        "best_meter_values": {"Losses/val_loss": np.array([0.25, 0.5]), "ok": np.bool_(True)},
        "scaler": {"scale": 65536.0, "_growth_tracker": 0},
        "args": argparse.Namespace(lr=1e-4), "name": np.str_("run"), "raw": b"\x80\xff",
    },
    "medsam2": lambda state: {"model": state},
    "micro_sam": lambda state: {"model": OrderedDict(state), "model_type": "hvit_t"},
    "parallel": lambda state: {"model": prefixed(state, "module.")},
    "compiled": lambda state: {"model": prefixed(state, "_orig_mod.")},
    "torch_em": lambda state: {"model_state": prefixed(state, "sam2."), "iteration": 5},
    "lightning": lambda state: {"state_dict": prefixed(state, "net.sam2_model."), "epoch": 1},
    "with_decoder": lambda state: {
        "model": {**prefixed(state, "module.sam2."), "module.decoder.weight": torch.ones(3)}
    },
    "transformers": to_transformers,
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_layouts_of_pickled_files(tmp_path, state, name):
    path = tmp_path / "net.pt"
    torch.save(CONTENTS[name](state), path)
    found, metadata = read_checkpoint(path)
    torch.testing.assert_close(found, dict(state))
    assert metadata == {}


def test_file_without_a_suffix_is_told_by_its_content(tmp_path, state):
    """As micro-sam's cache has them."""
    torch.save({"model": state, "model_type": "hvit_t"}, tmp_path / "hvit_t_cells")
    torch.testing.assert_close(read_checkpoint(tmp_path / "hvit_t_cells")[0], dict(state))


def test_numbers_pickled_by_numpy_1_are_read(tmp_path, state):
    """Which says numpy.core where numpy 2 says numpy._core."""
    path, theirs = tmp_path / "new.pt", tmp_path / "old.pt"
    torch.save({"model": state, "best": np.float64(0.5), "losses": np.ones(2)}, path)
    with zipfile.ZipFile(path) as new, zipfile.ZipFile(theirs, "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(b"numpy._core", b"numpy.core"))
    assert b"numpy.core.multiarray" in theirs.read_bytes()
    torch.testing.assert_close(read_checkpoint(theirs)[0], dict(state))


@pytest.mark.parametrize("layout", ["meta", "transformers"])
def test_layouts_of_safetensors(tmp_path, state, layout):
    path = tmp_path / "model.safetensors"
    save_file(to_transformers(state) if layout == "transformers" else state, path, {"a": "b"})
    found, metadata = read_checkpoint(path)
    torch.testing.assert_close(found, dict(state))
    assert metadata["a"] == "b"


def test_what_is_written_is_read_again(tmp_path, state):
    path = tmp_path / "deep" / "net.safetensors"
    write_checkpoint(path, {n: t.bfloat16() for n, t in state.items()}, {"data": "yeast"})
    found, metadata = read_checkpoint(path)
    assert metadata == {"format": "pt", "data": "yeast"}
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}
    assert [file.name for file in path.parent.iterdir()] == ["net.safetensors"]


def test_writing_that_fails_leaves_the_old_file(tmp_path, state):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_checkpoint(path, state, {"not text": 1})  # type: ignore[dict-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_another_format_is_refused(tmp_path, state):
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        write_checkpoint(tmp_path / "net.pt", state, {})


class Malice:
    def __reduce__(self):
        return (open, ("/tmp/never-made-by-a-checkpoint", "w"))


@pytest.mark.parametrize("pack", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_file_that_would_run_code_is_not_opened(tmp_path, pack):
    path = tmp_path / "evil.pt"
    pack({"model": Malice()}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        read_checkpoint(path)
    assert not Path("/tmp/never-made-by-a-checkpoint").exists()


class Dataset:
    """What torch_em's trainer keeps in its checkpoints."""


def test_what_was_not_opened_is_named(tmp_path, state):
    path = tmp_path / "best.pt"
    torch.save({"model_state": state, "init": {"train_dataset": Dataset()}}, path)
    with pytest.raises(CheckpointError, match=r"something else \(.*Dataset\) .*save the weights"):
        read_checkpoint(path)


def test_the_allow_list_is_put_back(tmp_path, state):
    before = set(get_safe_globals())  # in any order
    torch.save({"model": state, "lr": np.float64(1)}, tmp_path / "net.pt")
    read_checkpoint(tmp_path / "net.pt")
    assert set(get_safe_globals()) == before


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_file_is_told(tmp_path, state, suffix):
    path = tmp_path / f"model{suffix}"
    torch.save({"model": state}, path) if suffix == ".pt" else save_file(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="fetch it again"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>", pickle.dumps([1, 2])])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_other_files_are_told(tmp_path, content, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"^model\.\w+: expected"):
        read_checkpoint(path)


def test_file_without_tensors_is_told(tmp_path):
    path = tmp_path / "log.pt"
    torch.save({"epoch": 3, "loss": [0.1]}, path)
    with pytest.raises(CheckpointError, match=r"expected tensors by name .* found none"):
        read_checkpoint(path)


def test_transformers_file_with_two_position_encodings_is_told(tmp_path, state):
    theirs = to_transformers(state)
    theirs["shared_image_embedding.positional_embedding"] += 1
    path = tmp_path / "model.safetensors"
    save_file(theirs, path)
    with pytest.raises(CheckpointError, match="to be equal, found two different ones"):
        read_checkpoint(path)


def test_others_may_read_a_checkpoint_as_any_new_file(tmp_path, state):
    other = tmp_path / "other"
    other.touch()
    write_checkpoint(tmp_path / "net.safetensors", state, {})
    assert (tmp_path / "net.safetensors").stat().st_mode == other.stat().st_mode
