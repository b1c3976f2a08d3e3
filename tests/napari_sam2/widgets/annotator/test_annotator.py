"""From what is drawn to the session and back, on a viewer without a window."""

import gc
import threading

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication

from napari_sam2.layers.mask_layers.output_layers import MAX_OBJECT_LAYERS
from napari_sam2.movies.background_threads import freeze, thaw
from napari_sam2.widgets.annotator.annotator import Annotator

CELLS = ("cells_nano", "cpu")
SCALE = {"scale": (1, 0.5, 0.5), "translate": (0, 10, 20)}


@pytest.fixture
def viewer(make_viewer):
    return make_viewer(6, **SCALE)


@pytest.fixture
def annotator(qtbot, viewer, stub_owner):
    annotator = Annotator(viewer, stub_owner)
    annotator.told = []
    for signal in (annotator.noticed, annotator.failed, annotator.ended):
        signal.connect(annotator.told.append)
    yield annotator
    annotator.close()


@pytest.fixture
def points(annotator, viewer):
    """The Points layer of a movie that is open."""
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(CELLS)
    return annotator.workspace.prompt_with_points()


@pytest.fixture
def settle(qtbot, annotator):
    """Wait until all is done."""
    busy = []
    annotator.worker.busy.connect(busy.append)

    def wait():
        qtbot.waitUntil(
            lambda: not annotator.worker.is_busy and not annotator.propagation.is_showing
        )

    return wait


def mask(annotator, object_id, frame):
    found = annotator.workspace.masklets.get(object_id, frame)
    return None if found is None else found.to_dense()


def test_a_click_becomes_a_mask_in_a_layer(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    assert mask(annotator, 1, 0)[12, 33]
    layer = viewer.layers["Object 1"]
    assert layer.get_value((0, 10 + 6, 20 + 16.5), world=True) == 1
    assert viewer.layers.selection.active is points


def test_the_first_clicks_wait_for_the_model(annotator, viewer, settle):
    annotator.choose_image(viewer.layers["movie"])
    annotator.open(CELLS)
    points = annotator.workspace.prompt_with_points()
    points.add((0, 12, 33))
    annotator.work.new_object()
    points.add((0, 20, 10))
    assert annotator.network.is_loading
    settle()
    assert not annotator.network.is_loading
    assert annotator.network.device == "cpu"
    assert mask(annotator, 1, 0)[12, 33]
    assert mask(annotator, 2, 0)[20, 10]


def test_what_was_drawn_before_opening_is_said_then(annotator, viewer, settle):
    annotator.choose_image(viewer.layers["movie"])
    annotator.workspace.prompt_with_points().add((0, 12, 33))
    annotator.open(CELLS)
    settle()
    assert mask(annotator, 1, 0)[12, 33]


def test_deleting_the_click_deletes_the_mask(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    points.selected_data = {0}
    points.remove_selected()
    settle()
    assert mask(annotator, 1, 0) is None
    assert not viewer.layers["Object 1"].get_value((0, 16, 36.5), world=True)


def test_propagation_fills_all_frames(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    progress = []
    annotator.progressed.connect(progress.append)
    annotator.work.propagate("forward", None)
    assert annotator.propagation.is_running
    settle()
    assert not annotator.propagation.is_running
    assert annotator.told == [True]
    assert annotator.workspace.masklets.frames(1) == tuple(range(6))
    assert mask(annotator, 1, 3)[12, 33 + 3]
    assert progress[-1].done == progress[-1].total == 6
    assert annotator.workspace.is_propagated(1)
    assert progress[-1].frame == 5 and annotator.workspace.shown_frame == 0  # back at the prompt


@pytest.fixture
def slow(stub_owner, monkeypatch):
    """Let propagations of the open session wait before each frame: `go = slow()`."""

    def make():
        go = threading.Semaphore(0)
        propagate = stub_owner.sessions[-1].propagate

        def steps(*args, **kwargs):
            for result in propagate(*args, **kwargs):
                assert go.acquire(timeout=5)
                yield result

        monkeypatch.setattr(stub_owner.sessions[-1], "propagate", steps)
        return go

    return make


def test_moving_the_slider_ends_following(annotator, viewer, points, settle, qtbot, slow):
    points.add((0, 12, 33))
    settle()
    go = slow()
    annotator.work.propagate("forward", None)
    go.release(2)
    qtbot.waitUntil(lambda: annotator.workspace.shown_frame == 1)
    viewer.dims.set_point(0, 3)
    go.release(9)
    settle()
    assert annotator.workspace.shown_frame == 3
    # and the frame that is looked at shows its new mask
    assert viewer.layers["Object 1"].get_value((3, 16, 36.5 + 1.5), world=True) == 1


def test_cancel_keeps_what_is_done(annotator, points, settle, qtbot, slow):
    points.add((0, 12, 33))
    settle()
    go = slow()
    annotator.work.propagate("forward", None)
    go.release(2)
    qtbot.waitUntil(lambda: annotator.workspace.masklets.frames(1) == (0, 1))
    annotator.propagation.cancel()
    go.release()  # the frame that it is at
    settle()
    assert annotator.told == [False]
    assert len(annotator.workspace.masklets.frames(1)) <= 3
    annotator.work.propagate("forward", None)
    go.release(9)
    settle()
    assert annotator.workspace.masklets.frames(1) == tuple(range(6))


def test_a_click_during_a_propagation_is_taken_between_frames(
    annotator, points, settle, qtbot, slow
):
    points.add((0, 12, 33))
    settle()
    go = slow()
    annotator.work.propagate("forward", None)
    go.release(1)
    qtbot.waitUntil(lambda: annotator.workspace.masklets.frames(1) == (0,))
    annotator.work.new_object()
    points.add((4, 5, 5))
    go.release(1)
    qtbot.waitUntil(lambda: mask(annotator, 2, 4) is not None)
    assert annotator.propagation.is_running
    go.release(9)
    settle()


def test_a_stale_answer_is_dropped(annotator, points, settle, stub_owner, monkeypatch):
    """While the first click is answered, two more come: the second is never asked for."""
    settle()
    session = stub_owner.sessions[0]
    entered, go = threading.Event(), threading.Event()
    add_prompt = session.add_prompt

    def wait(*args, **kwargs):
        entered.set()
        assert go.wait(5)
        return add_prompt(*args, **kwargs)

    monkeypatch.setattr(session, "add_prompt", wait)
    shown = []
    annotator.work.answered.connect(shown.append)
    points.add((0, 12, 33))
    assert entered.wait(5)
    points.add((0, 12, 36))
    points.add((0, 12, 39))
    go.set()
    settle()
    # the two later clicks came as one refinement
    assert session.log == [("add", 1, 0, 1, True), ("add", 1, 0, 1, False)]
    assert len(shown) == 1
    assert mask(annotator, 1, 0)[12, [33, 36, 39]].all()


def test_painting_is_a_mask_prompt_that_stays(annotator, viewer, points, settle, qtbot):
    points.add((0, 12, 33))
    settle()
    layer = viewer.layers["Object 1"]
    layer.brush_size = 5
    layer.paint((0, 20, 10), 1)
    qtbot.waitUntil(lambda: annotator.workspace.prompts[1, 0].painted is not None)
    settle()
    painted = mask(annotator, 1, 0)
    assert painted[20, 10] and painted[12, 33]
    annotator.work.propagate("forward", None)
    settle()
    np.testing.assert_array_equal(mask(annotator, 1, 0), painted)
    assert mask(annotator, 1, 2)[20, 12]


def test_what_is_painted_is_kept_when_its_image_leaves(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    workspace = annotator.workspace
    viewer.layers["Object 1"].paint((0, 20, 10), 1)
    viewer.layers.remove("movie")  # before the brush has rested
    assert workspace.prompts[1, 0].painted.to_dense()[20, 10]
    assert annotator.workspace is None and annotator.workspaces == ()
    assert workspace.history.undo_text.endswith("Object 1, frame 0")
    settle()
    assert not [each for each in annotator.told if isinstance(each, Exception)]


def test_deleting_an_object(annotator, viewer, points, settle, stub_owner):
    points.add((0, 12, 33))
    annotator.work.new_object()
    points.add((0, 20, 10))
    settle()
    annotator.work.edit.delete([1])
    settle()
    assert stub_owner.sessions[0].object_ids == (2,)
    assert [layer.name for layer in viewer.layers if "Object" in layer.name] == ["Object 2"]
    assert annotator.workspace.current_object == 2
    annotator.work.edit.delete([2])
    settle()
    assert annotator.workspace.objects.ids == (3,)


def test_an_empty_object_is_used_first(annotator, points, settle):
    annotator.work.new_object()
    assert annotator.workspace.objects.ids == (1,)
    assert annotator.told == ["The current object is still empty: click inside a cell first."]


def test_too_many_objects_share_a_layer_and_it_is_said(annotator, viewer, points, settle, qtbot):
    for i in range(MAX_OBJECT_LAYERS + 1):
        points.add((0, 12, 2 * i))
        settle()
        annotator.work.new_object()
    assert not annotator.workspace.outputs.per_object
    assert "movie objects" in viewer.layers
    # layers go in turns of the event loop
    qtbot.waitUntil(lambda: not any(layer.name.startswith("Object ") for layer in viewer.layers))
    assert len(annotator.told) == 1 and "one layer now" in annotator.told[0]
    annotator.work.set_per_object(True)
    assert len(annotator.told) == 2


def test_nothing_found_is_said(annotator, points, settle):
    annotator.work.set_label(0)
    points.add((0, 12, 33))
    settle()
    assert annotator.told == ["Nothing was found there: click again, or draw a box."]


def test_frames_without_a_number_are_named_when_their_masks_are_there(annotator, viewer, settle):
    frames = np.ones((6, 30, 50), np.float32)
    frames[2:4] = np.nan
    annotator.choose_image(viewer.add_image(frames))
    annotator.open(CELLS)
    points = annotator.workspace.prompt_with_points()
    points.add((0, 12, 33))
    settle()
    assert not annotator.told
    annotator.propagate("both", None)
    settle()
    assert [text for text in annotator.told if isinstance(text, str)] == [
        "frames 2 to 3 hold only NaN or infinity: the network sees black, and its masks there "
        "mean nothing."
    ]


@pytest.mark.parametrize("name", ["Object 1", "movie clicks"])
def test_a_copy_of_an_own_layer_is_said_to_be_one(annotator, viewer, points, settle, name):
    from napari.layers._layer_actions import _duplicate_layer

    points.add((0, 12, 33))
    settle()
    viewer.layers.selection.active = viewer.layers["movie"]
    _duplicate_layer(viewer.layers)
    assert not annotator.told  # a copy of the image is an image
    viewer.layers.selection.active = viewer.layers[name]
    _duplicate_layer(viewer.layers)
    copy = f"{name} copy"
    assert annotator.told == [f"{copy} is a copy, and drawing in it changes no mask: use {name}."]
    assert copy in viewer.layers


def test_another_model_is_told_everything_again(annotator, points, settle, stub_owner):
    points.add((0, 12, 33))
    settle()
    annotator.open(("other.pt", "cpu"))
    settle()
    assert stub_owner.models == [CELLS, ("other.pt", "cpu")]
    assert stub_owner.sessions[1].object_ids == (1,)


def test_a_model_that_cannot_be_loaded(annotator, points, settle, stub_owner):
    settle()
    points.add((0, 12, 33))
    annotator.open(("missing.pt", "cpu"))
    settle()
    assert not annotator.network.is_loading
    assert [str(error) for error in annotator.told] == [
        "model 'missing.pt': expected a checkpoint, found no such file"
    ]
    annotator.open(CELLS)
    settle()
    assert mask(annotator, 1, 0)[12, 33]


def test_an_error_of_a_propagation_ends_it(annotator, points, settle):
    annotator.work.propagate("forward", None)  # with nothing to propagate
    settle()
    assert not annotator.propagation.is_running
    ended, error = annotator.told
    assert ended is False and isinstance(error, ValueError)


def test_two_images_do_not_mix(annotator, viewer, points, settle, stub_owner):
    points.add((0, 12, 33))
    settle()
    other = viewer.add_image(np.zeros((4, 20, 20)), name="other")
    annotator.choose_image(other)
    annotator.open(CELLS)
    points.add((0, 20, 10))  # of the movie: waits until it is chosen again
    annotator.workspace.prompt_with_points().add((0, 5, 5))
    settle()
    assert stub_owner.sessions[1].frame_shape == (20, 20)
    assert mask(annotator, 1, 0)[5, 5]
    annotator.choose_image(viewer.layers["movie"])
    assert annotator.workspace.points is points
    annotator.open(CELLS)
    settle()
    assert mask(annotator, 1, 0)[20, 10] and mask(annotator, 1, 0)[12, 33]


def test_a_volume_in_time_is_followed_in_the_plane_where_it_began(annotator, viewer, settle):
    image = viewer.add_image(np.zeros((3, 4, 30, 50)), name="4D", axis_labels=("t", "z", "y", "x"))
    viewer.dims.set_point(1, 1)
    annotator.choose_image(image, 0)
    annotator.workspace.prompt_with_points()
    viewer.dims.set_point(1, 2)  # and only then to the cell
    annotator.choose_image(image, 0)
    annotator.open(CELLS)
    points = annotator.workspace.prompt_with_points()
    assert [layer.name for layer in viewer.layers if "clicks" in layer.name] == ["4D clicks"]
    points.add((0, 2, 12, 33))
    points.add((0, 3, 12, 33))
    settle()
    assert viewer.layers["Object 1"].data[0, :, 12, 33].tolist() == [0, 0, 1, 0]
    assert len(annotator.told) == 1 and "another plane than 2 of axis 1" in annotator.told[0]
    annotator.choose_image(image, frame_axis=1)
    assert annotator.workspace.geometry.n_frames == 4
    assert annotator.workspace.points is None
    annotator.choose_image(image, frame_axis=0)
    assert annotator.workspace.points is points


def test_an_erased_mask_is_no_reason_to_worry(annotator, viewer, points, settle, qtbot):
    points.add((0, 12, 33))
    settle()
    viewer.layers["Object 1"].data[0] = 0
    qtbot.waitUntil(lambda: annotator.workspace.prompts[1, 0].painted is not None)
    settle()
    assert annotator.told == []
    assert not mask(annotator, 1, 0).any()


def test_an_image_that_leaves_while_running(annotator, viewer, points, settle, slow):
    points.add((0, 12, 33))
    settle()
    go = slow()
    annotator.work.propagate("forward", None)
    image = viewer.layers["movie"]
    viewer.layers.remove(image)
    annotator.forget_image(image)
    go.release(9)
    settle()
    assert annotator.workspace is None
    assert not annotator.propagation.is_running
    assert annotator.told == []
    assert "Object 1" in viewer.layers  # what was made stays


@pytest.fixture
def skipped():
    """Let the garbage collector skip what there is, as it does once PyTorch is imported."""
    freeze()
    yield gc.get_freeze_count
    thaw()


def test_napari_finds_pixels_of_a_removed_image_and_skips_all_else(
    annotator, viewer, points, settle, skipped
):
    counts = []
    points.add((0, 12, 33))
    settle()
    image = viewer.add_image(np.zeros((2, 5, 7), np.uint8))
    viewer.layers.events.removed.connect(lambda event: counts.append(skipped()))
    n_before = skipped()
    for layer in (viewer.layers["Object 1"], points, image):
        viewer.layers.remove(layer)
    assert min(counts[:2]) >= n_before  # napari collects garbage now
    assert counts[2] == 0
    QCoreApplication.processEvents()
    assert skipped() > 0  # again


def test_closing_while_running(annotator, viewer, points, settle, slow):
    points.add((0, 12, 33))
    settle()
    go = slow()
    annotator.work.propagate("forward", None)
    assert annotator.worker.is_alive
    go.release(9)
    annotator.close()
    assert not annotator.worker.is_alive
    points.add((0, 1, 1))
    viewer.layers.remove(points)


def test_masks_are_seen_in_three_dimensions(annotator, viewer, points, settle):
    points.add((0, 12, 33))
    settle()
    viewer.dims.ndisplay = 3
    annotator.work.propagate("forward", None)
    settle()
    shown = viewer.layers["Object 1"]._slice.image.raw
    assert (shown.reshape(6, -1) == 1).any(1).all()
