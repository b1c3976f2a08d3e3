import numpy as np
import pytest

from sam2_torch import BoxPrompt, ImageSession, MaskPrompt, PointPrompt


def overlap(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


@pytest.fixture
def session(model, movie):
    return ImageSession(model, movie[0][0])


def test_click_and_box_find_the_disc(session, movie):
    truth = movie[1][0] == 2
    (click, *others) = session.predict(PointPrompt([(90, 150)], [1]))
    assert len(others) == 2 and click.iou >= others[0].iou >= others[1].iou
    (box,) = session.predict(BoxPrompt(76, 136, 104, 164))
    for answer in (click, box):
        assert answer.mask.shape == movie[0].shape[1:]
        assert overlap(answer.mask, truth) > 0.8
        assert 0 <= answer.iou <= 1


def test_a_mask_is_a_prompt_among_others(session, movie):
    click = PointPrompt([(90, 150)], [1])
    (plain,) = session.predict(click, multimask=False)
    (told,) = session.predict(click, MaskPrompt(movie[1][0] == 2))
    assert told.mask.shape == plain.mask.shape and (told.logits != plain.logits).any()


def test_second_click_refines_with_the_logits_of_the_first(session):
    first = session.predict(PointPrompt([(40, 50)], [1]), multimask=True)[0]
    both = PointPrompt([(40, 50), (90, 150)], [1, 0])
    (second,) = session.predict(both, mask_logits=first.logits)
    assert second.mask[40, 50] and not second.mask[90, 150]


@pytest.mark.parametrize("kind", ["float", "rgb", "signed"])
def test_other_kinds_of_image(model, movie, kind):
    image = movie[0][0]
    image = {
        "float": image / 60000.0,
        "rgb": np.repeat((image // 16).astype(np.uint8)[..., None], 3, -1),
        "signed": image.astype(np.int32) - 3000,
    }[kind]
    answer = ImageSession(model, image).predict(PointPrompt([(90, 150)], [1]))[0]
    assert overlap(answer.mask, movie[1][0] == 2) > 0.8


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ((), "expected at least one"),
        ((PointPrompt([(40, 500)], [1]),), r"column 500\) is outside of the image of 128 x 200"),
        ((BoxPrompt(300, 300, 310, 310),), "expected it to meet the image"),
        ((BoxPrompt(1, 1, 9, 9), BoxPrompt(2, 2, 8, 8)), "found 0 point prompts, 2 boxes"),
    ],
)
def test_prompts_that_do_not_fit_are_refused(session, prompts, sentence):
    with pytest.raises(ValueError, match=sentence):
        session.predict(*prompts)
