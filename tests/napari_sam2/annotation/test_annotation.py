"""The objects of a movie, their prompts and masks."""

import numpy as np
import pytest

from napari_sam2.annotation.annotation import Annotation
from napari_sam2.annotation.history import StoredMask
from napari_sam2.annotation.objects import Objects
from napari_sam2.annotation.prompt_changes import added_clicks
from napari_sam2.masks.masklets import Confidence, Masklets
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt

FRAMES = np.zeros((6, 30, 50), np.uint16)


@pytest.fixture
def annotation(make_session):
    return Annotation(make_session(FRAMES))


def click(*points, labels=None):
    return PointPrompt(points, labels or [1] * len(points))


def test_ids_are_never_given_twice():
    objects = Objects()
    assert [objects.new(), objects.new("mother")] == [1, 2]
    objects.remove(2)
    assert objects.new() == 3
    assert objects.ids == (1, 3)
    objects.include(7)
    assert objects.new() == 8
    assert objects.name(7) == "Object 7"


def test_names():
    objects = Objects()
    objects.rename(objects.new("mother"), "daughter")
    assert objects.name(1) == "daughter"
    with pytest.raises(KeyError, match=r"object 2 is not there; the objects are \[1\]"):
        objects.name(2)


def test_a_prompt_is_kept_with_its_mask_and_scores(annotation):
    prediction = annotation.prompt(1, 2, [click((10, 20))])
    assert annotation.object_ids == (1,)
    assert annotation.masklets.get(1, 2).area == prediction.sparse.area > 0
    assert annotation.masklets.labels(2)[10, 20] == 1
    assert annotation.confidence(1, 2) == Confidence(0.9, 5.0)
    assert annotation.confidence(1, 3) is None
    assert len(annotation.prompts(1, 2)) == 1


def test_one_more_click_refines(annotation):
    annotation.prompt(1, 0, [click((10, 20))])
    annotation.prompt(1, 0, [click((10, 20), (10, 30))])
    assert annotation.session.log == [("add", 1, 0, 1, True), ("add", 1, 0, 1, False)]
    assert annotation.masklets.labels(0)[10, [20, 30]].tolist() == [1, 1]


def test_a_moved_or_deleted_click_starts_the_frame_anew(annotation):
    annotation.prompt(1, 0, [click((10, 20), (10, 30))])
    annotation.prompt(1, 0, [click((10, 20), (20, 30))])
    annotation.prompt(1, 0, [click((20, 30))])
    assert [entry[-1] for entry in annotation.session.log] == [True, True, True]
    assert annotation.masklets.labels(0)[[10, 20], [20, 30]].tolist() == [0, 1]


def test_no_prompt_forgets_the_mask(annotation):
    annotation.prompt(1, 0, [click((10, 20))])
    assert annotation.prompt(1, 0, []) is None
    assert annotation.masklets.get(1, 0) is None
    assert annotation.prompts(1, 0) == ()
    assert annotation.session.log[-1] == ("remove_prompts", 1, 0)
    annotation.prompt(1, 0, [])  # nothing is there to be forgotten


def test_a_mask_comes_first_and_clicks_refine_it(annotation):
    mask = np.zeros(FRAMES.shape[1:], bool)
    mask[5:10, 5:10] = True
    annotation.prompt(1, 0, [click((20, 40)), MaskPrompt(mask)])
    assert annotation.session.log == [("add", 1, 0, 1, True), ("add", 1, 0, 1, False)]
    assert annotation.masklets.labels(0)[[7, 20], [7, 40]].tolist() == [1, 1]


def test_a_mask_prompt_is_kept_as_it_is(annotation, monkeypatch):
    mask = np.zeros(FRAMES.shape[1:], bool)
    mask[5:10, 5:11] = True
    coarse = annotation.session._prediction(np.zeros_like(mask))
    monkeypatch.setattr(annotation.session, "_prediction", lambda mask: coarse)
    annotation.prompt(1, 1, [MaskPrompt(mask)])
    list(annotation.propagate("forward"))
    assert annotation.masklets.get(1, 1).area == 30
    assert annotation.masklets.get(1, 2).area == 0


def test_an_error_leaves_everything_as_it_was(annotation):
    with pytest.raises(IndexError, match=r"frame 6 is outside the movie \(0\.\.5\)"):
        annotation.prompt(1, 6, [click((10, 20))])
    assert annotation.object_ids == () == annotation.masklets.object_ids


def test_propagation_fills_the_masklets_frame_by_frame(annotation):
    annotation.prompt(1, 1, [click((10, 20))])
    annotation.prompt(2, 1, [BoxPrompt(0, 0, 4, 4)])
    assert annotation.frame_count("forward") == 5
    results = annotation.propagate("forward")
    assert next(results).frame == 1
    assert annotation.masklets.frames(1) == (1,)
    assert next(results).frame == 2
    assert annotation.masklets.frames(1) == annotation.masklets.frames(2) == (1, 2)
    results.close()
    assert annotation.masklets.frames(1) == (1, 2)
    assert [r.frame for r in annotation.propagate("both", frames=(0, 3))] == [1, 2, 0]


def test_what_is_restated_is_said_when_something_follows_from_it(annotation, make_session):
    before = Annotation(make_session(FRAMES))
    for object_id, frame in ((1, 0), (1, 3), (2, 0)):
        before.prompt(object_id, frame, [click((10, 20))])
        packed = before.masklets.packed(object_id, frame)
        annotation.restate(object_id, frame, [click((10, 20))], StoredMask(packed))
    assert annotation.session.log == []
    assert annotation.masklets.labels(3)[10, 20] == 1
    assert annotation.prompts(1, 3)[0].points_yx.tolist() == [[10, 20]]
    assert annotation.is_all_said([3]) and not annotation.is_all_said()
    # one more click refines what was said there; the object's other prompt counts, too
    annotation.prompt(1, 3, [click((10, 20), (10, 30))])
    said = [("add", 1, 0, 1, True), ("add", 1, 3, 1, True), ("add", 1, 3, 1, False)]
    assert annotation.session.log == said
    assert annotation.is_all_said([1])
    list(annotation.propagate("forward"))
    assert annotation.session.log[3] == ("add", 2, 0, 1, True)
    assert annotation.is_all_said()


def test_what_was_restated_and_taken_back_is_never_said(annotation):
    annotation.prompt(1, 0, [click((10, 20))])
    annotation.restate(1, 0, [click((10, 20), (10, 30))], None)
    annotation.restate(1, 0, [click((10, 20))], None)  # as it was said
    annotation.restate(1, 2, [click((10, 20))], None)
    annotation.restate(1, 2, [], None)
    annotation.restate(2, 2, [click((20, 20))], None)
    annotation.remove_object(2)
    assert annotation.is_all_said()
    assert annotation.object_ids == (1,)
    assert annotation.session.log == [("add", 1, 0, 1, True)]


def test_a_change_elsewhere_leaves_restated_objects_as_they_are(annotation):
    annotation.restate(1, 0, [click((10, 20))], None)
    annotation.prompt(2, 1, [click((20, 20))])
    assert list(annotation.propagate_changes())
    assert not annotation.is_all_said([1])
    assert all(entry[1] != 1 for entry in annotation.session.log if entry[0] == "add")


def test_a_removed_object_is_gone(annotation):
    for object_id in (annotation.new_object(), annotation.new_object()):
        annotation.prompt(object_id, 0, [click((10, 10 * object_id))])
    list(annotation.propagate("forward"))
    annotation.remove_object(1)
    annotation.remove_object(1)
    assert annotation.object_ids == (2,) == annotation.session.object_ids
    assert annotation.masklets.object_ids == (2,)
    assert annotation.confidence(1, 0) is None
    assert annotation.prompts(1, 0) == ()


def test_masklets_and_objects_can_outlive_the_session(make_session):
    masklets, objects = Masklets(6, (30, 50)), Objects()
    for _ in range(2):
        annotation = Annotation(make_session(FRAMES), masklets=masklets, objects=objects)
    annotation.prompt(annotation.new_object(), 0, [click((10, 20))])
    assert masklets.object_ids == objects.ids == (1,)


@pytest.mark.parametrize(
    ("before", "after", "n_added"),
    [
        ([], [click((1, 1))], None),
        ([click((1, 1))], [click((1, 1))], None),
        ([click((1, 1))], [click((1, 1), (2, 2), (3, 3))], 2),
        ([click((1, 1))], [click((1, 1)), click((2, 2), labels=[0])], 1),
        ([click((1, 1))], [click((1, 1), (2, 2), labels=[0, 1])], None),
        ([BoxPrompt(0, 0, 9, 9)], [BoxPrompt(0, 0, 9, 9), click((2, 2))], 1),
        ([BoxPrompt(0, 0, 9, 9)], [BoxPrompt(0, 0, 9, 8), click((2, 2))], None),
        ([MaskPrompt(np.eye(3))], [MaskPrompt(np.eye(3)), click((2, 2))], 1),
        ([MaskPrompt(np.eye(3))], [MaskPrompt(np.ones((3, 3))), click((2, 2))], None),
        ([MaskPrompt(np.eye(3))], [BoxPrompt(0, 0, 9, 9), click((2, 2))], None),
        ([click((1, 1))], [click((1, 1), (2, 2)), BoxPrompt(0, 0, 9, 9)], None),
    ],
)
def test_added_clicks(before, after, n_added):
    added = added_clicks(before, after)
    assert (None if added is None else len(added.labels)) == n_added
