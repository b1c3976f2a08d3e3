"""`python tools/train_in_slices.py`: slices, what travels between them, and the checkpoint."""

import json

import numpy as np
import pytest
import torch
from data_items import HELD_OUT
from file_pieces import cut_file, join_file
from packed_data import pack, unpack
from safetensors import safe_open
from tests.sam2_torch.training.conftest import disc_movie
from tests.sam2_torch.training.data.test_labelled_movies import write_dataset
from tests.tiny_network import TINY
from train_in_slices import main

from sam2_torch import load_sam2
from sam2_torch.training.data.labelled_movies import hold_out, read_dataset


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    write_dataset(folder, [disc_movie("well_1"), disc_movie("well_2", seed=1)])
    return folder


def test_slices_on_two_machines_make_a_checkpoint(tmp_path, data, start, capsys):
    common = ["--data", str(data), "--hold-out", "well_2", "--device", "cpu"]
    small = ["--clips", "1", "--images", "2", "--objects", "2", "--frames", "1,2", "--workers", "0"]
    small += ["--steps", "6", "--from", start, "--log-every", "1", "--picture-every", "2"]
    first = ["train", "--run", str(tmp_path / "a"), "--slice", "0", "--pack", str(tmp_path / "p1")]
    assert main([*first, *common, *small]) == 0
    assert "out of time after step 1" in capsys.readouterr().out
    pieces = [str(piece) for piece in (tmp_path / "p1").glob("pack.*")]
    second = ["train", "--run", str(tmp_path / "b"), "--unpack", *pieces]
    second += ["--pack", str(tmp_path / "p2"), "--measure"]
    assert main([*second, *common, *small]) == 0
    out = capsys.readouterr().out
    assert "step 1 on cpu, 1 items" in out
    assert "finished after step 6" in out
    assert '"sequence.click"' in out
    names = {path.name.split(".")[0] for path in (tmp_path / "p2").iterdir()}
    assert names == {"pack", "log", "config", "step_000006"}
    model = tmp_path / "new.safetensors"
    pieces = [str(piece) for piece in (tmp_path / "p2").glob("pack.*")]
    config = ["--config", str(tmp_path / "p2" / "config.json")]
    assert main(["export", *pieces, "-o", str(model), *config, *common]) == 0
    assert "step 6" in capsys.readouterr().out
    assert load_sam2(model, "cpu").config == TINY
    none = ["--blend", "0", "--version", "7"]
    assert main(["export", *pieces, "-o", str(model), *config, *common, *none]) == 0
    begun, new = (load_sam2(path, "cpu").state_dict() for path in (start, model))
    for name, tensor in begun.items():
        torch.testing.assert_close(new[name], tensor.half().float())
    with safe_open(model, "pt") as file:
        provenance = json.loads(file.metadata()["provenance"])
    assert (provenance["version"], provenance["blend"], provenance["steps"]) == ("7", 0, 6)


def test_a_missing_piece_is_noticed(tmp_path):
    whole = tmp_path / "file.bin"
    whole.write_bytes(np.random.default_rng(0).bytes(2500))
    pieces = cut_file(whole, tmp_path / "pieces", 1000)
    assert [len(piece.read_bytes()) for piece in pieces] == [1000, 1000, 500]
    join_file(list(reversed(pieces)), tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == whole.read_bytes()
    with pytest.raises(ValueError, match="expected all pieces of one file"):
        join_file(pieces[:2], tmp_path / "again.bin")
    with pytest.raises(ValueError, match="expected a name like"):
        join_file([whole], tmp_path / "again.bin")


def test_packed_data_are_the_data_again(tmp_path, data):
    pack(data, tmp_path / "data.tar")
    unpack(tmp_path / "data.tar", tmp_path / "again")
    for one, two in zip(read_dataset(data), read_dataset(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)


def test_wrong_use_is_a_sentence(tmp_path, data, capsys):
    assert main(["train", "--run", str(tmp_path), "--data", str(data), "--hold-out", "x"]) == 2
    assert "expected some of the 2 items to match" in capsys.readouterr().err


def test_the_held_out_part_names_some_of_each_kind():
    names = ["bbbc050_train_Emb03_t401", "usiigaci_set31", "usiigaci_set7", "dsb_0f6e49e474"]
    split = hold_out([disc_movie(name, 1) for name in [*names, "dsb_ff"]], HELD_OUT.split(","))
    assert [m.name for m in split.held_out] == [names[0], names[1], names[3]]
