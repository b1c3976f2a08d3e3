"""What has to be done to bring a frame from some prompts to others: no network."""

import numpy as np
import pytest

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt
from sam2_torch.sessions.prompt_changes import PromptChange, prompt_change, same_prompts

BOX, OTHER_BOX = BoxPrompt(1, 2, 3, 4), BoxPrompt(5, 6, 7, 8)
MASK = MaskPrompt(np.eye(9))


def clicks(*rows):
    """Make one point prompt from (y, label) pairs; the column is the row's."""
    return PointPrompt([(y, y) for y, _ in rows], [label for _, label in rows])


ONE, TWO, BOTH = clicks((1, 1)), clicks((2, 0)), clicks((1, 1), (2, 0))

CASES = {
    "first click": ((), 0, (ONE,), 0, PromptChange((ONE,))),
    "nothing": ((ONE,), 0, (ONE,), 0, PromptChange()),
    "clicks in other groups": ((BOTH,), 0, (ONE, TWO), 0, PromptChange()),
    "the same mask": ((MASK,), 0, (MaskPrompt(np.eye(9)),), 0, PromptChange()),
    "another mask": ((MASK,), 0, (MaskPrompt(np.ones((9, 9))),), 0, None),
    "a click more": ((ONE,), 0, (BOTH,), 0, PromptChange(then=(TWO,))),
    "a click more beside a box": ((BOX, ONE), 0, (BOX, BOTH), 0, PromptChange(then=(TWO,))),
    "a click more beside a mask": ((MASK,), 0, (MASK, TWO), 0, PromptChange(then=(TWO,))),
    "a click fewer": ((BOTH,), 0, (ONE,), 0, PromptChange((ONE,))),
    "another first click": ((BOTH,), 0, (TWO, ONE), 0, PromptChange((TWO, ONE))),
    "a box on top of a click": ((ONE,), 0, (BOX, ONE), 0, PromptChange((BOX, ONE))),
    "another candidate": ((ONE,), 0, (ONE,), 2, PromptChange(choice=2)),
    "the best again": ((ONE,), 2, (ONE,), 0, PromptChange(choice=0)),
    "a candidate at once": ((), 0, (ONE,), 2, PromptChange((ONE,), 2)),
    "a candidate, refined": ((ONE,), 2, (BOTH,), 2, PromptChange(then=(TWO,))),
    "a candidate, refined at once": ((), 0, (BOTH,), 2, PromptChange((ONE,), 2, (TWO,))),
    "another candidate below clicks": ((BOTH,), 0, (BOTH,), 1, PromptChange((ONE,), 1, (TWO,))),
    "a mask and clicks": ((), 0, (MASK, ONE), 0, PromptChange((MASK,), None, (ONE,))),
    "two boxes and clicks": (
        (), 0, (BOX, ONE, OTHER_BOX), 0, PromptChange((BOX, OTHER_BOX), None, (ONE,)),
    ),
    "a mask outweighs boxes": ((), 0, (BOX, MASK), 0, PromptChange((MASK,))),
}  # fmt: skip


@pytest.mark.parametrize(("before", "had", "after", "choice", "change"), CASES.values(), ids=CASES)
def test_change(before, had, after, choice, change):
    found = prompt_change(before, had, after, choice)
    expected = PromptChange(after) if change is None else change
    assert found.choice == expected.choice
    for part, other in ((found.first, expected.first), (found.then, expected.then)):
        assert len(part) == len(other) and same_prompts(part, other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((BOX, OTHER_BOX), (OTHER_BOX, BOX), False),
        ((BOX, ONE), (ONE, BOX), True),
        ((clicks((1, 1)),), (clicks((1, 0)),), False),
        ((MASK,), (MASK, MASK), False),
        ((), (), True),
    ],
)
def test_same_prompts(one, other, same):
    assert same_prompts(one, other) is same
