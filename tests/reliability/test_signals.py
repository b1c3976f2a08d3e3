"""Signals that end a process."""

import os
import signal
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile

from napari_sam2.cli import export, interrupted_by_signals, main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])


@pytest.fixture(autouse=True)
def usual_answers() -> Iterator[None]:
    """Answer signals as in a terminal: `nohup` and shells in the background ignore some."""
    if sys.platform == "win32":
        yield
        return
    usual = dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.SIG_DFL)
    usual[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, answer) for number, answer in usual.items()}
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


@SIGNALS
def test_a_command_stops_as_with_ctrl_c(tmp_path, number, monkeypatch, capsys):
    tifffile.imwrite(tmp_path / "labels.tif", np.ones((2, 8, 8), np.uint16))

    def write_and_be_stopped(path, *_):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(export, "export", write_and_be_stopped)
    arguments = [str(tmp_path / "labels.tif"), "-o", str(tmp_path / "out.tif")]
    assert main(["export", *arguments]) == 1
    assert "napari-sam2: stopped; nothing is left half-written" in capsys.readouterr().err


def test_a_second_one_does_not_stop_the_cleaning():
    cleaned = False
    with pytest.raises(KeyboardInterrupt), interrupted_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
