"""The dock "Tune to my data", used as a person uses it; the training is a small program."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.widgets.tuning_dock.dock import TuneToMyData, verdict
from napari_sam2.widgets.tuning_dock.process import TuningRequest
from napari_sam2.widgets.tuning_dock.sections import LossCurve
from sam2_torch.masks import SparseMask
from sam2_torch.training.data.labelled_movies import read_dataset

DOCK_WIDTH_PX = 300

TRAINING = """
import json, sys, time
from pathlib import Path
from PIL import Image
folder, data = Path(sys.argv[1]), Path(sys.argv[2])
def say(**event):
    print(json.dumps(event), flush=True)
say(event="stage", name="measuring before", done=1, total=2)
print("a library talks")
say(event="stage", name="training", done=0, total=100)
(folder / "seen.txt").write_text("\\n".join(p.name for p in data.iterdir()))
for i in range(1, 5):
    say(event="step", step=10 * i, progress=i / 4, seconds=30.0 * i, loss=2.0 / i)
if {waits}:
    while not (folder / "stop").exists():
        time.sleep(0.02)
if {fails}:
    print("napari-sam2: the disk is full", file=sys.stderr)
    sys.exit(1)
Image.new("RGB", (400, 200), (40, 90, 40)).save(folder / "held_out.png")
say(event="result", ending="stopped" if {waits} else "finished", steps=40,
    before={{"image.click": 0.5, "image.box": 0.61}},
    after={{"image.click": 0.75, "image.box": 0.7}},
    checkpoint="x.safetensors", folder=str(folder))
"""


@pytest.fixture
def train_with(monkeypatch):
    """Let another program train: `train_with(waits=..., fails=...)`."""

    def train_with(waits=False, fails=False):
        program = TRAINING.format(waits=waits, fails=fails)
        monkeypatch.setattr(
            TuningRequest,
            "arguments",
            lambda request: ["-c", program, str(request.folder), str(request.data)],
        )

    return train_with


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    rng = np.random.default_rng(0)
    movie = rng.integers(0, 60000, (4, 40, 60)).astype(np.uint16)
    viewer.add_image(movie, name="my movie", scale=(1, 0.5, 0.5))
    return viewer


@pytest.fixture
def dock(viewer, stub_owner, home):
    widget = TuneToMyData(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="Tune to my data")
    return widget


def segment(dock, viewer, frames=3):
    """Leave masks of two objects in the viewer, as a session does."""
    image = viewer.layers["my movie"]
    dock.annotator.choose_image(image)
    masklets = dock.annotator.workspace.masklets
    y, x = np.ogrid[:40, :60]
    for frame in range(frames):
        for i, (cy, cx) in enumerate(((12, 15 + frame), (28, 40)), start=1):
            mask = (y - cy) ** 2 + (x - cx) ** 2 <= 49
            masklets.set(i, frame, SparseMask.from_dense(mask))
    dock.annotator.changed.emit()


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def wait_for_the_end(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)


def test_without_masks_it_says_what_to_do(dock):
    assert "segment some cells" in dock.data.summary.text()
    assert not dock.run.start.isEnabled()


def test_from_corrected_masks_to_a_model_in_use_and_back(dock, viewer, qtbot, train_with, home):
    train_with()
    segment(dock, viewer)
    assert dock.data.summary.text() == "my movie: 2 objects, 6 masks"
    seen = []
    dock.process.stepped.connect(lambda *step: seen.append(dock.run.status.text()))
    dock.settings.new_name.value = "my_discs"
    press(qtbot, dock.run.start)
    assert not dock.run.start.isEnabled()
    assert not dock.settings.enabled
    wait_for_the_end(qtbot, dock)
    assert seen[-1] == "Step 40" and seen[0] == "Step 10"
    assert dock.run.curve.points == [(0.25, 2.0), (0.5, 1.0), (0.75, 2 / 3), (1.0, 0.5)]
    assert dock.run.status.text() == "40 steps done"
    assert dock.result.headline.text() == (
        "<b>Better by 0.17</b> (mean IoU 0.55 → 0.72). my_discs is saved."
    )
    cells = [
        dock.result.figures.itemAt(i).widget().text() for i in range(dock.result.figures.count())
    ]
    assert cells == [
        *("held-out part", "before", "after"),
        *("one click", "0.50", "0.75"),
        *("box", "0.61", "0.70"),
    ]
    seen_files = (home / "runs" / "my_discs" / "seen.txt").read_text().split()
    assert "manifest.csv" in seen_files and len(seen_files) == 2
    before = dock.annotator.network.model
    press(qtbot, dock.result.use)
    assert dock.annotator.network.model == ("my_discs", before[1])
    assert not dock.result.use.isEnabled()
    press(qtbot, dock.result.undo)
    assert dock.annotator.network.model == before
    assert dock.result.use.isEnabled()


def test_the_masks_reach_the_program_as_they_are(dock, viewer, qtbot, train_with, monkeypatch):
    train_with()
    segment(dock, viewer)
    found = []
    monkeypatch.setattr(
        dock.process, "start", lambda request: found.extend(read_dataset(request.data))
    )
    press(qtbot, dock.run.start)
    qtbot.waitUntil(lambda: bool(found))
    (movie,) = found
    assert movie.labels.shape == (3, 40, 60)
    np.testing.assert_array_equal(movie.images, viewer.layers["my movie"].data[:3])
    masklets = dock.annotator.workspace.masklets
    np.testing.assert_array_equal(movie.labels[1], masklets.labels(1))
    assert FrameGeometry.of(viewer.layers["my movie"]).n_frames == 4


def test_it_can_be_stopped(dock, viewer, qtbot, train_with):
    train_with(waits=True)
    segment(dock, viewer)
    press(qtbot, dock.run.start)
    qtbot.waitUntil(lambda: len(dock.run.curve.points) == 4, timeout=20_000)
    press(qtbot, dock.run.stop)
    assert "Stopping" in dock.run.status.text()
    wait_for_the_end(qtbot, dock)
    assert "as it was when it was stopped" in dock.result.headline.text()
    assert dock.run.start.isEnabled()


def test_a_failure_is_told_and_one_can_try_again(dock, viewer, qtbot, train_with):
    train_with(fails=True)
    segment(dock, viewer)
    press(qtbot, dock.run.start)
    wait_for_the_end(qtbot, dock)
    assert dock.run.status.text() == "the disk is full"
    assert not dock.result.isVisibleTo(dock)
    train_with()
    press(qtbot, dock.run.start)
    wait_for_the_end(qtbot, dock)
    assert dock.result.isVisibleTo(dock)


def test_what_is_missing_stands_beside_the_button(dock, viewer):
    segment(dock, viewer, frames=1)
    assert dock.run.needs.text() == "Needs 6 masks; you have 2."
    assert not dock.run.start.isEnabled()
    segment(dock, viewer)
    assert dock.run.needs.text() == "" and dock.run.start.isEnabled()


def test_the_verdict_names_the_model_to_keep():
    before = {"image.click": 0.83, "image.box": 0.87}
    assert verdict(before, {"image.click": 0.82, "image.box": 0.88}, "cells_nano") == (
        "<b>No better</b> (mean IoU 0.85 → 0.85): keep cells_nano."
    )
    assert verdict(before, {"image.click": 0.80}, "cells_nano").startswith("<b>Worse</b>")


def test_a_folder_is_taken(dock, qtbot, train_with, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    train_with()
    folder = tmp_path / "well plates"
    folder.mkdir()
    labels = np.zeros((40, 60), np.uint16)
    for i in range(8):
        labels[4 + 16 * (i // 4) : 14 + 16 * (i // 4), 2 + 14 * (i % 4) : 12 + 14 * (i % 4)] = i + 1
    tifffile.imwrite(folder / "a.tif", labels * 100)
    tifffile.imwrite(folder / "a_labels.tif", labels)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    dock.data.source.setCurrentIndex(1)
    dock.data.source.activated.emit(1)
    assert dock.data.source.currentText() == "well plates"
    press(qtbot, dock.run.start)
    wait_for_the_end(qtbot, dock)
    assert dock.result.headline.text().endswith("my_cells is saved.")


def test_names_that_cannot_be_are_refused(dock, viewer, qtbot, train_with):
    train_with()
    segment(dock, viewer)
    dock.settings.new_name.value = "two words"
    assert not dock.run.start.isEnabled()
    dock.settings.new_name.value = "cells_nano"
    press(qtbot, dock.run.start)
    assert "There is a model called cells_nano" in dock.run.status.text()
    assert not dock.is_busy


def test_closing_the_dock_ends_the_program(dock, viewer, qtbot, train_with):
    train_with(waits=True)
    segment(dock, viewer)
    press(qtbot, dock.run.start)
    qtbot.waitUntil(lambda: len(dock.run.curve.points) == 4, timeout=20_000)
    viewer.window.remove_dock_widget(dock.parent())
    assert not dock.process.is_running


def test_nothing_is_cut_off_at_300_pixels(dock, viewer, qtbot, train_with):
    train_with()
    viewer.window._qt_window.resize(1200, 900)
    segment(dock, viewer)
    press(qtbot, dock.run.start)
    wait_for_the_end(qtbot, dock)
    assert dock.minimumSizeHint().width() <= DOCK_WIDTH_PX


def test_the_curve_is_drawn_and_smoothed(qtbot):
    curve = LossCurve()
    qtbot.addWidget(curve)
    curve.show()
    assert curve.plot is None
    for i in range(2):
        curve.add(i, 2 - i)
    curve.add(1.0, float("nan"))
    assert len(curve.points) == 2
    measured, smooth = (item.yData.tolist() for item in curve.plot.listDataItems())
    assert measured == [2, 1] and smooth == pytest.approx([2, 1.7])
    assert curve.title.text() == "training loss 2.00 → 1.70"
    curve.clear()
    assert not curve.points and not curve.plot.isVisible()


def test_the_command_is_the_one_of_the_command_line(tmp_path):
    """What the dock starts is understood by `napari-sam2 train`."""
    from napari_sam2.cli import _parser

    request = TuningRequest(tmp_path, "cells_nano", "cpu", "x", "decoder", 2.5, tmp_path / "run")
    program, module, *arguments = request.arguments()
    assert (program, module) == ("-m", "napari_sam2.cli")
    parsed = _parser().parse_args(arguments)
    assert (parsed.name, parsed.train, parsed.minutes) == ("x", "decoder", 2.5)
    assert parsed.run_folder == tmp_path / "run"
    assert Path(sys.executable).exists()
