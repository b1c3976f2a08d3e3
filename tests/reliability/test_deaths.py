"""Processes that die while they write, and two that write the same output."""

import os
import signal
import sys
import time

import pytest

from sam2_torch.models import local_files
from sam2_torch.models.local_files import replacing, replacing_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


@pytest.fixture(autouse=True)
def next_run(monkeypatch):
    """Forget which folders were cleaned, as another process does; nothing is too young for it."""
    monkeypatch.setattr(local_files, "_NEW_S", 0.0)
    local_files._remove_left_behind.cache_clear()
    return local_files._remove_left_behind.cache_clear


def in_child(function):
    """Run in a process of its own; returns its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            local_files._remove_left_behind.cache_clear()
            function()
            code = 0
        finally:
            os._exit(code)
    return child


def killed(function):
    """Run in a process that ends itself by SIGKILL."""
    child = in_child(function)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def write_file(path, text, then=lambda: None):
    with replacing(path) as part:
        part.write_text(text)
        then()


def write_folder(path, text, then=lambda: None):
    with replacing_folder(path) as part:
        for name in "abc":
            (part / name).write_text(text)
        then()


def content(path):
    if path.is_dir():
        return [(file.name, file.read_text()) for file in sorted(path.iterdir())]
    return path.read_text()


WRITERS = pytest.mark.parametrize("write", [write_file, write_folder])


@WRITERS
def test_the_earlier_output_survives_and_the_next_run_cleans_up(tmp_path, write, next_run):
    path = tmp_path / "out"
    write(path, "earlier")
    earlier = content(path)
    for _ in range(3):
        killed(lambda: write(path, "half", die))
    assert content(path) == earlier
    assert len(list(tmp_path.iterdir())) == 2  # each run cleans up after the one before
    next_run()
    write(path, "new")
    assert "new" in str(content(path))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("event", ["os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"])
@WRITERS
def test_a_death_at_any_operation_leaves_one_of_both(tmp_path, write, event, next_run):
    path = tmp_path / "out"
    for number in range(1, 8):
        next_run()
        write(path, "earlier")
        earlier = content(path)

        def hooked(number=number):
            seen = []

            def hook(name, arguments):
                if name == event and str(tmp_path) in str(arguments[0]):
                    seen.append(name)
                    if len(seen) == number:
                        die()

            sys.addaudithook(hook)
            write(path, "new")

        os.waitpid(in_child(hooked), 0)
        assert content(path) in (earlier, eval(repr(earlier).replace("earlier", "new")))
    next_run()
    write(path, "last")
    assert list(tmp_path.iterdir()) == [path]


@WRITERS
def test_what_another_process_writes_is_left_alone(tmp_path, write, next_run):
    path = tmp_path / "out"
    child = in_child(lambda: write(path, "slow", lambda: time.sleep(30)))
    while not list(tmp_path.glob(".napari-sam2-*")):
        time.sleep(0.01)
    time.sleep(0.1)  # it has its lock now
    next_run()
    write(tmp_path / "other", "new")
    assert list(tmp_path.glob(".napari-sam2-*"))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    next_run()
    write(tmp_path / "other", "newer")
    assert not list(tmp_path.glob(".napari-sam2-*"))


@WRITERS
def test_two_processes_with_one_output(tmp_path, write):
    path = tmp_path / "out"

    def often(text):
        for _ in range(50):
            write(path, text)

    children = [in_child(lambda text=text: often(text)) for text in ("one", "two")]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    found = content(path)
    assert found in ("one", "two") or {text for _, text in found} in ({"one"}, {"two"})
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_exchanged_in_two_steps_where_the_system_cannot(tmp_path, monkeypatch):
    monkeypatch.setattr(local_files, "_exchange_at_once", lambda *_: False)
    for text in ("one", "two", "three"):
        write_folder(tmp_path / "out", text)
        assert {text for _, text in content(tmp_path / "out")} == {text}
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_an_error_leaves_the_earlier_output_alone(tmp_path):
    path = tmp_path / "out"
    write_folder(path, "earlier")

    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_folder(path, "half", fail)
    assert {text for _, text in content(path)} == {"earlier"}
    assert list(tmp_path.iterdir()) == [path]
