import json
from dataclasses import replace

import pytest

from sam2_torch import CELLS_NANO, RELEASED
from sam2_torch.models.speed_records import Speed, read_speeds, speeds_file, write_speed
from sam2_torch.sessions.speed_check import measure_speed, speed_rounds

CPU = Speed("cpu", "4 cores", "float32", 0.2104, 0.0121, 0.03, 0.0412, 0.04)
GPU = Speed("cuda:1", "Quick", "bfloat16", 1.25, 0.002, 0.003, 0.006, 0.001)
TINY = RELEASED["sam2.1_hiera_tiny"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_nothing_is_known_at_first():
    assert read_speeds(CELLS_NANO) == ()


def test_each_network_and_device_has_its_speed(folder):
    write_speed(CELLS_NANO, GPU)
    write_speed(TINY, CPU)
    write_speed(CELLS_NANO, replace(CPU, encode_s=9.0))
    write_speed(CELLS_NANO, CPU)  # the newest counts
    assert read_speeds(CELLS_NANO) == (GPU, CPU)
    assert read_speeds(TINY) == (CPU,)
    assert read_speeds(replace(TINY, image_size=512)) == ()
    assert [path.name for path in folder.iterdir()] == ["speeds.json"]


def test_precisions_are_told_apart():
    quick = replace(CPU, dtype="bfloat16", encode_s=0.1)
    write_speed(TINY, CPU)
    write_speed(TINY, quick)
    assert read_speeds(TINY) == (CPU, quick)


def test_speeds_of_another_machine_are_not_ours(monkeypatch):
    """Homes are shared among the nodes of a cluster."""
    monkeypatch.setattr("platform.node", lambda: "node-1")
    write_speed(TINY, CPU)
    monkeypatch.setattr("platform.node", lambda: "node-2")
    assert read_speeds(TINY) == ()
    write_speed(TINY, GPU)
    monkeypatch.setattr("platform.node", lambda: "node-1")
    assert read_speeds(TINY) == (CPU,)


@pytest.mark.parametrize("content", ["{", "[1, {}]", '{"a": 1}', '[{"speed": {"device": "cpu"}}]'])
def test_broken_file_is_as_good_as_none(content):
    speeds_file().parent.mkdir()
    speeds_file().write_text(content)
    assert read_speeds(TINY) == ()
    write_speed(TINY, CPU)
    assert read_speeds(TINY) == (CPU,)
    assert len(json.loads(speeds_file().read_text())) == 1


def test_words():
    on_cpu = "210 ms an image, 12 ms a click, 41 ms an object and frame on cpu in float32"
    on_gpu = "1.2 s an image, 2 ms a click, 6 ms an object and frame on cuda:1 in bfloat16"
    assert str(CPU) == on_cpu
    assert str(GPU) == on_gpu


def test_a_network_is_measured(model):
    rounds = speed_rounds(model)
    assert next(rounds) is None  # the first one warms up
    first = next(rounds)
    assert first is not None and first.device == "cpu" and first.dtype == "float32"
    rounds.close()
    speed = measure_speed(model)
    assert speed.encode_s > 0 and speed.click_s > 0
    assert "cores" in speed.product
