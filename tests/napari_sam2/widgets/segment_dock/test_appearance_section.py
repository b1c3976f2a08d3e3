"""What the network sees, chosen in the dock."""

import numpy as np
import pytest

from napari_sam2.movies.appearance import Appearance
from napari_sam2.widgets.dock.dock import Sam2Dock


@pytest.fixture
def dock(make_napari_viewer, stub_owner, qtbot):
    viewer = make_napari_viewer()
    pixels = np.random.default_rng(0).integers(0, 4000, (4, 3, 40, 60)).astype(np.uint16)
    viewer.add_image(
        pixels,
        name="two",
        axis_labels=("t", "c", "y", "x"),
        scale=(1, 1, 2, 2),
        translate=(0, 0, 5, 9),
    )
    dock = Sam2Dock(viewer, stub_owner)
    qtbot.addWidget(dock)
    dock.annotator.worker.busy.connect(lambda busy: None)
    yield dock
    dock.annotator.close()


def choose(box, text):
    box.setCurrentText(text)
    box.activated.emit(box.currentIndex())


def test_choices_reach_the_session(dock, qtbot, stub_owner):
    section = dock.appearance
    assert section.appearance == Appearance()
    dock.annotator.open(("stub", "cpu"))
    qtbot.waitUntil(lambda: len(stub_owner.sessions) == 1)
    section.form.gamma.value = 0.5
    qtbot.waitUntil(lambda: len(stub_owner.sessions) == 2)
    section.form.detail.value = 2.0
    section.form.contrast.value = "Of each frame"
    choose(section.channels[0], "2")
    choose(section.channels[1], "0")
    wanted = Appearance(None, 0.5, True, 2.0, (2, 0))
    assert dock.annotator.workspace.appearance == section.appearance == wanted
    section.form.contrast.value = "As the layer shows it"
    low, high = dock.annotator.workspace.image.contrast_limits
    assert section.appearance.contrast == (low, high)


def test_each_image_keeps_its_own(dock, qtbot):
    dock.appearance.form.gamma.value = 0.7
    other = dock.annotator.viewer.add_image(np.zeros((5, 30, 30)), name="other")
    dock.image.images.setCurrentIndex(dock.image.images.findData(other))
    dock.image.images.activated.emit(dock.image.images.currentIndex())
    assert dock.appearance.form.gamma.value == 1
    assert dock.appearance.channels[0].isHidden()
    dock.image.images.setCurrentIndex(0)
    dock.image.images.activated.emit(0)
    assert dock.appearance.form.gamma.value == 0.7
    assert not dock.appearance.channels[0].isHidden()


@pytest.mark.parametrize("colours", [False, True])
def test_a_picture_of_what_the_network_sees(dock, qtbot, colours):
    section = dock.appearance
    if colours:
        choose(section.channels[0], "1")
        choose(section.channels[1], "2")
    section.preview.click()
    qtbot.waitUntil(lambda: not section.picture.isHidden())
    assert (section.picture.pixmap().width(), section.picture.pixmap().height()) == (240, 160)
    assert section.caption.text().endswith(": the whole frame")
    section.form.detail.value = 4.0
    assert section.picture.isHidden()  # that was another one
    section.preview.click()
    qtbot.waitUntil(lambda: not section.picture.isHidden())
    assert "a window of 40 x 60 pixels" in section.caption.text()


def test_depth_and_time_together(make_napari_viewer, stub_owner, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((3, 4, 40, 60)), axis_labels=("t", "z", "y", "x"))
    dock = Sam2Dock(viewer, stub_owner)
    qtbot.addWidget(dock)
    texts = [dock.image.axes.itemText(i) for i in range(dock.image.axes.count())]
    assert texts == ["t (3)", "z (4)", "t (3) and z (4)"]
    assert dock.image.axes.currentText() == "t (3) and z (4)"
    workspace = dock.annotator.workspace
    assert (workspace.geometry.n_frames, dock.propagation.range.maximum()) == (12, 2)
    workspace.go_to(7)
    assert viewer.dims.current_step[:2] == (1, 3) and workspace.shown_frame == 7
    dock.image.axes.setCurrentIndex(1)
    dock.image.axes.activated.emit(1)
    assert dock.annotator.workspace.geometry.along == 1
    dock.annotator.close()
