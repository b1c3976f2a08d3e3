"""Refinement of prompted masks: pure functions of masks, and sessions that use them."""

import numpy as np
import pytest

from sam2_torch import BoxPrompt, ImageSession, MaskPrompt, PointPrompt, VideoSession
from sam2_torch.masks import SparseMask
from sam2_torch.sessions.refinement import (
    bound_by_box,
    clean,
    context,
    correct,
    refine,
    without_specks,
)

SHAPE = (60, 90)
ONE_CLICK = PointPrompt([(30, 30)], [1])


def rectangle(*boxes):
    mask = np.zeros(SHAPE, bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def sparse(*boxes):
    return SparseMask.from_dense(rectangle(*boxes))


def rows(*clicks):
    return np.array(clicks, np.float32)


OBJECT = (20, 20, 40, 50)

CORRECTIONS = {
    "a positive click adds its piece only": (
        [(20, 20, 40, 60), (5, 70, 15, 80)], (30, 55, 1), [(20, 20, 40, 60)],
    ),
    "a positive click removes nothing": (
        [(20, 30, 40, 60)], (30, 55, 1), [(20, 20, 40, 60)],
    ),
    "a negative click removes its piece only": (
        [(20, 25, 40, 40)], (30, 45, 0), [(20, 20, 40, 40)],
    ),
    "a negative click adds nothing": (
        [(20, 20, 40, 40), (2, 2, 9, 9)], (30, 45, 0), [(20, 20, 40, 40)],
    ),
    "a positive click inside takes all that comes": (
        [(20, 20, 40, 60), (5, 70, 15, 80)], (30, 30, 1), [(20, 20, 40, 60), (5, 70, 15, 80)],
    ),
    "a negative click that is met changes nothing": ([(2, 2, 9, 9)], (50, 80, 0), [OBJECT]),
}  # fmt: skip


@pytest.mark.parametrize(("found", "click", "expected"), CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_click_changes_its_piece_in_its_direction(found, click, expected):
    corrected = correct(sparse(OBJECT), sparse(*found), rows(click))
    np.testing.assert_array_equal(corrected.to_dense(), rectangle(*expected))


@pytest.mark.parametrize("found", [[OBJECT], []], ids=["ignored", "emptied"])
@pytest.mark.parametrize(("click", "label"), [((30, 49), 0), ((30, 55), 1), ((0, 0), 1)])
def test_a_click_that_the_network_ignores_changes_a_small_disc(found, click, label):
    before = sparse(OBJECT)
    after = correct(before, sparse(*found), rows((*click, label))).to_dense()
    changed = after ^ before.to_dense()
    assert after[click] == bool(label) and after.any()
    assert 0 < changed.sum() < 0.1 * before.area
    assert (after[changed] == bool(label)).all()


def test_a_negative_click_never_empties_a_mask():
    speck = sparse((30, 30, 31, 31))
    for found in (sparse(), speck):
        assert correct(speck, found, rows((30, 30, 0))).equals(speck)


def test_an_earlier_positive_click_stays_met():
    clicks = rows((30, 25, 1), (30, 45, 0))
    after = correct(sparse(OBJECT), sparse((2, 2, 9, 9)), clicks).to_dense()
    assert after[30, 25] and not after[30, 45] and after.sum() > 500


def test_a_box_bounds_its_mask_and_positive_clicks_extend_it():
    found, box = sparse((15, 15, 45, 70)), BoxPrompt(20, 20, 40, 50)
    none = np.zeros((0, 2), np.float32)
    np.testing.assert_array_equal(bound_by_box(found, box, none).to_dense(), rectangle(OBJECT))
    extended = bound_by_box(found, box, np.array([[30.0, 60.0]]))
    np.testing.assert_array_equal(extended.to_dense(), rectangle((20, 20, 40, 61)))
    outside = BoxPrompt(50, 80, 58, 88)
    assert bound_by_box(found, outside, none).equals(found)  # not empty


def test_cleaning_keeps_the_piece_at_the_click_and_fills_pinholes():
    small, large, hole, gap = (2, 2, 12, 12), (20, 20, 50, 60), (5, 5, 6, 7), (25, 30, 45, 50)
    pixels = rectangle(small, large) & ~rectangle(hole, gap)
    mask = SparseMask.from_dense(pixels)
    at_small = clean(mask, np.array([[3.0, 3.0]])).to_dense()
    np.testing.assert_array_equal(at_small, rectangle(small))  # its pinhole is filled
    nowhere = clean(mask, np.zeros((0, 2))).to_dense()
    np.testing.assert_array_equal(nowhere, rectangle(large) & ~rectangle(gap))  # no pinhole
    assert not clean(SparseMask.empty(SHAPE), np.array([[3.0, 3.0]]))


def test_specks_and_pinholes_of_tracked_masks_go_and_large_pieces_stay():
    pixels = np.zeros((40, 60), bool)
    pixels[5:25, 5:25] = True
    pixels[10, 10] = pixels[14:16, 18] = False  # pinholes
    pixels[30:38, 40:50] = True  # a fifth of the whole
    pixels[2, 50:53] = True  # a speck
    expected = pixels.copy()
    expected[5:25, 5:25], expected[2, 50:53] = True, False
    mask = SparseMask.from_dense(pixels)
    np.testing.assert_array_equal(without_specks(mask).to_dense(), expected)
    only_largest = without_specks(mask, 0.9).to_dense()
    assert only_largest[5:25, 5:25].all() and only_largest.sum() == 400
    assert without_specks(mask, 0) is mask
    assert not without_specks(SparseMask.empty((4, 5)))


def test_tracked_masks_have_no_specks_unless_wanted(model, movie):
    frames, drawn = movie[0][:3], rectangle((20, 30, 50, 60), (5, 80, 8, 84))
    drawn = np.pad(drawn, [(0, n - m) for n, m in zip(frames[0].shape, SHAPE, strict=True)])

    def masks(**options):
        session = VideoSession(model, frames, **options)
        session.add_prompt(1, 0, MaskPrompt(drawn))
        return [result.predictions[0].sparse for result in session.propagate()]

    raw = masks(specks=0)
    for share, cleaned in ((0.1, masks()), (0.9, masks(specks=0.9))):
        assert np.array_equal(cleaned[0].to_dense(), drawn)  # as it was given
        for one, two in zip(raw[1:], cleaned[1:], strict=True):
            assert two.equals(without_specks(one, share))


def test_the_network_is_told_of_the_mask_that_negative_clicks_correct():
    negative, speck = PointPrompt([(30, 25)], [0]), sparse((0, 0, 1, 1))
    (click,) = context(sparse(OBJECT), (negative,), is_given=False)
    assert click.labels.tolist() == [1] and rectangle(OBJECT)[*click.points_yx[0].astype(int)]
    assert np.hypot(*(click.points_yx[0] - (30, 25))) > 10
    (box,) = context(sparse(OBJECT), (PointPrompt([(30, 70)], [1]),), is_given=True)
    assert (box.y0, box.x0, box.y1, box.x1) == (18, 17, 42, 70)  # loose, and with the click
    assert context(sparse(OBJECT), (ONE_CLICK,), is_given=False) == ()
    assert context(speck, (PointPrompt([(0, 0)], [0]),), is_given=False) == ()
    assert context(sparse(), (negative,), is_given=False) == ()


def test_a_mask_prompt_by_itself_comes_back_as_given():
    drawn = sparse(OBJECT, (2, 2, 9, 9))
    assert refine(sparse(), (MaskPrompt(drawn),)).equals(drawn)


DRAWN = np.zeros((128, 200), bool)
DRAWN[28:52, 38:62] = True  # over the moving disc in frame 0


@pytest.mark.parametrize("negative", [(29.0, 39.0), (60.0, 100.0)], ids=["corner", "outside"])
def test_a_negative_click_on_a_given_mask_keeps_it(model, movie, negative):
    click = PointPrompt([negative], [0])
    image, video = ImageSession(model, movie[0][0]), VideoSession(model, movie[0][:3])
    video.set_prompts(1, 0, [MaskPrompt(DRAWN)])
    for answer in (
        image.predict(MaskPrompt(DRAWN), click)[0],
        video.set_prompts(1, 0, [MaskPrompt(DRAWN), click]),
        VideoSession(model, movie[0][:3]).set_prompts(
            1, 0, [click], present=SparseMask.from_dense(DRAWN)
        ),
    ):
        assert not answer.mask[int(negative[0]), int(negative[1])]
        assert (answer.mask <= DRAWN).all() and answer.mask.sum() > 0.5 * DRAWN.sum()
    assert np.array_equal(image.predict(MaskPrompt(DRAWN))[0].mask, DRAWN)


def test_a_corrected_mask_is_what_other_frames_remember(model, movie):
    session = VideoSession(model, movie[0][:4])
    session.add_prompt(2, 0, PointPrompt([(90, 150)], [1]))
    list(session.propagate())
    before = session.add_prompt(2, 2, PointPrompt([(90, 150)], [1])).mask
    after = session.add_prompt(2, 2, PointPrompt([(90, 141)], [0])).mask
    assert not after[90, 141] and (after <= before).all() and after.any()
    results = {result.frame: result for result in session.propagate_changes()}
    np.testing.assert_array_equal(results[2].masks[0], after)  # to the pixel
    assert all(result.masks[0].any() for result in results.values())


def test_plain_sessions_take_the_masks_of_the_network(model, movie):
    box = BoxPrompt(80, 140, 100, 160)  # tighter than the disc
    plain, refined = (
        ImageSession(model, movie[0][0], plain=plain).predict(box)[0].mask
        for plain in (True, False)
    )
    outside = np.ones_like(plain)
    outside[80:100, 140:160] = False
    assert (plain & outside).any() and not (refined & outside).any()
    session = VideoSession(model, movie[0][:2], plain=True)
    np.testing.assert_array_equal(session.add_prompt(1, 0, box).mask, plain)


def test_flips_make_masks_independent_of_the_orientation(model, movie):
    image = np.full((256, 256), 500, np.uint16)
    image[60:188, 20:220] = movie[0][0]
    mirrored = ImageSession(model, image[:, ::-1], contrast=(400, 3800), flips=True)
    session = ImageSession(model, image, contrast=(400, 3800), flips=True)
    click, its = PointPrompt([(100, 70)], [1]), PointPrompt([(100, 255 - 70)], [1])
    box, its_box = BoxPrompt(85, 55, 115, 85), BoxPrompt(85, 256 - 85, 115, 256 - 55)
    for prompt, other in ((click, its), (box, its_box)):
        one, two = session.predict(prompt)[0], mirrored.predict(other)[0]
        assert one.mask[100, 70] and one.iou == pytest.approx(two.iou, abs=1e-4)
        np.testing.assert_array_equal(one.mask, two.mask[:, ::-1])
    video = VideoSession(model, [image], contrast=(400, 3800), flips=True)
    np.testing.assert_array_equal(
        video.add_prompt(1, 0, click).mask, session.predict(click)[0].mask
    )
