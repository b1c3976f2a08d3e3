"""Undo and redo of everything, through the layers, with a session without a network."""

import threading

import numpy as np
import pytest

from napari_sam2.annotation.history import Kind
from napari_sam2.layers.mask_layers import masklet_levels
from napari_sam2.widgets.annotator.annotator import Annotator
from sam2_torch.masks import SparseMask

CELLS = ("cells_nano", "cpu")


@pytest.fixture
def viewer(make_viewer):
    return make_viewer(6, scale=(1, 0.5, 0.5))


@pytest.fixture
def annotator(qtbot, viewer, stub_owner):
    annotator = Annotator(viewer, stub_owner)
    annotator.told = []
    for signal in (annotator.noticed, annotator.failed):
        signal.connect(annotator.told.append)
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(CELLS)
    yield annotator
    annotator.close()


@pytest.fixture
def points(annotator):
    return annotator.workspace.prompt_with_points()


@pytest.fixture
def settle(qtbot, annotator):
    def wait():
        qtbot.waitUntil(
            lambda: not annotator.worker.is_busy and not annotator.propagation.is_showing,
            timeout=10_000,
        )

    return wait


def state(annotator):
    """All that a user sees: names, marks, masks."""
    workspace = annotator.workspace
    return (
        {i: workspace.objects.record(i) for i in workspace.objects.ids},
        {key: marks.clicks for key, marks in workspace.prompts.items()},
        {
            (i, t): workspace.masklets.packed(i, t)
            for i in workspace.masklets.object_ids
            for t in workspace.masklets.frames(i)
        },
    )


def press(layer, key):
    next(call for bound, call in layer.keymap.items() if str(bound) == key)(layer)


def test_every_kind_of_step_there_and_back(annotator, viewer, points, settle):
    """Each step is undone exactly, one after the other, and done again exactly."""
    states = []

    def step(do):
        states.append(state(annotator))
        do()
        settle()

    step(lambda: points.add((0, 12, 33)))
    step(lambda: points.add((0, 12, 40)))
    step(annotator.work.new_object)
    step(lambda: points.add((2, 20, 10)))
    step(lambda: annotator.work.propagate("forward", None))
    step(lambda: annotator.work.edit.rename(2, "daughter"))
    step(lambda: annotator.work.edit.lock_frame(1, 3, True))
    step(lambda: annotator.work.edit.duplicate(2))
    step(lambda: annotator.work.edit.merge(1, [2]))
    step(lambda: annotator.work.edit.delete([3]))
    step(
        lambda: annotator.work.add_masks(
            {5: {1: SparseMask.from_dense(np.eye(30, 50))}}, {5: "five"}
        )
    )
    last = state(annotator)
    for before in reversed(states):
        annotator.work.edit.undo()
        settle()
        assert state(annotator) == before
    assert annotator.work.edit.undo_text == ""
    for after in [*states[1:], last]:
        annotator.work.edit.redo()
        settle()
        assert state(annotator) == after
    assert annotator.told == []


def test_an_undone_click_is_gone_from_its_layer(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    points.add((0, 20, 10))
    settle()
    press(points, "Ctrl+Z")
    settle()
    assert points.data.tolist() == [[0, 12, 33]]
    assert viewer.layers["Object 1"].data[0, 20, 10] == 0
    press(points, "Ctrl+Shift+Z")
    settle()
    assert points.data.tolist() == [[0, 12, 33], [0, 20, 10]]
    assert points.features["label"].tolist() == [1, 1]
    assert viewer.layers["Object 1"].data[0, 20, 10] == 1


def test_a_stroke_is_undone_in_the_layer_where_it_was_painted(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    layer = viewer.layers["Object 1"]
    before = layer.data[0]
    layer.brush_size = 5
    layer.paint((0, 20, 10), 1)
    press(layer, "Ctrl+Z")  # at once: the brush has hardly rested
    settle()
    np.testing.assert_array_equal(layer.data[0], before)
    assert points.data.tolist() == [[0, 12, 33]]  # the click counts again
    press(layer, "Ctrl+Shift+Z")
    settle()
    assert layer.data[0, 20, 10] == 1
    assert len(points.data) == 0


def test_the_network_is_told_what_counts_again(annotator, points, settle, stub_owner):
    points.add((0, 12, 33))
    points.add((2, 20, 10))
    settle()
    annotator.work.edit.undo()
    settle()
    session = stub_owner.sessions[0]
    assert session.prompted_frames(1) == (0,)
    annotator.work.propagate("forward", None)
    settle()
    annotator.work.edit.undo()
    settle()
    assert ("forget_tracked", 1) in session.log
    annotator.work.propagate("forward", None)
    settle()
    assert annotator.workspace.masklets.frames(1) == tuple(range(6))


def test_masks_come_back_without_the_network(annotator, points, settle, stub_owner):
    points.add((0, 12, 33))
    settle()
    annotator.work.propagate("forward", None)
    settle()
    masks = state(annotator)
    session = stub_owner.sessions[0]
    annotator.work.edit.undo()
    settle()
    session.log.clear()
    annotator.work.edit.redo()
    settle()
    assert state(annotator) == masks
    assert not [entry for entry in session.log if entry[0] == "add"]


def test_undo_ends_a_running_propagation_first(annotator, points, settle, stub_owner, monkeypatch):
    points.add((0, 12, 33))
    settle()
    before = state(annotator)
    go, session = threading.Semaphore(0), stub_owner.sessions[-1]
    propagate = session.propagate

    def steps(*args, **kwargs):
        for result in propagate(*args, **kwargs):
            assert go.acquire(timeout=5)
            yield result

    monkeypatch.setattr(session, "propagate", steps)
    annotator.work.propagate("forward", None)
    annotator.work.edit.undo()
    go.release(9)
    settle()
    assert not annotator.propagation.is_running
    after = state(annotator)
    assert after == before


def test_a_locked_object_and_a_locked_frame_are_left_alone(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    annotator.work.new_object()
    points.add((0, 20, 10))
    settle()
    annotator.work.propagate("forward", None)
    settle()
    annotator.work.edit.lock_frame(1, 2, True)
    annotator.work.edit.lock([2], True)
    settle()
    masks = state(annotator)[2]
    workspace = annotator.workspace
    workspace.current_object = 1
    points.add((2, 5, 5))
    workspace.current_object = 2
    points.add((4, 5, 5))
    viewer.layers["Object 2"].data[3, :9] = 2
    assert annotator.told == [
        "That is locked: unlock it first (the padlock in the list, or its frame).",
        *["Object 2 is locked: unlock it first (the padlock in the list)."] * 2,
    ]
    assert len(points.data) == 2
    workspace.current_object = 1
    points.add((0, 5, 5))  # from here the masks of object 1 change, all but the locked one
    settle()
    annotator.work.propagate("forward", None)
    settle()
    now = state(annotator)[2]
    changed = {key for key in masks if now[key] != masks[key]}
    assert changed and all(i == 1 and t != 2 for i, t in changed)
    assert {key.place for key in workspace.history.values if key.kind == Kind.LOCK} == {(1, 2)}


def test_nothing_to_propagate_where_all_is_locked(annotator, points, settle):
    points.add((0, 12, 33))
    settle()
    annotator.work.edit.lock([1], True)
    annotator.work.propagate("forward", None)
    settle()
    assert [str(error) for error in annotator.told] == [
        "nothing to propagate: unlock an object first"
    ]


def test_the_meanings_of_a_click_are_gone_through_with_tab(annotator, viewer, points, settle):
    """The stub's second meaning is nothing, the third lies nine columns to the right."""
    points.add((0, 12, 33))
    settle()
    best = annotator.workspace.masklets.packed(1, 0)
    press(points, "Tab")
    press(points, "Tab")
    settle()
    mask = annotator.workspace.masklets.get(1, 0).to_dense()
    assert mask[12, 42] and not mask[12, 33]
    ghosts = viewer.layers["movie alternatives"]
    assert ghosts.data[0, 12, 33] and ghosts.contour
    assert viewer.layers.selection.active is points
    assert annotator.work.edit.undo_text == "choose another mask: Object 1, frame 0, 3 of 3"
    annotator.work.edit.undo()
    annotator.work.edit.undo()
    settle()
    assert "movie alternatives" not in viewer.layers
    assert annotator.workspace.masklets.packed(1, 0) == best
    for _ in range(2):
        annotator.work.edit.redo()
    settle()
    points.add((0, 20, 10))  # refines what was chosen
    settle()
    mask = annotator.workspace.masklets.get(1, 0).to_dense()
    assert mask[12, 42] and mask[20, 10] and not mask[12, 33]
    assert annotator.told == []
    press(points, "Tab")
    assert "Only a single click" in annotator.told[0]


def test_outlines_of_other_meanings_go_away(annotator, viewer, points, settle, qtbot, monkeypatch):
    monkeypatch.setattr("napari_sam2.widgets.annotator.mask_candidates.SHOWN_MS", 30)
    points.add((0, 12, 33))
    settle()
    annotator.choose_candidate()
    settle()
    qtbot.waitUntil(lambda: "movie alternatives" not in viewer.layers)


def test_large_frames_show_what_is_undone_and_done_again(qtbot, viewer, stub_owner, monkeypatch):
    monkeypatch.setattr(masklet_levels, "MAX_WHOLE_PX", 24)
    annotator = Annotator(viewer, stub_owner)
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(CELLS)
    workspace = annotator.workspace
    workspace.prompt_with_points().add((0, 12, 33))
    qtbot.waitUntil(lambda: workspace.masklets.packed(1, 0) is not None)
    qtbot.waitUntil(lambda: not annotator.worker.is_busy)
    layer = viewer.layers["Object 1"]
    assert layer.multiscale and not workspace.outputs.is_paintable

    def seen():
        return layer.get_value((0, 6, 16.5), world=True)[1]

    layer._update_level_and_corners(np.array([[0, 20], [29, 49]]), np.array([10, 10]), [1, 2])
    assert seen() == 1
    annotator.work.edit.undo()
    qtbot.waitUntil(lambda: seen() == 0)
    annotator.work.edit.redo()
    qtbot.waitUntil(lambda: seen() == 1)
    workspace.go_to(3)
    qtbot.waitUntil(lambda: layer.get_value((3, 6, 16.5), world=True)[1] == 0)
    annotator.close()
