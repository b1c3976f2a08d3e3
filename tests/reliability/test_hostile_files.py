"""Files that ask for any amount of memory or time, or cannot be what they say they are."""

import base64
import json
import os
import sys
import zipfile
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_network import TINY

from napari_sam2.io.read import read_movie, read_prompts
from napari_sam2.io.sessions.session_values import MAX_BYTES, read_changes
from napari_sam2.movies.movie import Movie
from sam2_torch import SAM2, load_sam2
from sam2_torch.checkpoints.loading import CheckpointError, save_checkpoint

MOVIE = Movie(np.zeros((5, 40, 60), np.uint8))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SAM2(TINY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 10**9),
        ("image_size", 102400),
        ("image_size", 0),
        ("image_size", "512"),
        ("image_size", float("nan")),
        ("embed_dim", 10**9),
        ("stages", [10**9, 1, 1, 1]),
        ("stages", [1, 1, 1]),
        ("memory_layers", 10**7),
        ("d_model", -64),
        ("keep_aspect", 1),
        ("version", "3"),
        ("run", "rm -rf"),
    ],
)
def test_configs_of_no_network(tmp_path, network, name, value):
    path = tmp_path / "net.safetensors"
    config = json.dumps({**TINY.to_dict(), name: value})
    save_file(network.state_dict(), path, {"sam2_config": config})
    with pytest.raises(CheckpointError, match=f"net.safetensors: expected .*{name}"):
        load_sam2(path)


def test_a_config_of_deep_json(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "net.safetensors", {"sam2_config": "[" * 100_000})
    with pytest.raises(CheckpointError, match="expected a readable config"):
        load_sam2(tmp_path / "net.safetensors")


def test_more_tensors_than_a_network_has(tmp_path):
    path = tmp_path / "net.safetensors"
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps(dict.fromkeys(map(str, range(50_001)), empty)).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match="expected a network, found 50001 tensors"):
        load_sam2(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(tmp_path, value):
    torch.manual_seed(0)
    broken = SAM2(TINY)
    broken.no_obj_ptr.data[0, 3] = value
    save_checkpoint(broken, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="found NaN or infinity in no_obj_ptr"):
        load_sam2(tmp_path / "net.safetensors")


def test_an_archive_that_would_fill_the_memory(tmp_path):
    torch.save({"model": {"a": torch.zeros(4)}}, tmp_path / "small.pt")
    with (
        zipfile.ZipFile(tmp_path / "small.pt") as small,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in small.infolist():
            bomb.writestr(entry.filename, small.read(entry) + bytes(10**7))
    with pytest.raises(CheckpointError, match=r"bomb.pt: .* would take 0\.\d GB of memory"):
        load_sam2(tmp_path / "bomb.pt")


def test_a_mask_that_would_fill_the_memory():
    side = 10**6
    bits = base64.b64encode(zlib.compress(bytes(10**6))).decode()
    change = {
        "of": "mask",
        "object": 1,
        "frame": 0,
        "to": {"box": [0, 0, side, side], "bits": bits},
    }
    with pytest.raises(ValueError, match=f"expected at most {MAX_BYTES} bytes of a mask"):
        read_changes([change], 1, (side, side))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="found a pipe or a device"):
        read_movie(tmp_path / "pipe.tif")
    with pytest.raises(ValueError, match="found a pipe or a device"):
        read_prompts(tmp_path / "pipe.csv", MOVIE)


def table(tmp_path, rows):
    path = tmp_path / "prompts.csv"
    path.write_text("object,frame,kind,y,x,label,y1,x1\n" + rows)
    return path


def test_a_table_of_many_rows(tmp_path):
    rows = "".join(f"{i % 7 + 1},{i % 5},point,{i % 40},{i % 60},1,,\n" for i in range(100_000))
    prompts = read_prompts(table(tmp_path, rows), MOVIE)
    assert [(each.object_id, each.frame) for each in prompts[:8]] == [
        *((i, 0) for i in range(1, 8)),
        (1, 1),
    ]
    assert sum(len(each.prompts[0].labels) for each in prompts) == 100_000
    np.testing.assert_array_equal(prompts[0].prompts[0].points_yx[:2], [[0, 0], [35, 35]])
    path = table(tmp_path, f"{rows}1,0,point,1,z,1,,\n")
    with pytest.raises(ValueError, match=r"line 100002, column x: expected a number of pixels"):
        read_prompts(path, MOVIE)


@pytest.mark.parametrize("object_id", ["999999999999999999999", "1e300", "1" * 200_000])
def test_ids_that_no_label_image_holds(tmp_path, object_id):
    with pytest.raises(ValueError, match=r"prompts\.csv"):
        read_prompts(table(tmp_path, f"{object_id},0,point,5,5,1,,\n"), MOVIE)
