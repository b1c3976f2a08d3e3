import platform
from pathlib import Path

import pytest
import torch

from sam2_torch.runtime.devices import (
    choose_device,
    choose_dtype,
    describe_devices,
    fast_dtype,
    release_freed_memory,
)


def test_devices_that_are_there():
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:one"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="expected auto, cuda, cuda:1, mps or cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:99", "cpu:7", "meta"])
def test_devices_that_are_not_there(name):
    with pytest.raises(ValueError, match=rf"device '{name}' is not there; found .*cpu"):
        choose_device(name)


def test_one_of_several_cards_is_taken_by_its_index(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("auto") == torch.device("cuda")
    with pytest.raises(ValueError, match="found cuda:0, cuda:1, "):
        choose_device("cuda:2")


def test_cpu_computes_in_float32_unless_speed_is_asked_for(monkeypatch):
    cpu = torch.device("cpu")
    assert choose_dtype(cpu) == torch.float32
    units = {"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": False}
    for name in units:
        monkeypatch.setattr(torch.cpu, name, lambda name=name: units[name], raising=False)
    assert fast_dtype(cpu) == torch.float32
    units["_is_amx_tile_supported"] = True
    assert fast_dtype(cpu) == torch.bfloat16
    assert fast_dtype(torch.device("mps")) == torch.float32


def test_devices_are_described_for_people():
    devices = describe_devices()
    assert devices[-1].name == "cpu" and devices[-1].dtype == fast_dtype(torch.device("cpu"))
    assert str(devices[-1]).startswith("cpu: ") and "cores, " in str(devices[-1])
    assert choose_device(devices[0].name).type == choose_device("auto").type


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries give it back")
def test_freed_memory_among_small_blocks_is_given_back():
    status = Path("/proc/self/statm")
    blocks = [(bytearray(100_000), bytes(2000)) for _ in range(2000)]
    kept = [small for _, small in blocks]
    del blocks
    before = int(status.read_text().split()[1])
    release_freed_memory()
    assert len(kept) == 2000
    assert int(status.read_text().split()[1]) < before - 10_000  # pages


@pytest.mark.gpu
def test_card_is_described():
    card = describe_devices()[0]
    assert card.name == "cuda:0"
    assert 0 < card.free_bytes <= card.memory_bytes
    assert "GiB free" in str(card)
