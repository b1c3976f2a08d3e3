"""Clicks, the brush and propagation on one image: whose is what."""

import numpy as np
import pytest

from napari_sam2.layers.mask_layers.output_layers import ALL
from napari_sam2.masks.masklets import Confidence
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.annotator.image_changes import ImageChanges
from sam2_torch.masks import SparseMask

SIZE = (4, 40, 60)


@pytest.fixture
def annotator(viewer, stub_owner, qtbot):
    annotator = Annotator(viewer, stub_owner)
    ImageChanges(annotator)
    annotator.told = []
    annotator.noticed.connect(annotator.told.append)
    pixels = np.random.default_rng(1).integers(1, 999, SIZE, np.uint16)
    image = viewer.add_image(pixels, name="movie", scale=(1, 0.5, 0.25), translate=(0, 3, 7))
    viewer.dims.set_point(0, 0)
    annotator.choose_image(image)
    annotator.work.workspace.prompt_with_points()
    annotator.open()
    settle(qtbot, annotator)
    yield annotator
    annotator.close()


def settle(qtbot, annotator):
    workers = annotator.worker, annotator.sessions.files
    qtbot.waitUntil(
        lambda: not any(w.is_busy for w in workers) and not annotator.propagation.is_showing,
        timeout=10_000,
    )
    qtbot.wait(5)


def click(qtbot, annotator, y, x, frame=0):
    annotator.workspace.points.add([[frame, y, x]])
    settle(qtbot, annotator)


def area(annotator, object_id, frame=0):
    outline = annotator.workspace.masklets.outline(object_id, frame)
    return None if outline is None else outline.area


def test_a_click_far_away_can_be_moved_to_a_new_object(annotator, qtbot):
    work = annotator.work
    click(qtbot, annotator, 10, 12)
    alone = area(annotator, 1)
    click(qtbot, annotator, 12, 14)  # grows the same piece
    assert not work.has_second_piece
    grown = area(annotator, 1)
    assert grown > alone
    click(qtbot, annotator, 30, 45)
    assert work.has_second_piece
    work.new_object()
    settle(qtbot, annotator)
    assert not work.has_second_piece
    assert annotator.workspace.current_object == 2
    assert annotator.workspace.prompts[1, 0].clicks == ((10, 12, 1), (12, 14, 1))
    assert annotator.workspace.prompts[2, 0].clicks == ((30, 45, 1),)
    assert (area(annotator, 1), area(annotator, 2)) == (grown, alone)
    work.edit.undo()  # one step
    settle(qtbot, annotator)
    assert len(annotator.workspace.prompts[1, 0].clicks) == 3
    assert area(annotator, 1) == grown + alone


def test_each_click_can_be_a_new_object(annotator, qtbot):
    workspace = annotator.workspace
    workspace.new_object_per_click = True
    click(qtbot, annotator, 10, 12)
    click(qtbot, annotator, 30, 45)
    assert list(workspace.prompts) == [(1, 0), (2, 0)]
    workspace.label = 0  # a negative click is a correction
    click(qtbot, annotator, 31, 46)
    assert workspace.prompts[2, 0].clicks[-1] == (31, 46, 0)


def test_the_brush_in_the_layer_for_all_paints_the_current_object(annotator, qtbot):
    work, workspace = annotator.work, annotator.workspace
    click(qtbot, annotator, 10, 12)
    work.set_per_object(False)
    qtbot.waitUntil(lambda: ALL in workspace.outputs.layers)
    layer = workspace.outputs.layers[ALL]
    work.new_object()
    assert layer.selected_label == workspace.current_object == 2
    layer.data_setitem((np.array([0, 0]), np.array([30, 30]), np.array([45, 46])), 2)
    workspace.take_painted()
    assert area(annotator, 2) == 2
    layer.selected_label = 1  # picked in napari
    assert workspace.current_object == 1
    layer.selected_label = 77  # nobody's
    assert workspace.current_object == 1


def test_the_key_of_a_new_label_begins_an_object_in_a_result_layer(annotator, viewer, qtbot):
    workspace = annotator.workspace
    click(qtbot, annotator, 10, 12)
    first = workspace.outputs.layers[1]
    viewer.layers.selection.active, first.mode = first, "paint"
    (pressed,) = [call for key, call in first.keymap.items() if str(key) == "M"]
    pressed(first)
    own = workspace.outputs.layers[2]
    assert viewer.layers.selection.active is own
    assert (str(own.mode), own.selected_label, workspace.current_object) == ("paint", 2, 2)


def test_propagated_objects_do_not_overlap_and_spare_finished_ones(annotator, qtbot):
    work, workspace = annotator.work, annotator.workspace
    click(qtbot, annotator, 20, 20)
    work.new_object()
    click(qtbot, annotator, 20, 25)
    locked = np.zeros(SIZE[1:], bool)
    locked[18:30, 30:34] = True
    work.add_masks({3: {t: SparseMask.from_dense(locked) for t in range(4)}})
    work.edit.lock([3], True)
    settle(qtbot, annotator)
    work.propagate("forward", None)
    settle(qtbot, annotator)
    for frame in (1, 2, 3):
        masks = [workspace.masklets.get(i, frame).to_dense() for i in (1, 2, 3)]
        assert np.sum(masks, axis=0).max() == 1
        np.testing.assert_array_equal(masks[2], locked)
    workspace.objects_exclude = False
    work.propagate("forward", None)
    settle(qtbot, annotator)
    masks = [workspace.masklets.get(i, 1).to_dense() for i in (1, 2)]
    assert np.sum(masks, axis=0).max() == 2


def test_a_click_in_a_hidden_layer_is_said(annotator, viewer):
    points = annotator.workspace.points
    for visible in (True, False, False):  # said once
        points.visible = visible
        viewer.mouse_drag_callbacks[-1](viewer, None)
    assert len(annotator.told) == 1
    assert "hidden layer" in annotator.told[0]
    annotator.workspace.prompt_with_points()
    assert points.visible


def test_pixels_that_change_in_place_are_noticed_at_the_next_click(annotator, viewer, qtbot):
    click(qtbot, annotator, 10, 12)
    sessions = len(annotator.network._owner.sessions)
    viewer.layers["movie"].data[0] += 5
    click(qtbot, annotator, 11, 13)
    assert len(annotator.network._owner.sessions) == sessions + 1
    assert any("has other pixels now" in told for told in annotator.told)
    assert area(annotator, 1)


def test_a_constant_image_is_said(annotator, stub_owner, qtbot, monkeypatch):
    monkeypatch.setattr(type(stub_owner.session), "contrast", (7.0, 7.0), raising=False)
    annotator.network.outdate()
    annotator.open()
    settle(qtbot, annotator)
    assert any("the same value" in told for told in annotator.told)


def test_confidence_of_a_mask_that_lost_pixels_stays(annotator, qtbot):
    work = annotator.work
    click(qtbot, annotator, 20, 20)
    work.new_object()
    click(qtbot, annotator, 20, 24)
    work.propagate("forward", None)
    settle(qtbot, annotator)
    assert annotator.workspace.confidence[1, 2] == Confidence(0.9, 5.0)
