"""Threads that leave the interface its time."""

import gc
import importlib.util
import os
import subprocess
import sys
import threading
import weakref
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from napari_sam2.movies.background_threads import (
    NICE,
    background_thread,
    frozen_afterwards,
    load_torch_libraries,
    thaw,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows it by thread")


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def ask(thread_of, *calls):
    """Make calls one after the other on a thread; their answers."""
    answers = []
    thread = thread_of(lambda: answers.extend([call() for call in calls]))
    thread.start()
    thread.join()
    return answers


def plain_thread(run):
    return threading.Thread(target=run)


def thread_behind(run):
    return background_thread(run, "napari-sam2 test")


@on_linux
def test_the_thread_stands_back_and_the_interface_does_not():
    before = priority()
    assert ask(thread_behind, priority) == [max(NICE, before)]
    assert priority() == before


@on_linux
def test_threads_that_it_starts_stand_back_as_well():
    before = priority()
    ((inner,),) = ask(thread_behind, lambda: ask(plain_thread, priority))
    assert inner == max(NICE, before)


@on_linux
def test_a_program_that_stands_back_further_stays_there():
    def stand_far_back():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)

    *_, (lowered,) = ask(plain_thread, stand_far_back, lambda: ask(thread_behind, priority))
    assert lowered == 15


def test_it_has_a_name_and_does_not_keep_the_program_from_ending():
    thread = thread_behind(lambda: None)
    assert (thread.name, thread.daemon, thread.is_alive()) == ("napari-sam2 test", True, False)


def test_what_an_import_leaves_is_skipped_by_the_collector_until_it_thaws():
    class Knot:
        pass

    def tie() -> weakref.ref[Knot]:
        knot = Knot()
        knot.self = knot
        return weakref.ref(knot)

    gc.collect()
    with frozen_afterwards():
        assert not gc.isenabled()
        before = tie()
    assert gc.isenabled()
    after = tie()
    gc.collect()
    assert before() is not None
    assert after() is None
    thaw()
    gc.collect()
    assert before() is None


def test_the_collector_goes_on_after_an_error():
    with pytest.raises(KeyError), frozen_afterwards():
        raise KeyError
    assert gc.isenabled()
    thaw()


def test_a_collector_that_somebody_turned_off_stays_off():
    gc.disable()
    try:
        with frozen_afterwards():
            pass
        assert not gc.isenabled()
    finally:
        thaw()
        gc.enable()


@on_linux
def test_the_libraries_are_there_before_torch_is_imported():
    script = """
import sys
from pathlib import Path
from napari_sam2.movies.background_threads import load_torch_libraries
assert load_torch_libraries()
assert "torch" not in sys.modules
assert "libtorch_cpu" in Path("/proc/self/maps").read_text()
import torch
print(int(torch.ones(2, 3).sum()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("6", 0), done.stderr


@pytest.mark.parametrize("is_installed", [True, False])
def test_libraries_that_cannot_be_loaded_are_left_to_the_import(
    is_installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spec = ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if is_installed else None)
    assert load_torch_libraries.__wrapped__() is False
