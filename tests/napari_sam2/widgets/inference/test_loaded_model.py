"""Changing the network without being left without one."""

import weakref

import pytest

from napari_sam2.widgets.inference.loaded_model import LoadedModel, Opened
from sam2_torch.models.speed_records import read_speeds

OutOfMemory = type("OutOfMemoryError", (RuntimeError,), {})  # as torch calls it


class Network:
    """Something that takes memory."""

    dtype = "torch.bfloat16"

    def __init__(self, name, device):
        self.name, self.device = name, device


class Machine:
    """Loads networks as long as there is room; `sizes` says how much each takes."""

    def __init__(self, room, **sizes):
        self.room, self.sizes = room, sizes
        self.alive = weakref.WeakSet()
        self.broken = set()
        self.made_room = 0

    def load(self, name, device):
        if name in self.broken:
            raise ValueError(f"{name}: expected a checkpoint, found none")
        half = Network(name, device)  # what is there when memory runs out
        self.alive.add(half)
        if sum(self.sizes[network.name] for network in self.alive) > self.room:
            raise OutOfMemory(f"no room for {name}")
        return half

    def make_room(self):
        self.made_room += 1

    @property
    def names(self):
        return sorted(network.name for network in self.alive)


@pytest.fixture
def machine():
    return Machine(10, small=2, medium=5, large=9, huge=11)


@pytest.fixture
def loaded(machine):
    loaded = LoadedModel(machine.load)
    assert loaded.switch(("small", "cuda:1"), machine.make_room) is None
    return loaded


def test_what_is_in_use_is_described(loaded):
    assert loaded.describe() == Opened(("small", "cuda:1"), "cuda:1", "bfloat16")


def test_the_next_one_is_loaded_beside_the_one_before(loaded, machine):
    assert loaded.switch(("medium", "cpu"), machine.make_room) is None
    assert loaded.key == ("medium", "cpu")
    assert machine.names == ["medium"] and machine.made_room == 0


def test_the_same_one_is_not_loaded_again(loaded, machine):
    before = loaded.model
    assert loaded.switch(("small", "cuda:1"), machine.make_room) is None
    assert loaded.model is before


def test_a_broken_one_leaves_the_one_before(loaded, machine):
    before = loaded.model
    machine.broken.add("medium")
    failure = loaded.switch(("medium", "cpu"), machine.make_room)
    assert "expected a checkpoint" in str(failure)
    assert loaded.model is before and machine.made_room == 0


def test_where_two_do_not_fit_the_one_before_makes_room(loaded, machine):
    assert loaded.switch(("large", "cuda:1"), machine.make_room) is None
    assert machine.names == ["large"] and machine.made_room == 1


def test_one_that_fits_by_no_means_brings_back_the_one_before(loaded, machine):
    failure = loaded.switch(("huge", "cuda:1"), machine.make_room)
    assert isinstance(failure, OutOfMemory)
    assert loaded.key == ("small", "cuda:1") and loaded.model.name == "small"
    assert machine.names == ["small"]


def test_without_one_before_the_error_is_raised(machine):
    loaded = LoadedModel(machine.load)
    with pytest.raises(OutOfMemory):
        loaded.switch(("huge", "cpu"), machine.make_room)
    assert loaded.model is None and loaded.key is None


def test_where_the_one_before_is_gone_the_first_error_is_raised(loaded, machine):
    machine.broken.add("small")
    with pytest.raises(OutOfMemory):
        loaded.switch(("huge", "cpu"), machine.make_room)
    assert loaded.model is None and loaded.key is None


def test_unloading_frees_it(loaded, machine):
    loaded.unload()
    assert machine.names == [] and loaded.key is None


def test_the_real_network_is_freed_and_measured(monkeypatch, tmp_path):
    from sam2_torch import CELLS_NANO, load_sam2

    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    loaded = LoadedModel(load_sam2)
    loaded.switch(("cells_nano", "cpu"), lambda: None)
    assert loaded.describe() == Opened(("cells_nano", "cpu"), "cpu", "float32")
    *_, speed = loaded.measure()
    assert read_speeds(CELLS_NANO) == (speed,)
    network = weakref.ref(loaded.model)
    loaded.unload()
    assert network() is None
