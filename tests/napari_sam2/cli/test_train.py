"""`napari-sam2 train` from the command line, with a tiny network."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from tests.tiny_network import TINY

from napari_sam2.cli import main
from sam2_torch import load_sam2
from sam2_torch.models.registry import find_model
from sam2_torch.models.user_models import read_metadata


@pytest.fixture
def data(tmp_path):
    """Four 16-bit images with two discs each."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :56]
    folder = tmp_path / "data"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for i in range(4):
        labels = np.zeros((40, 56), np.uint16)
        labels[(y - 14) ** 2 + (x - 14 - 4 * i) ** 2 < 64] = 3
        labels[(y - 28) ** 2 + (x - 40) ** 2 < 49] = 8
        image = 300 + 2000 * (labels > 0) + rng.normal(0, 80, labels.shape)
        tifffile.imwrite(folder / "images" / f"w{i}.tif", image.astype(np.uint16))
        tifffile.imwrite(folder / "labels" / f"w{i}.tif", labels)
    return folder


def train(data, start, *arguments):
    return main(["train", str(data), "--model", start, "--device", "cpu", *arguments])


def test_a_model_is_made_measured_and_known_by_name(home, data, start, capsys):
    code = train(data, start, "--name", "discs", "--steps", "3", "--licence", "CC0-1.0")
    out = capsys.readouterr()
    assert code == 0
    assert "6 masks in 3 items to learn from, 2 in 1 to measure on" in out.err
    assert "image.click" in out.out
    assert "3 steps, finished" in out.out
    entry = find_model("discs")
    assert entry.licence == "CC0-1.0"
    about = read_metadata(entry.path)
    provenance = json.loads(about["provenance"])
    assert provenance["from"] == start
    assert provenance["steps"] == 3
    assert provenance["masks"] == 6
    assert set(provenance["iou_after"]) == {"image.click", "image.3clicks", "image.box"}
    model = load_sam2("discs", "cpu")
    assert model.config == TINY
    before = load_sam2(start, "cpu").state_dict()
    changed = {
        name.split(".")[0]
        for name, tensor in model.state_dict().items()
        if not torch.allclose(tensor, before[name], atol=1e-3, rtol=1e-2)
        or (tensor - before[name].half().float()).abs().max() > 1e-6
    }
    assert "sam_mask_decoder" in changed
    assert "image_encoder" not in changed
    run = home / "runs" / "discs"
    assert (run / "held_out.png").is_file()
    assert (run / "result.json").is_file()
    assert not (run / "state.pt").exists()
    assert train(data, start, "--name", "discs", "--steps", "3") == 2
    assert "expected a new file" in capsys.readouterr().err


def test_of_much_that_is_held_out_some_is_measured(home, data, start, capsys):
    for i in range(4, 20):
        for folder in ("images", "labels"):
            (data / folder / f"w{i}.tif").write_bytes((data / folder / "w0.tif").read_bytes())
    arguments = ("--name", "discs", "--steps", "1", "--hold-out", "w?,w1?", "--json")
    assert train(data, start, *arguments) == 2  # nothing would be left to learn from
    arguments = ("--name", "discs", "--steps", "1", "--hold-out", "w?,w1[0-5]", "--json")
    assert train(data, start, *arguments) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "stage", "name": "measuring before", "done": 0, "total": 12}
    assert (home / "runs" / "discs" / "held_out.png").is_file()


def test_a_run_goes_on_where_it_paused(home, data, start, capsys):
    arguments = ("--name", "discs", "--steps", "4", "--train", "adapters")
    assert train(data, start, *arguments, "--slice", "0") == 0
    assert "1 steps, out of time" in capsys.readouterr().out
    assert (home / "runs" / "discs" / "state.pt").is_file()
    assert train(data, start, *arguments) == 0
    assert "4 steps, finished" in capsys.readouterr().out
    assert train(data, start, "--name", "discs", "--steps", "4", "--train", "decoder") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "two words"), "--name: expected letters"),
        (("--name", "cells_nano"), "cells_nano is the name of another model"),
        (("--name", "a", "-o", "a.pt"), "expected a file that ends in .safetensors"),
        (("--name", "a", "--hold-out", "2"), "expected a share between 0 and 1"),
        (("--name", "a", "--hold-out", "z*"), "expected some of the 4 items to match z*"),
        (("--name", "a", "--steps", "-1"), "to be 1 or more"),
        (("--name", "a", "--rate", "-1"), "learning rate above 0"),
        (("--name", "a", "--minutes", "-1"), "a time above 0 minutes"),
    ],
)
def test_wrong_use_is_refused_in_a_sentence(home, data, start, arguments, message, capsys):
    assert train(data, start, *arguments) == 2
    assert message in capsys.readouterr().err


def test_empty_labels_are_refused(home, data, start, capsys):
    for path in (data / "labels").iterdir():
        tifffile.imwrite(path, np.zeros((40, 56), np.uint16))
    assert train(data, start, "--name", "a") == 2
    assert "are the label images empty" in capsys.readouterr().err
    assert not (home / "models" / "a.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_ctrl_c_keeps_what_was_learnt(home, data, start):
    command = [sys.executable, "-m", "napari_sam2.cli", "train", str(data), "--model", start]
    command += ["--device", "cpu", "--name", "discs", "--minutes", "5", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    events, asked = [], False
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "step" and not asked:
            asked = True
            process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopping after this step" in said
    result = events[-1]
    assert (result["event"], result["ending"]) == ("result", "stopped")
    assert Path(result["checkpoint"]).is_file()
    assert (Path(result["folder"]) / "state.pt").is_file()
    stages = [event["name"] for event in events if event["event"] == "stage"]
    assert list(dict.fromkeys(stages)) == ["measuring before", "training", "measuring after"]
