"""The dock "Segment everything" in a napari window, with the embedded weights."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel
from tests.tiny_clip import save_tiny_clip

from napari_sam2.widgets.automatic_dock.dock import SegmentEverything
from napari_sam2.widgets.automatic_dock.examples import examples_of
from napari_sam2.widgets.automatic_dock.sections import (
    ALL_FRAMES,
    ALL_OBJECTS,
    BRIGHT_BLOBS,
    DECODER,
    WORDS,
)
from napari_sam2.widgets.controls.vertical_scroll import TallScroll
from napari_sam2.widgets.inference.session_owner import SessionOwner

CENTRES = ((30, 40), (80, 60), (45, 150), (95, 130))
RADIUS = 13
UM = 0.5  # per pixel
DOCK_WIDTH_PX = 300
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def network():
    from sam2_torch import CELLS_NANO, SAM2, load_sam2

    small = SAM2(replace(CELLS_NANO, image_size=256))
    small.load_state_dict(load_sam2("cells_nano", "cpu").state_dict())
    return small.eval().requires_grad_(False)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


def disc(centre):
    y, x = np.mgrid[:128, :200]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < RADIUS**2


@pytest.fixture
def movie():
    """(3, 128, 200) uint16: four bright discs that move to the right."""
    frames = np.full((3, 128, 200), 800.0)
    for t in range(3):
        for y, x in CENTRES:
            frames[t][disc((y, x + 3 * t))] = 4000
    return (frames + np.random.default_rng(0).normal(0, 60, frames.shape)).astype(np.uint16)


@pytest.fixture
def dock(viewer, movie, network):
    """The dock beside a calibrated movie; the grid is coarse."""
    viewer.add_image(
        movie, name="cells", scale=(1, UM, UM), translate=(0, 3, 5), units=("s", "um", "um")
    )
    viewer.dims.set_point(0, 0)
    widget = SegmentEverything(viewer, SessionOwner(load=lambda name, device: network))
    viewer.window.add_dock_widget(widget, name="All cells")
    widget.annotator.choose_image(viewer.layers["cells"])
    widget.wanted.form.points.value = 10
    widget.wanted.form.contrast.value = "bright"
    widget.wanted.form.largest.value = 2.5 * RADIUS * UM
    return widget


def done(dock, qtbot):
    def idle():
        annotator = dock.annotator
        return not dock._is_running and not annotator.worker.is_busy

    qtbot.waitUntil(idle, timeout=60000)


def overlap(labels, centre):
    """IoU of the label under a centre with the disc there."""
    truth = disc(centre)
    label = labels[centre]
    found = labels == label if label else np.zeros_like(truth)
    return (found & truth).sum() / (found | truth).sum()


def test_everything_is_found_and_made_objects(dock, viewer, qtbot):
    dock.segment.run.click()
    assert not dock.segment.run.isEnabled() and dock.progress.cancel.isEnabled()
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    assert tuple(layer.scale) == (1, UM, UM) and tuple(layer.translate) == (0, 3, 5)
    labels = np.asarray(layer.data[0])
    assert all(overlap(labels, centre) > 0.7 for centre in CENTRES)
    assert not np.asarray(layer.data[1]).any()
    scores = layer.features.set_index("index")["score"]
    shown = np.unique(labels)[1:]
    assert (scores[shown] >= dock.segment.score.value()).all()
    assert dock.progress.status.text() == "Done." and not dock.progress.cancel.isEnabled()

    dock.segment.make.click()
    done(dock, qtbot)
    workspace = dock.annotator.workspace
    assert not np.asarray(layer.data[0]).any()  # they are objects now
    made = [i for i in workspace.masklets.object_ids if workspace.masklets.get(i, 0)]
    assert len(made) == len(shown)
    assert "cells found" not in viewer.layers
    assert len(made) > 3 and not workspace.outputs.per_object  # many: one layer for all
    instance = workspace.masklets.labels(0)
    assert all(overlap(instance, centre) > 0.7 for centre in CENTRES)


def test_the_instance_decoder_finds_and_links(dock, viewer, qtbot):
    dock.wanted.form.find_by.value = DECODER
    dock.segment.run.click()
    done(dock, qtbot)
    labels = np.asarray(viewer.layers["cells found"].data[0])
    assert sum(overlap(labels, centre) > 0.7 for centre in CENTRES) >= 3
    assert dock.progress.status.text() == "Done."
    dock.track.run.click()
    done(dock, qtbot)
    workspace = dock.annotator.workspace
    numbers = [[workspace.masklets.labels(t)[y, x + 3 * t] for t in range(3)] for y, x in CENTRES]
    steady = [ids for ids in numbers if ids[0] and len(set(ids)) == 1]
    assert len(steady) >= 3
    assert all((ids[0], 0) in workspace.prompts for ids in steady)  # prompted: can be corrected


def test_a_movie_can_be_tracked_before_anything_was_segmented(dock, viewer):
    assert dock.track.isVisibleTo(dock) and dock.segment.frames.isVisibleTo(dock)
    viewer.layers.clear()
    dock.annotator.choose_image(viewer.add_image(np.zeros((64, 80), np.uint8), name="one"))
    assert not dock.track.isVisibleTo(dock) and not dock.segment.frames.isVisibleTo(dock)


def test_tracking_says_that_objects_are_there_already(dock, qtbot):
    dock.segment.run.click()
    done(dock, qtbot)
    dock.segment.make.click()
    done(dock, qtbot)
    dock.segment.score.setValue(1.0)
    dock.track.run.click()
    done(dock, qtbot)
    assert dock.progress.status.text().startswith(
        "no new objects. Propagate those that are there already"
    )


def test_the_slider_hides_and_shows_without_running_again(dock, viewer, qtbot):
    dock.segment.run.click()
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    before = np.asarray(layer.data[0])
    n = len(np.unique(before)) - 1
    best = max(dock.found.objects, key=lambda i: dock.found.objects[i].score)
    dock.segment.score.setValue(dock.found.objects[best].score - 0.001)
    assert set(np.unique(layer.data[0])) == {0, best}
    assert dock.segment.count.text() == f"1 of {len(dock.found.objects)} objects shown"
    dock.segment.score.setValue(1.0)
    assert not np.asarray(layer.data[0]).any() and not dock.segment.make.isEnabled()
    dock.segment.score.setValue(0.35)
    np.testing.assert_array_equal(layer.data[0], before)
    assert dock.segment.count.text().startswith(f"{n} of ")


def test_painting_is_kept_by_the_slider(dock, viewer, qtbot):
    dock.segment.run.click()
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    label = int(layer.data[(0, *CENTRES[0])])
    layer.data_setitem((np.array([0]), np.array([5]), np.array([190])), label)
    dock.segment.score.setValue(1.0)
    dock.segment.score.setValue(0.35)
    assert layer.data[0, 5, 190] == label


def test_seeds_from_layers_and_blobs(dock, viewer, qtbot):
    position = (0, 3 + UM * CENTRES[2][0], 5 + UM * CENTRES[2][1])  # in the world
    viewer.add_points([position, (2, 4, 6)], ndim=3, name="seeds")
    dock.wanted.form.find_by.value = viewer.layers["seeds"]
    dock.segment.run.click()
    done(dock, qtbot)
    labels = np.asarray(viewer.layers["cells found"].data[0])
    assert overlap(labels, CENTRES[2]) > 0.7 and len(np.unique(labels)) == 2

    nuclei = np.zeros((3, 128, 200), np.uint8)
    nuclei[0, 78:83, 58:63] = 9
    viewer.add_labels(nuclei, name="nuclei")
    dock.wanted.form.find_by.value = viewer.layers["nuclei"]
    dock.segment.run.click()
    done(dock, qtbot)
    labels = np.asarray(viewer.layers["cells found"].data[0])
    assert overlap(labels, CENTRES[1]) > 0.7 and len(np.unique(labels)) == 2

    dock.wanted.form.find_by.value = BRIGHT_BLOBS
    dock.wanted.form.smallest.value = 1.5 * RADIUS * UM
    dock.segment.run.click()
    done(dock, qtbot)
    labels = np.asarray(viewer.layers["cells found"].data[0])
    assert all(overlap(labels, centre) > 0.7 for centre in CENTRES)


def test_all_frames_can_be_cancelled(dock, viewer, qtbot):
    dock.segment.frames.setCurrentText(ALL_FRAMES)
    dock.segment.run.click()
    qtbot.waitUntil(lambda: dock.progress.status.text().startswith("Frame 1"), timeout=60000)
    assert dock.progress.bar.text().endswith(" left")
    dock.progress.cancel.click()
    done(dock, qtbot)
    assert dock.progress.status.text() == "Stopped; what was done is kept."
    layer = viewer.layers["cells found"]
    assert np.asarray(layer.data[0]).any() and not np.asarray(layer.data[2]).any()
    assert dock.segment.run.isEnabled()


def test_find_all_like_the_current_object(dock, viewer, qtbot, messages):
    from sam2_torch.masks import SparseMask

    dock.similar.run.click()
    done(dock, qtbot)
    assert "no object yet to compare with" in messages[-1].message
    workspace = dock.annotator.workspace
    current = workspace.current_object
    dock.annotator.work.add_masks({current: {0: SparseMask.from_dense(disc(CENTRES[0]))}})
    dock.similar.run.click()
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    likeness = layer.features.set_index("index")["likeness"]
    labels = np.asarray(layer.data[0])
    assert likeness[labels[CENTRES[0]]] > 0.8
    dock.similar.likeness.setValue(likeness[labels[CENTRES[0]]] - 0.002)
    assert layer.data[(0, *CENTRES[0])] and len(np.unique(layer.data[0])) < len(np.unique(labels))


def test_find_by_words(dock, viewer, qtbot, messages, tmp_path):
    pytest.importorskip("transformers")
    similar = dock.similar
    assert not similar.words.isVisibleTo(dock)
    similar.examples.setCurrentText(WORDS)
    assert similar.words.isVisibleTo(dock) and similar.text_model.isVisibleTo(dock)
    similar.run.click()
    done(dock, qtbot)
    assert "Type what to look for" in messages[-1].message
    similar.words.setText("nucleus, dust")
    similar.text_model.setText(str(save_tiny_clip(tmp_path / "clip")))
    similar.run.click()
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    likeness = layer.features.set_index("index")["likeness"].dropna()
    assert len(likeness) >= 3 and likeness.between(0, 1).all() and likeness.nunique() > 1
    before = len(np.unique(layer.data[0]))
    similar.likeness.setValue(float(likeness.max()))
    assert len(np.unique(layer.data[0])) < before


def test_after_objects_were_made_others_like_them_are_found_and_none_twice(
    dock, viewer, qtbot, messages
):
    dock.segment.run.click()
    done(dock, qtbot)
    workspace, found = dock.annotator.workspace, dock.found
    layer = viewer.layers["cells found"]
    label = layer.data[(0, *CENTRES[0])]
    found.remove([i for i in found.objects if i != label])  # that one is wanted
    dock.segment.make.click()
    done(dock, qtbot)
    made = workspace.masklets.labels(0)[CENTRES[0]]
    assert made == 1 and workspace.objects.ids == (1,)  # no empty object is left
    assert workspace.current_object not in workspace.objects  # the next click makes another one

    dock.similar.run.click()  # with what there is: the current object is empty
    done(dock, qtbot)
    layer = viewer.layers["cells found"]  # the one before left with the last of its masks
    likeness = layer.features.set_index("index")["likeness"]
    labels = np.asarray(layer.data[0])
    assert likeness[labels[CENTRES[0]]] > 0.8
    n_shown = len(np.unique(labels)) - 1
    dock.segment.make.click()
    done(dock, qtbot)
    assert "1 mask was left out: it lies on an object" in messages[-1].message
    assert workspace.masklets.labels(0)[CENTRES[0]] == made
    objects = [i for i in workspace.masklets.object_ids if workspace.masklets.get(i, 0)]
    assert len(objects) == n_shown
    assert not np.asarray(layer.data[0]).any()

    workspace.current_object = made
    assert list(examples_of(workspace, everything=False)) == [0]
    assert len(examples_of(workspace, everything=False)[0]) == 1
    dock.similar.examples.setCurrentText(ALL_OBJECTS)
    assert len(examples_of(workspace, dock.similar.everything)[0]) == n_shown


def test_track_everything_makes_ordinary_objects(dock, viewer, qtbot):
    dock.track.run.click()
    done(dock, qtbot)
    assert "objects" in dock.progress.status.text()
    workspace = dock.annotator.workspace
    numbers = [[workspace.masklets.labels(t)[y, x + 3 * t] for t in range(3)] for y, x in CENTRES]
    steady = [ids for ids in numbers if ids[0] and len(set(ids)) == 1]
    assert len(steady) >= 3  # the same object in every frame; the network is no better
    ids = steady[0]
    assert workspace.confidence[ids[0], 2].iou > 0
    assert (ids[0], 0) in workspace.prompts  # prompted with its mask: it can be corrected


def test_track_everything_is_one_step(dock, viewer, qtbot):
    dock.track.run.click()
    done(dock, qtbot)
    workspace = dock.annotator.workspace
    assert any(workspace.masklets.labels(frame).any() for frame in (1, 2))
    before = {frame: workspace.masklets.labels(frame) for frame in range(3)}
    dock.annotator.work.edit.undo()
    done(dock, qtbot)
    assert not any(workspace.masklets.labels(frame).any() for frame in range(3))
    assert dock.annotator.work.edit.undo_text == ""
    dock.annotator.work.edit.redo()
    done(dock, qtbot)
    for frame, labels in before.items():
        np.testing.assert_array_equal(workspace.masklets.labels(frame), labels)


def test_what_was_tracked_until_it_failed_is_one_step(dock, viewer, qtbot, messages, monkeypatch):
    from napari_sam2.api.find_and_link import TrackAll

    run = TrackAll.run

    def failing(self):
        for step in run(self):
            yield step
            if step.frame == 1:
                raise OSError("frame 2 cannot be read")

    monkeypatch.setattr(TrackAll, "run", failing)
    qtbot.mouseClick(dock.track.run, LEFT)
    done(dock, qtbot)
    workspace = dock.annotator.workspace
    found = workspace.masklets.labels(1)
    assert found.any() and not workspace.masklets.labels(2).any()
    assert dock.progress.status.text().startswith("Failed; what was done is kept: ")
    assert "frame 2 cannot be read" in messages[-1].message
    assert dock.track.run.isEnabled() and not dock.progress.cancel.isEnabled()
    dock.annotator.work.edit.undo()
    done(dock, qtbot)
    assert not any(workspace.masklets.labels(frame).any() for frame in range(3))
    assert dock.annotator.work.edit.undo_text == ""
    dock.annotator.work.edit.redo()
    done(dock, qtbot)
    np.testing.assert_array_equal(workspace.masklets.labels(1), found)


def test_what_was_found_until_it_failed_is_kept(dock, viewer, qtbot, messages, monkeypatch):
    from sam2_torch.automatic import Everything

    run, begun = Everything.run, []

    def failing(self):
        begun.append(self)
        if len(begun) == 3:
            raise OSError("the third frame cannot be read")
        yield from run(self)

    monkeypatch.setattr(Everything, "run", failing)
    dock.segment.frames.setCurrentText(ALL_FRAMES)
    qtbot.mouseClick(dock.segment.run, LEFT)
    done(dock, qtbot)
    layer = viewer.layers["cells found"]
    assert [bool(np.asarray(layer.data[frame]).any()) for frame in range(3)] == [True, True, False]
    assert dock.progress.status.text() == "Failed; what was done is kept."
    assert "the third frame cannot be read" in messages[-1].message
    assert dock.segment.run.isEnabled()


def test_errors_are_told_in_a_sentence(dock, qtbot, messages):
    dock.wanted.form.smallest.value = 50
    dock.segment.run.click()
    done(dock, qtbot)
    assert "area: expected a smallest below the largest" in messages[-1].message
    assert dock.segment.run.isEnabled()


def test_nothing_is_cut_off(dock, viewer, qtbot):
    dock.wanted.expand(animate=False)
    dock.resize(DOCK_WIDTH_PX, 900)
    dock.show()
    qtbot.wait(20)
    assert dock.minimumSizeHint().width() <= DOCK_WIDTH_PX
    for label in dock.findChildren(QLabel):
        if label.text() and not label.wordWrap() and label.isVisibleTo(dock):
            assert label.sizeHint().width() <= label.width() + 1, label.text()


def test_on_a_small_screen_it_scrolls_and_can_be_cancelled(dock, viewer, qtbot):
    dock.wanted.expand(animate=False)
    window = viewer.window._qt_window
    window.resize(1024, 520)
    window.show()
    qtbot.waitExposed(window)
    assert dock.minimumSizeHint().height() < 300 and window.height() <= 520
    dock.segment.run.click()  # below what is seen: the bar that takes its place is scrolled to
    qtbot.waitUntil(lambda: not dock.progress.cancel.visibleRegion().isEmpty())
    dock.progress.cancel.click()
    done(dock, qtbot)
    # what is set for the search is scrolled within the tab
    (scrolled,) = dock.findChildren(TallScroll)
    qtbot.waitUntil(lambda: scrolled.verticalScrollBar().maximum() > 0)


def test_without_an_image(viewer, stub_owner, qtbot):
    widget = SegmentEverything(viewer, stub_owner)
    qtbot.addWidget(widget)
    assert not widget.segment.run.isEnabled() and not widget.track.run.isEnabled()
    widget.release()
    widget.release()
    widget.annotator.close()
