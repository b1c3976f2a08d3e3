"""Sessions that save themselves, are opened again, and outlive a crash."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from textwrap import dedent

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.annotation.session_settings import Settings
from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import read_session
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, LayerFrames
from napari_sam2.movies.appearance import Appearance
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.sessions import autosave
from napari_sam2.widgets.sessions.sessions import fingerprint

CELLS = ("cells_nano", "cpu")
MOVIE = np.arange(6 * 30 * 50, dtype=np.uint16).reshape(6, 30, 50)


@pytest.fixture(autouse=True)
def save_soon(monkeypatch):
    monkeypatch.setattr(autosave, "REST_MS", 10)


@pytest.fixture
def start(qtbot, stub_owner):
    """Start napari, so to speak: `annotator = start(pixels)`."""
    started = []

    def start(pixels=MOVIE, name="movie"):
        viewer = ViewerModel()
        viewer.add_image(pixels, name=name, scale=(1, 0.5, 0.5))
        viewer.dims.set_point(0, 0)
        annotator = Annotator(viewer, stub_owner)
        annotator.told = []
        annotator.noticed.connect(annotator.told.append)
        annotator.failed.connect(annotator.told.append)
        annotator.choose_image(viewer.layers[name])
        started.append(annotator)
        return annotator

    yield start
    for annotator in started:
        annotator.close()
        annotator.viewer.layers.clear()


@pytest.fixture
def settle(qtbot):
    def settle(annotator):
        def idle():
            busy = annotator.worker.is_busy or annotator.propagation.is_showing
            return annotator.sessions.is_saved and not busy

        qtbot.waitUntil(idle, timeout=10_000)

    return settle


@pytest.fixture
def worked(start, settle):
    """An annotator with an object that was clicked, propagated and named."""
    annotator = start()
    annotator.open(CELLS)
    annotator.workspace.prompt_with_points().add((0, 12, 33))
    settle(annotator)
    annotator.work.propagate("forward", None)
    settle(annotator)
    annotator.work.edit.rename(1, "mother")
    settle(annotator)
    return annotator


def masks(annotator):
    masklets = annotator.workspace.masklets
    return {(i, t): masklets.packed(i, t) for i in masklets.object_ids for t in masklets.frames(i)}


def saved():
    (path,) = sessions_folder().glob("*.jsonl")
    return path


def test_what_is_done_is_on_the_disk_a_moment_later(worked):
    header, history = read_session(saved())
    assert history.values == worked.workspace.history.values
    assert (header.image.name, header.model) == ("movie", "cells_nano")
    assert header.image.scale == (1, 0.5, 0.5)


def test_looking_alone_leaves_no_file(start, settle):
    settle(start())
    assert not sessions_folder().exists()


def test_closing_saves_the_last_moment(worked):
    worked.work.edit.rename(1, "grandmother")
    worked.close()
    _, history = read_session(saved())
    assert "grandmother" in str(history.values)


def test_the_session_is_offered_again_and_goes_on(worked, start, settle, stub_owner):
    before = masks(worked)
    worked.close()
    again = start()
    settle(again)
    assert again.sessions.recoverable == saved()
    stub_owner.sessions.clear()
    again.sessions.recover()
    settle(again)
    assert len(again.told) == 1 and "You worked on movie before" in again.told[0]
    assert masks(again) == before
    assert again.workspace.objects.name(1) == "mother"
    assert again.viewer.layers["movie clicks"].data.tolist() == [[0, 12, 33]]
    assert again.viewer.layers["mother"].data[3, 12, 36] == 1
    assert again.sessions.recoverable is None
    # nothing is computed again, and yet the prompts are live: a click refines what was there
    assert stub_owner.sessions[0].log == []
    again.viewer.layers["movie clicks"].add((0, 20, 10))
    settle(again)
    assert stub_owner.sessions[0].log == [("add", 1, 0, 1, True), ("add", 1, 0, 1, False)]
    # and undo reaches back into what was done before
    again.work.edit.undo()
    again.work.edit.undo()
    settle(again)
    assert again.workspace.objects.name(1) == "Object 1"
    assert len(list(sessions_folder().glob("*.jsonl"))) == 2  # the one from before is as it was


def test_how_the_masks_were_made_is_part_of_it(worked, start, settle, stub_owner):
    look = Appearance(contrast=(100.0, 4000.0), gamma=0.5, resolution=2.0)
    worked.work.choose_appearance(look)
    settle(worked)
    assert worked.workspace.history.settings == Settings("cells_nano", "", **asdict(look))
    assert worked.work.edit.undo_text == "rename: Object 1: mother"  # not what undo is about
    worked.close()
    assert read_session(saved())[1].settings.appearance == asdict(look)
    again = start()
    again.network.model = ("another.pt", "cpu")
    settle(again)
    again.sessions.recover()
    settle(again)
    assert again.workspace.appearance == look
    assert any("were made by cells_nano; new ones will be by another.pt" in t for t in again.told)
    assert again.workspace.history.settings.model == "another.pt"
    assert [entry.about for entry in again.workspace.history.entries][-1] == "another.pt"


def test_other_images_are_not_offered_it(worked, start, settle):
    worked.close()
    other = start(MOVIE + 1)
    settle(other)
    assert other.sessions.recoverable is None


def test_it_is_not_offered_once_something_was_done(worked, start, settle):
    worked.close()
    again = start()
    settle(again)
    again.workspace.prompt_with_points().add((0, 1, 1))
    assert again.sessions.recoverable is None


def test_saving_and_opening_at_a_path(worked, start, settle, tmp_path):
    path = tmp_path / "my cells.jsonl"
    worked.sessions.save(path)
    settle(worked)
    before = masks(worked)
    again = start()
    again.sessions.open(path)
    settle(again)
    assert masks(again) == before
    other = start(MOVIE + 1, "other")
    other.sessions.open(path)
    settle(other)
    assert masks(other) == before
    assert other.told == [
        "my cells.jsonl was made on another image, movie: it has the same size, but other "
        "pixels. Its prompts and masks are shown on this one."
    ]


def test_an_image_of_another_size_is_refused(worked, start, settle, tmp_path):
    worked.sessions.save(tmp_path / "s.jsonl")
    settle(worked)
    small = start(MOVIE[:, :20], "small")
    small.sessions.open(tmp_path / "s.jsonl")
    settle(small)
    assert masks(small) == {}
    assert [str(error) for error in small.told] == [
        "s.jsonl belongs to another image, movie: it has 6 frames of 30 x 50 pixels, "
        "this image has 6 frames of 20 x 50 pixels"
    ]


def test_a_folder_that_is_gone_is_told(worked, settle, tmp_path):
    worked.sessions.save(tmp_path / "nowhere" / "s.jsonl")
    settle(worked)
    assert "expected a folder to write to" in str(worked.told[0])


def test_an_image_that_leaves_is_saved(worked, settle):
    worked.work.edit.rename(1, "late")
    worked.viewer.layers.remove("movie")
    settle(worked)
    assert "late" in str(read_session(saved())[1].values)


@pytest.fixture
def full_disk(monkeypatch):
    """Let writing sessions fail; gives the switch."""
    state = {"full": False, "tries": 0}

    def failing(write):
        def called(*arguments):
            state["tries"] += 1
            if state["full"]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(*arguments)

        return called

    for name in ("append_lines", "write_session"):
        monkeypatch.setattr(autosave, name, failing(getattr(autosave, name)))
    return state


@pytest.mark.parametrize("from_the_beginning", [False, True])
def test_what_is_done_while_the_disk_is_full_is_saved_later(
    start, settle, qtbot, full_disk, from_the_beginning
):
    annotator = start()
    full_disk["full"] = from_the_beginning
    for number in range(3):
        annotator.work.edit.new(f"first {number}")
    if not from_the_beginning:
        settle(annotator)
    full_disk["full"] = True
    for number in range(3):
        annotator.work.edit.new(f"middle {number}")
    tries = full_disk["tries"]
    qtbot.waitUntil(lambda: full_disk["tries"] > tries + 3)
    assert len(annotator.told) == 1  # one sentence, however often it fails
    assert "No space left on device. It is tried again" in str(annotator.told[0])
    full_disk["full"] = False
    settle(annotator)
    annotator.work.edit.new("last")
    settle(annotator)
    assert annotator.told[1:] == ["The session is saved again, with all that was done meanwhile."]
    names = [value.name for value in read_session(saved())[1].values.values()]
    middle = [f"middle {number}" for number in range(3)]
    assert names == ["Object 1", "first 0", "first 1", "first 2", *middle, "last"]


def test_half_a_line_on_a_full_disk_is_replaced(worked, settle):
    with saved().open("ab") as file:  # as a write leaves it that found room for a part alone
        file.write(b'{"step": 4, "time": "2026')
    worked.edit.rename(1, "grandmother")
    settle(worked)
    notes = []
    assert "grandmother" in str(read_session(saved(), notes.append)[1].values)
    assert not notes


@pytest.mark.parametrize("delete", [lambda path: path.unlink(), lambda path: path.write_text("")])
def test_a_deleted_session_is_written_again(worked, settle, delete):
    delete(saved())
    worked.edit.rename(1, "grandmother")
    settle(worked)
    assert "all of the session is written to it again" in worked.told[0]
    assert read_session(saved())[1].values == worked.workspace.history.values


def test_an_image_that_leaves_while_the_disk_is_full_is_saved_later(
    worked, settle, qtbot, full_disk
):
    full_disk["full"] = True
    worked.edit.rename(1, "late")
    worked.viewer.layers.remove("movie")
    qtbot.waitUntil(lambda: bool(worked.told))
    full_disk["full"] = False
    worked.close()
    assert "late" in str(read_session(saved())[1].values)


def test_damaged_steps_are_told_when_a_session_is_opened(worked, start, settle):
    worked.close()
    path = saved()
    path.write_text(path.read_text().replace("mother", "mutter"))
    again = start()
    settle(again)
    again.sessions.recover()
    settle(again)
    assert any("1 of " in told and "left out" in told for told in again.told[1:])
    assert again.workspace.masklets.frames(1)


CRASH = """
    import os, signal, sys
    import numpy as np
    from napari.components import ViewerModel
    from qtpy.QtCore import QCoreApplication, QTimer
    sys.path.insert(0, sys.argv[1])
    from stub_session import StubSession
    from napari_sam2.io.sessions.saved_sessions import sessions_folder
    from napari_sam2.widgets.annotator.annotator import Annotator
    from napari_sam2.widgets.inference.session_owner import SessionOwner

    app = QCoreApplication([])
    viewer = ViewerModel()
    movie = np.arange(6 * 30 * 50, dtype=np.uint16).reshape(6, 30, 50)
    image = viewer.add_image(movie, name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    annotator = Annotator(viewer, SessionOwner(lambda *key: "stub", StubSession))
    annotator.choose_image(image)
    annotator.open()
    annotator.workspace.prompt_with_points().add((0, 12, 33))
    annotator.work.propagate("forward", None)

    def crash():
        files = list(sessions_folder().glob("*.jsonl"))
        if files and files[0].read_text().count('"mask"') == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    timer = QTimer()
    timer.timeout.connect(crash)
    timer.start(20)
    QTimer.singleShot(20_000, app.quit)
    app.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_after_kill_9_masks_and_prompts_are_there(start, settle, request):
    stub = request.path.parents[2]  # where stub_session lies
    crashed = subprocess.run(
        [sys.executable, "-c", dedent(CRASH), str(stub)],
        env=None,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    again = start()
    settle(again)
    again.sessions.recover()
    settle(again)
    assert sorted(masks(again)) == [(1, t) for t in range(6)]
    assert again.viewer.layers["movie clicks"].data.tolist() == [[0, 12, 33]]
    assert again.viewer.layers["Object 1"].data[4, 12, 37] == 1


def test_an_image_is_recognised_whichever_channel_is_shown():
    viewer = ViewerModel()
    channels = np.stack([MOVIE, MOVIE[::-1]], axis=1)
    image = viewer.add_image(channels, axis_labels=("t", "c", "y", "x"))
    seen = [fingerprint(image, FrameGeometry.of(image, point=(0, c, 0, 0)))() for c in (0, 1)]
    assert seen[0] == seen[1]
    # what is measured and saved of it is what is chosen
    second = LayerFrames(image, FrameGeometry.of(image), Appearance(channels=(1,)))
    np.testing.assert_array_equal(second[0], MOVIE[-1])
