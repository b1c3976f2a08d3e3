"""The parts of the dock "Tracks and numbers", each by itself, driven as a user does."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.review_queue import Check, ReviewItem
from napari_sam2.tracks.suggestions import Kind
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.background_job import Background
from napari_sam2.widgets.tracks_dock.export_section import ExportSection, with_suffix
from napari_sam2.widgets.tracks_dock.lineage_section import LineageSection
from napari_sam2.widgets.tracks_dock.measurements_section import TRACKS, NumbersSection
from napari_sam2.widgets.tracks_dock.measurements_table import NumbersTable
from napari_sam2.widgets.tracks_dock.review_list import ReviewList
from sam2_torch.masks import SparseMask

SHAPE = (30, 44)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def tracked() -> Tracked:
    masklets = Masklets(4, SHAPE)
    for frame in range(4):
        masklets.set(1, frame, SparseMask.from_window(SHAPE, np.ones((4, 5)), (3, 4 + frame)))
        masklets.set(3, frame, SparseMask.from_window(SHAPE, np.ones((6, 5)), (15, 4 + frame)))
    pixels = np.full((4, *SHAPE), 9, np.uint16)
    return Tracked.of(Movie(pixels, "TYX", calibration=Calibration((0.5, 0.5))), masklets)


def test_a_job_answers_on_the_gui_thread_and_can_be_stopped(qtbot: Any) -> None:
    background, told = Background(), []
    background.progressed.connect(lambda done, total: told.append((done, total)))

    def count(tell: Any) -> int:
        for done in range(3):
            tell(done + 1, 3)
        return threading.get_ident()

    with qtbot.waitSignal(background.finished) as finished:
        assert background.run(count)
        assert not background.run(count)  # one at a time
    assert finished.args[0] != threading.get_ident()
    assert told == [(1, 3), (2, 3), (3, 3)] and not background.is_running

    going = threading.Event()

    def endless(tell: Any) -> None:
        while True:
            tell(0, 1)
            going.set()

    with qtbot.waitSignal(background.stopped):
        background.run(endless)
        going.wait(5)
        background.cancel()
    with qtbot.waitSignal(background.failed) as failed:
        background.run(lambda tell: 1 // 0)
    assert isinstance(failed.args[0], ZeroDivisionError)
    background.close()


def choose_file(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[str]:
    """Let the next file dialogs return a path; returns what they propose."""
    proposed: list[str] = []

    def choose(parent: Any, title: str, usual: str, filters: str) -> tuple[str, str]:
        proposed.append(usual)
        return str(path), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    return proposed


def test_export_writes_the_chosen_format(
    qtbot: Any, tracked: Tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = ExportSection(lambda: tracked, lambda: tmp_path / "movie")
    qtbot.addWidget(section)
    proposed = choose_file(monkeypatch, tmp_path / "cells")
    section.format.setCurrentText("Cell Tracking Challenge")
    with qtbot.waitSignal(section.job.background.finished, timeout=20_000):
        qtbot.mouseClick(section.job.start, LEFT)
    assert proposed == [str(tmp_path / "movie.ctc")]
    assert (tmp_path / "cells.ctc" / "res_track.txt").read_text() == "1 0 3 0\n3 0 3 0\n"
    assert "cells.ctc" in section.job.status.text() and section.job.start.isEnabled()
    section.close_section()


def test_export_says_what_is_missing_and_what_went_wrong(
    qtbot: Any, tracked: Tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = ExportSection(lambda: None, Path.cwd)
    qtbot.addWidget(empty)
    qtbot.mouseClick(empty.job.start, LEFT)
    assert "propagate it first" in empty.job.status.text()
    image = tmp_path / "image.tif"
    image.write_text("raw data")
    section = ExportSection(lambda: tracked, lambda: tmp_path / "movie", lambda: [image])
    qtbot.addWidget(section)
    choose_file(monkeypatch, image)
    with qtbot.waitSignal(section.job.failed, timeout=20_000) as failed:
        qtbot.mouseClick(section.job.start, LEFT)
    assert "found one of the inputs" in str(failed.args[0]) and image.read_text() == "raw data"
    choose_file(monkeypatch, tmp_path / "missing" / "x.tif")
    with qtbot.waitSignal(section.job.failed, timeout=20_000) as failed:
        qtbot.mouseClick(section.job.start, LEFT)
    assert isinstance(failed.args[0], FileNotFoundError)
    assert section.job.start.isEnabled() and "Nothing was exported" in section.job.status.text()
    (tmp_path / "x.tif").write_bytes(b"of others")
    choose_file(monkeypatch, tmp_path / "x")  # the dialog did not ask about x.tif
    with qtbot.waitSignal(section.job.failed, timeout=20_000) as failed:
        qtbot.mouseClick(section.job.start, LEFT)
    assert (tmp_path / "x.tif").read_bytes() == b"of others"


@pytest.mark.parametrize(
    ("before", "suffix", "after"),
    [
        ("a.tif", ".geff", "a.geff"),
        ("a.ome.tif", ".ome.zarr", "a.ome.zarr"),
        ("a.b", ".csv", "a.b.csv"),
        ("a", ".mp4", "a.mp4"),
    ],
)
def test_suffixes_follow_the_format(before: str, suffix: str, after: str) -> None:
    assert with_suffix(Path("d") / before, suffix) == Path("d") / after


def test_pandas_and_pyqtgraph_are_not_imported_to_show_nothing() -> None:
    code = """
import sys
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari_sam2.widgets.tracks_dock.measurements_section import NumbersSection
NumbersSection(lambda: None).show()
app.processEvents()
assert not {"pandas", "pyqtgraph"} & set(sys.modules)
"""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_numbers_are_measured_plotted_and_listed(qtbot: Any, tracked: Tracked) -> None:
    section = NumbersSection(lambda: replace(tracked, channels={"red": tracked.movie}))
    qtbot.addWidget(section)
    section.show()
    with qtbot.waitSignal(section.measured, timeout=20_000):
        qtbot.mouseClick(section.job.start, LEFT)
    names = [section.quantity.itemText(i) for i in range(section.quantity.count())]
    assert {"area_um2", "mean_red", "background_red"} <= set(names)
    section.select([3], 2)
    section.quantity.setCurrentText("x_um")
    (line,) = section.plot.lines
    frames, values = line.x, line.y
    assert frames.tolist() == [0, 1, 2, 3] and values.tolist() == [3, 3.5, 4, 4.5]
    assert section.table.numbers.rowCount() == 8
    section.table.selectAll()
    assert len(section.plot.lines) == 2
    section.table.clearSelection()
    assert [shown.colour for shown in section.plot.lines] == [line.colour]
    section.which.setCurrentText(TRACKS)
    assert section.table.numbers.rowCount() == 2
    section.close_section()


def test_a_row_leads_to_its_place(qtbot: Any, tracked: Tracked) -> None:
    table = NumbersTable()
    qtbot.addWidget(table)
    table.resize(400, 300)
    table.show()
    columns = {"object": np.array([5, 2]), "frame": np.array([7, 1]), "name": np.array(["b", "a"])}
    table.show_table(DataFrame({**columns, "area": np.array([2.5, np.nan])}))
    heading = table.horizontalHeader()
    place = QPoint(heading.sectionViewportPosition(0) + 5, 5)
    qtbot.mouseClick(heading.viewport(), LEFT, pos=place)
    first = table.numbers.index(0, 0)
    assert [table.numbers.data(table.numbers.index(0, c)) for c in range(4)] == ["2", "1", "a", ""]
    with qtbot.waitSignal(table.place_selected) as selected:
        qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualRect(first).center())
    assert selected.args == [2, 1]


def test_the_queue_goes_on_after_each_decision(qtbot: Any) -> None:
    items = [
        ReviewItem(Kind.DIVISION, (3,), (1,), 0.8),
        ReviewItem(Check.CONFIDENCE, (9, 4, 5), (2,), 0.7),
        ReviewItem(Kind.DOUBLE, (6,), (1, 2), 0.6),
    ]
    section = ReviewList(lambda i: f"Cell {i}")
    qtbot.addWidget(section)
    section.show_items(items)
    assert section.list.item(0).text() == "Cell 1: may divide in frame 3, 80%"
    assert not section.accept.isEnabled()
    with qtbot.waitSignal(section.shown) as shown:
        section.list.setCurrentRow(1)
    assert shown.args == [items[1]]
    assert not section.reject.isEnabled()  # a check is accepted, or the mask is corrected
    section.decide(False)
    assert section.items == items
    with qtbot.waitSignals([section.decided, section.shown]):
        qtbot.mouseClick(section.accept, LEFT)
    assert section.items == [items[0], items[2]] and section.current == items[2]
    section.show_items([items[2], items[1]])  # found again: the place stays
    assert section.current == items[2]
    with qtbot.waitSignal(section.decided) as decided:
        qtbot.mouseClick(section.reject, LEFT)
    assert decided.args == [items[2], False]
    with qtbot.waitSignal(section.fixing) as fixing:
        qtbot.mouseClick(section.fix, LEFT)
    assert fixing.args == [items[1]]


def test_the_family_is_told_and_what_makes_no_sense_is_off(qtbot: Any) -> None:
    section = LineageSection()
    qtbot.addWidget(section)
    tracks = Lineage([Track(1, 0, 2), Track(2, 3, 5, 1), Track(4, 3, 6, 1)])
    names = {1: "Anna", 2: "Anna a", 4: "Anna b", 9: "Object 9"}
    section.show_objects(names, 1, tracks, 2)
    assert section.family.text() == "Frames 0 to 2. Divides into Anna a and Anna b."
    assert section.divide.isEnabled() and not section.unlink.isEnabled()
    section.show_objects(names, 2, tracks, 4)
    assert "Daughter of Anna." in section.family.text() and section.unlink.isEnabled()
    section.other.setCurrentText("Anna b")
    with qtbot.waitSignal(section.swapped) as swapped:
        qtbot.mouseClick(section.swap, LEFT)
    assert swapped.args == [4]
    section.show_objects(names, 9, tracks, 4)
    assert not section.divide.isEnabled() and "No mask yet" in section.family.text()
