"""`set_prompts` as a table: what it computes, what it keeps, what is left after an error."""

import numpy as np
import pytest
import torch

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt, VideoSession

CLICK, SECOND, THIRD = (40.0, 50.0), (42.0, 52.0), (90.0, 150.0)
BOX, OTHER_BOX = BoxPrompt(26, 36, 54, 64), BoxPrompt(76, 136, 104, 164)
RECTANGLE = np.zeros((128, 200), bool)
RECTANGLE[30:50, 40:61] = True
MASK = MaskPrompt(RECTANGLE)


def clicks(*points, labels=None):
    return PointPrompt(points, labels or [1] * len(points))


@pytest.fixture
def session(model, movie):
    return VideoSession(model, movie[0][:3])


@pytest.fixture
def computed(session, monkeypatch):
    """Count how often the network segments something."""
    calls = []
    decode = session.model.decode_masks
    monkeypatch.setattr(
        session.model,
        "decode_masks",
        lambda *args, **kw: (calls.append(None), decode(*args, **kw))[1],
    )
    return calls


UNCHANGED = {
    "one click": ([clicks(CLICK)], 0, [clicks(CLICK)], 0),
    "clicks in other groups": (
        [clicks(CLICK, SECOND)], 0, [clicks(CLICK), clicks(SECOND)], 0,
    ),
    "another candidate, again": ([clicks(CLICK)], 2, [clicks(CLICK)], 2),
    "a choice that means nothing": ([BOX], 0, [BOX], 2),
    "box and clicks": ([BOX, clicks(CLICK)], 0, [clicks(CLICK), BOX], 0),
    "a mask": ([MASK], 0, [MaskPrompt(RECTANGLE.copy())], 0),
    "two boxes": ([BOX, OTHER_BOX], 0, [BOX, OTHER_BOX], 0),
}  # fmt: skip


@pytest.mark.parametrize(("first", "choice", "again", "same"), UNCHANGED.values(), ids=UNCHANGED)
def test_the_same_prompts_compute_nothing(session, computed, first, choice, again, same):
    before = session.set_prompts(1, 0, first, choice)
    list(session.propagate())
    done = len(computed)
    after = session.set_prompts(1, 0, again, same)
    assert len(computed) == done and after.sparse.equals(before.sparse)
    assert list(session.propagate_changes()) == []  # it does not count as changed


ADD = {
    "a click": ([([clicks(CLICK)], 0)], [("add", clicks(CLICK))]),
    "clicks at once": ([([clicks(CLICK, SECOND)], 0)], [("add", clicks(CLICK, SECOND))]),
    "a box": ([([BOX], 0)], [("add", BOX)]),
    "a box and a click": ([([BOX, clicks(CLICK)], 0)], [("add", [BOX, clicks(CLICK)])]),
    "a click more": (
        [([clicks(CLICK)], 0), ([clicks(CLICK, SECOND)], 0)],
        [("add", clicks(CLICK)), ("add", clicks(SECOND))],
    ),
    "a negative click more on a box": (
        [([BOX], 0), ([BOX, clicks(THIRD, labels=[0])], 0)],
        [("add", BOX), ("add", clicks(THIRD, labels=[0]))],
    ),
    "a click fewer": (
        [([clicks(CLICK, SECOND)], 0), ([clicks(CLICK)], 0)],
        [("replace", clicks(CLICK))],
    ),
    "another click": ([([clicks(CLICK)], 0), ([clicks(THIRD)], 0)], [("replace", clicks(THIRD))]),
    "a candidate": ([([clicks(CLICK)], 2)], [("add", clicks(CLICK)), ("choose", 2)]),
    "a candidate, then another": (
        [([clicks(CLICK)], 2), ([clicks(CLICK)], 1)],
        [("add", clicks(CLICK)), ("choose", 1)],
    ),
    "a candidate, then a click more": (
        [([clicks(CLICK)], 2), ([clicks(CLICK, SECOND)], 2)],
        [("add", clicks(CLICK)), ("choose", 2), ("add", clicks(SECOND))],
    ),
    "a candidate with a click more at once": (
        [([clicks(CLICK, SECOND)], 2)],
        [("add", clicks(CLICK)), ("choose", 2), ("add", clicks(SECOND))],
    ),
    "another candidate under two clicks": (
        [([clicks(CLICK, SECOND)], 2), ([clicks(CLICK, SECOND)], 0)],
        [("replace", clicks(CLICK, SECOND))],
    ),
    "clicks on a mask": (
        [([MASK, clicks(SECOND)], 0)],
        [("add", MASK), ("add", clicks(SECOND))],
    ),
    "a mask outweighs a box": (
        [([MASK, BOX, clicks(SECOND)], 0)],
        [("add", MASK), ("add", clicks(SECOND))],
    ),
    "a box in place of a click": ([([clicks(CLICK)], 0), ([BOX], 0)], [("replace", BOX)]),
}  # fmt: skip


@pytest.mark.parametrize("propagated", [False, True], ids=["fresh", "propagated"])
@pytest.mark.parametrize(("calls", "steps"), ADD.values(), ids=ADD)
def test_prompts_are_answered_as_one_by_one(model, movie, session, calls, steps, propagated):
    other = VideoSession(model, movie[0][:3])
    if propagated:  # frame 0 was tracked, and remembers frame 1
        for each in (session, other):
            each.add_prompt(1, 1, clicks((40, 56)))
            list(each.propagate())
    for prompts, choice in calls:
        answer = session.set_prompts(1, 0, prompts, choice)
    for verb, argument in steps:
        if verb == "choose":
            expected = other.candidates(1, 0)[argument]
            other.set_prompts(1, 0, [clicks(CLICK)], argument)
        else:
            expected = other.add_prompt(1, 0, argument, replace=verb == "replace")
    assert torch.equal(answer.logits, expected.logits) and answer.iou == expected.iou
    for one, two in zip(session.propagate(), other.propagate(), strict=True):
        assert torch.equal(one.predictions[0].logits, two.predictions[0].logits)


def test_boxes_are_joined(session):
    parts = [session.set_prompts(i, 0, [box]).mask for i, box in ((1, BOX), (2, OTHER_BOX))]
    both = session.set_prompts(3, 0, [BOX, OTHER_BOX]).mask
    union = parts[0] | parts[1]
    assert (both & union).sum() > 0.95 * (both | union).sum()


@pytest.mark.parametrize("area", [RECTANGLE, np.zeros_like(RECTANGLE)], ids=["shown", "absent"])
def test_a_mask_by_itself_is_kept_to_the_pixel(session, area):
    session.set_prompts(1, 1, [clicks((40, 56))])
    list(session.propagate())
    answer = session.set_prompts(1, 0, [MaskPrompt(area)])
    np.testing.assert_array_equal(answer.mask, area)
    found = {result.frame: result for result in session.propagate()}
    np.testing.assert_array_equal(found[0].masks[0], area)
    assert (found[0].object_scores[0] > 0) == area.any()
    session.set_prompts(1, 0, [])
    found = {result.frame: result for result in session.propagate()}
    assert not np.array_equal(found[0].masks[0], area)


def test_no_prompts_remove_those_of_the_frame(session):
    assert session.set_prompts(1, 0, []) is None and session.object_ids == ()
    session.set_prompts(1, 0, [clicks(CLICK)])
    session.set_prompts(1, 2, [clicks(CLICK)])
    assert session.set_prompts(1, 2, []) is None
    assert session.prompted_frames(1) == (0,)
    assert session.set_prompts(1, 0, ()) is None
    assert session.prompted_frames(1) == () and session.object_ids == (1,)
    with pytest.raises(KeyError, match="no prompt"):
        session.candidates(1, 0)


def test_what_was_added_counts(session, computed):
    session.add_prompt(1, 0, clicks(CLICK))
    session.set_prompts(1, 0, [clicks(CLICK)], 1)
    done = len(computed)
    session.set_prompts(1, 0, [clicks(CLICK)], 1)
    assert len(computed) == done
    session.add_prompt(1, 0, clicks(SECOND))
    done = len(computed)
    session.set_prompts(1, 0, [clicks(CLICK, SECOND)], 1)
    assert len(computed) == done
    session.add_prompt(1, 0, BOX)  # starts afresh
    done = len(computed)
    session.set_prompts(1, 0, [BOX])
    assert len(computed) == done


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((0, 0, [clicks(CLICK)]), ValueError, "0 is background"),
        ((1, 3, [clicks(CLICK)]), IndexError, r"\(0\.\.2\)"),
        ((1, 3, []), IndexError, r"\(0\.\.2\)"),
        ((1, 0, [clicks(CLICK)], 3), IndexError, r"expected 0\.\.2"),
        ((1, 0, [clicks(CLICK)], -1), IndexError, r"expected 0\.\.2"),
        ((1, 0, [clicks(CLICK, (900, 1))]), ValueError, "outside"),
        ((1, 0, [clicks(CLICK, (900, 1))], 1), ValueError, "outside"),
        ((1, 0, [MASK, clicks((900, 1))]), ValueError, "outside"),
        ((1, 0, [MASK, MASK]), ValueError, "2 masks"),
        ((1, 0, [MaskPrompt(np.ones((5, 5)))]), ValueError, "image's shape"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("known", [False, True])
def test_after_an_error_everything_is_as_before(
    session, computed, arguments, error, sentence, known
):
    if known:
        session.set_prompts(1, 0, [BOX])
    with pytest.raises(error, match=sentence):
        session.set_prompts(*arguments)
    assert session.object_ids == ((1,) if known else ())
    done = len(computed)
    if known:
        session.set_prompts(1, 0, [BOX])
        assert len(computed) == done and session.prompted_frames(1) == (0,)
