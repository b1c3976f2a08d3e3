import copy
import threading

import numpy as np
import pytest
import torch

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt, VideoSession
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.sessions import tracker


def overlap(mask, truth):
    return (mask & truth).sum() / max(1, (mask | truth).sum())


@pytest.fixture
def session(model, movie):
    return VideoSession(model, movie[0])


def click_both(session, frame=0):
    session.add_prompt(1, frame, PointPrompt([(40, 50 + 6 * frame)], [1]))
    session.add_prompt(2, frame, PointPrompt([(90, 150)], [1]))


def collect(results):
    return {
        (object_id, result.frame): prediction
        for result in results
        for object_id, prediction in zip(result.object_ids, result.predictions, strict=True)
    }


def test_one_click_each_follows_both_and_sees_one_leave(session, movie):
    click_both(session)
    found = collect(session.propagate())
    assert sorted(found) == [(i, t) for i in (1, 2) for t in range(8)]
    for t in range(8):
        assert overlap(found[1, t].mask, movie[1][t] == 1) > 0.75
    assert not found[2, 7].mask.any() and found[2, 7].object_score < 0
    assert overlap(found[2, 3].mask, movie[1][3] == 2) > 0.75


def test_results_carry_arrays_of_all_objects(session):
    click_both(session)
    result = next(session.propagate("forward"))
    assert result.masks.shape == (2, 128, 200) and result.masks.dtype == bool
    assert result.ious.shape == result.object_scores.shape == (2,)


def test_objects_run_from_their_own_prompts_in_both_directions(session):
    session.add_prompt(1, 2, PointPrompt([(40, 62)], [1]))
    session.add_prompt(2, 4, BoxPrompt(76, 136, 104, 164))
    order = [(r.frame, r.object_ids) for r in session.propagate("both")]
    assert order == [
        *((t, (1,)) for t in (2, 3)),
        *((t, (1, 2)) for t in (4, 5, 6, 7)),
        *((t, (2,)) for t in (3, 2)),
        *((t, (1, 2)) for t in (1, 0)),
    ]
    assert session.frame_count("both") == len(order)


@pytest.mark.parametrize(
    ("direction", "frames", "expected"),
    [
        ("forward", None, [3, 4, 5, 6, 7]),
        ("backward", None, [3, 2, 1, 0]),
        ("both", (2, 5), [3, 4, 2]),
        ("forward", (5, 7), [5, 6]),
        ("backward", (5, 7), []),
        ("backward", (0, 2), [1, 0]),
    ],
)
def test_direction_and_range(session, direction, frames, expected):
    session.add_prompt(1, 3, PointPrompt([(40, 68)], [1]))
    assert [r.frame for r in session.propagate(direction, frames=frames)] == expected
    assert session.frame_count(direction, frames=frames) == len(expected)


def test_batch_gives_the_same_masks_as_one_object_at_a_time(model, movie):
    together = VideoSession(model, movie[0])
    click_both(together)
    found = collect(together.propagate())
    for object_id, point in ((1, (40, 50)), (2, (90, 150))):
        alone = VideoSession(model, movie[0])
        alone.add_prompt(object_id, 0, PointPrompt([point], [1]))
        for key, prediction in collect(alone.propagate()).items():
            # float32 sums in another order, and memories rounded to bfloat16
            torch.testing.assert_close(found[key].logits, prediction.logits, atol=0.2, rtol=0.02)
            assert (found[key].mask ^ prediction.mask).sum() <= 3


def test_memories_that_left_the_device_are_made_again(model, movie, monkeypatch):
    answers = []
    for leave in (False, True):
        session = VideoSession(model, movie[0], cache_bytes=0 if leave else 1 << 30)
        click_both(session)
        list(session.propagate("forward", frames=(0, 6)))
        if leave:
            select = MemoryBank.__getitem__

            def without_device(bank, frame, select=select):
                memory = select(bank, frame)
                memory.spatial = memory.device_pointer = None
                return memory

            monkeypatch.setattr(MemoryBank, "__getitem__", without_device)
        answers.append(session.add_prompt(1, 5, PointPrompt([(40, 80)], [1])))
    torch.testing.assert_close(answers[0].logits, answers[1].logits, atol=1e-3, rtol=1e-3)


def test_stopping_keeps_what_is_done_and_a_second_run_goes_on(session):
    click_both(session)
    run = session.propagate("forward")
    for _ in range(3):
        next(run)
    run.close()
    assert [r.frame for r in session.propagate("forward", frames=(3, 8))] == [3, 4, 5, 6, 7]


def test_a_corrected_frame_stays_corrected(session, movie):
    click_both(session)
    list(session.propagate())
    mask = np.zeros((128, 200), bool)
    mask[30:50, 60:90] = True
    session.add_prompt(1, 4, MaskPrompt(mask))
    found = collect(session.propagate(object_ids=[1]))
    assert set(found) == {(1, t) for t in range(8)}
    assert overlap(found[1, 4].mask, mask) > 0.9
    assert session.prompted_frames(1) == (0, 4)


def test_a_correction_runs_its_object_alone_and_stops_where_it_has_rejoined(model, movie):
    session = VideoSession(model, np.concatenate([movie[0], movie[0][::-1], movie[0]]))
    click_both(session)
    before = collect(session.propagate())
    assert list(session.propagate_changes()) == []
    session.add_prompt(1, 10, PointPrompt([(40, 80)], [1]))
    after = collect(session.propagate_changes())
    assert {i for i, _ in after} == {1} and (1, 10) in after
    frames = sorted(t for _, t in after)
    assert frames == list(range(frames[0], frames[-1] + 1)) and len(frames) < 24
    for t in (frames[0], frames[-1]):  # the ends agree with what lies beyond them
        assert overlap(after[1, t].mask, before[1, t].mask) > 0.97
    assert list(session.propagate_changes()) == []


def test_changes_of_a_new_object_fill_the_whole_movie(session):
    session.add_prompt(1, 3, PointPrompt([(40, 68)], [1]))
    assert sorted(r.frame for r in session.propagate_changes()) == list(range(8))


def test_half_precision_gives_nearly_the_same_masks(model, movie):
    session = VideoSession(copy.deepcopy(model).bfloat16(), movie[0][:3])
    click_both(session)
    for (object_id, t), prediction in collect(session.propagate()).items():
        assert overlap(prediction.mask, movie[1][t] == object_id) > 0.75


def test_logits_that_come_packed_from_a_device_give_the_same_masks(model, movie, monkeypatch):
    exact, packed = VideoSession(model, movie[0]), VideoSession(model, movie[0])
    click_both(exact)
    click_both(packed)
    expected = collect(exact.propagate())
    fetch = tracker.fetch_answers
    monkeypatch.setattr(
        tracker, "fetch_answers", lambda found, copies, packed: fetch(found, copies, packed=True)
    )
    for key, found in collect(packed.propagate()).items():
        assert (found.mask != expected[key].mask).sum() <= 2  # rounded to half precision
    correction = packed.add_prompt(1, 5, PointPrompt([(40, 80)], [1]))
    assert overlap(correction.mask, movie[1][5] == 1) > 0.75


def test_a_full_device_is_met_with_fewer_objects_at_a_time(session, monkeypatch, caplog):
    click_both(session)
    attend = session.model.attend_to_memory

    def full(features, memories):
        if len(memories.pointers) > 1:
            raise torch.OutOfMemoryError("no room")
        return attend(features, memories)

    monkeypatch.setattr(session.model, "attend_to_memory", full)
    assert len(collect(session.propagate("forward", frames=(0, 3)))) == 6
    assert "1 objects at a time" in caplog.text


def test_reading_ahead_ends_with_the_run(session):
    click_both(session)
    run = session.propagate("forward")
    next(run), next(run)
    assert any("sam2-reader" in thread.name for thread in threading.enumerate())
    run.close()
    assert not any("sam2-reader" in thread.name for thread in threading.enumerate())


def test_points_refine_and_replace_starts_anew(session):
    first = session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    session.add_prompt(1, 0, PointPrompt([(90, 150)], [0]))
    again = session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]), replace=True)
    torch.testing.assert_close(again.logits, first.logits)


def test_an_object_is_added_corrected_and_removed_while_running(session):
    click_both(session)
    seen = []
    for result in session.propagate("forward"):
        seen.append((result.frame, result.object_ids))
        if result.frame == 2 and 3 not in session.object_ids:
            session.add_prompt(3, 0, BoxPrompt(76, 136, 104, 164))
        if result.frame == 3 and 2 in session.object_ids:
            session.remove_object(2)
    assert seen[:4] == [(t, (1, 2)) for t in range(4)]
    assert seen[4:8] == [(t, (1,)) for t in range(4, 8)]
    assert seen[8:] == [(t, (3,)) for t in range(8)]


def test_removed_prompt_leaves_the_object_to_its_other_prompts(session):
    session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    session.add_prompt(1, 3, PointPrompt([(90, 150)], [1]))
    session.remove_prompts(1, 3)
    assert session.prompted_frames(1) == (0,)
    session.reset()
    assert session.object_ids == ()


def test_an_empty_mask_says_that_the_object_is_not_there(session):
    click_both(session)
    answer = session.add_prompt(1, 2, MaskPrompt(np.zeros((128, 200))))
    assert answer.object_score < 0 and not answer.mask.any()
    found = collect(session.propagate(object_ids=[1]))
    assert not found[1, 2].mask.any()


def test_frames_are_read_one_at_a_time(model, movie):
    class Lazy:
        reads: list

        def __init__(self):
            self.reads = []

        def __len__(self):
            return len(movie[0])

        def __getitem__(self, t):
            assert isinstance(t, int)
            self.reads.append(t)
            return movie[0][t]

    frames = Lazy()
    session = VideoSession(model, frames, contrast=(500, 3500))
    assert frames.reads == [0]
    session.add_prompt(1, 6, PointPrompt([(40, 86)], [1]))
    assert frames.reads == [0, 6]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda s: s.add_prompt(1, 8, PointPrompt([(1, 1)], [1])), IndexError, r"\(0\.\.7\)"),
        (lambda s: s.add_prompt(0, 0, PointPrompt([(1, 1)], [1])), ValueError, "0 is background"),
        (lambda s: s.add_prompt(1, 0, PointPrompt([(1, 900)], [1])), ValueError, "outside"),
        (lambda s: s.add_prompt(1, 0, MaskPrompt(np.ones((5, 5)))), ValueError, "image's shape"),
        (lambda s: s.add_prompt(1, 0, []), ValueError, "at least one"),
        (lambda s: s.propagate(), ValueError, "prompt an object"),
        (lambda s: s.remove_object(7), KeyError, "object 7"),
        (lambda s: s.propagate(object_ids=[7]), KeyError, "object 7"),
    ],
)
def test_wrong_calls_are_told_and_leave_nothing_behind(session, call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(session)
    assert session.object_ids == ()


def test_looking_around_finds_what_a_run_would_and_remembers_nothing(model, movie, known_frames):
    def prompted():
        session = VideoSession(model, movie[0])
        click_both(session, frame=3)
        return session

    session = prompted()
    around = collect(session.look_around(1, 3, reach=2))
    assert [frame for _, frame in around] == [4, 5, 2, 1]
    assert collect(session.look_around(1, 3, "backward", 9)).keys() == {(1, 2), (1, 1), (1, 0)}
    assert known_frames(session, 1) == [3]
    n_encoded = session.embeddings.n_known(range(8))
    assert n_encoded == 6
    found, expected = collect(session.propagate()), collect(prompted().propagate())
    for key, prediction in expected.items():
        np.testing.assert_array_equal(found[key].mask, prediction.mask)
    for key in ((1, 4), (1, 5)):  # the way back has seen fewer frames than that of a run
        np.testing.assert_array_equal(around[key].mask, expected[key].mask)
    for key in ((1, 2), (1, 1)):
        assert overlap(around[key].mask, expected[key].mask) > 0.9


def test_looking_around_ends_at_the_next_prompt(session):
    click_both(session)
    session.add_prompt(1, 2, PointPrompt([(40, 62)], [1]))
    assert [r.frame for r in session.look_around(1, 0, "forward", 5)] == [1]
    with pytest.raises(KeyError, match="object 1 is not known in frame 7"):
        next(session.look_around(1, 7))


def test_what_the_network_does_can_be_broken_off(session):
    click_both(session)
    asked = []

    def stop():
        asked.append(None)
        return len(asked) > 20

    assert list(session.look_around(1, 0, stop=stop)) == []
    assert len(asked) == 21  # nothing went on
    found = collect(session.propagate("forward"))  # and nothing is missing
    assert len(found) == 16 and len(asked) == 21


def test_wrong_ranges_and_directions_are_told(session):
    click_both(session)
    with pytest.raises(ValueError, match="0 <= first < stop <= 8, found 3:3"):
        session.propagate(frames=(3, 3))
    with pytest.raises(ValueError, match="forward, backward or both"):
        session.propagate("sideways")


def test_frames_of_different_shape_are_told(model):
    session = VideoSession(model, [np.zeros((8, 9)), np.zeros((9, 8))])
    with pytest.raises(ValueError, match=r"frame 1: expected shape \(8, 9\) as in frame 0"):
        session.add_prompt(1, 1, PointPrompt([(1, 1)], [1]))
    with pytest.raises(ValueError, match="at least one frame"):
        VideoSession(model, [])


def test_another_candidate_of_a_click_can_be_chosen_and_is_propagated(session):
    click = PointPrompt([(40, 50)], [1])
    best = session.add_prompt(1, 0, click)
    candidates = session.candidates(1, 0)
    ious = [each.iou for each in candidates]
    assert ious == sorted(ious, reverse=True)
    assert len(candidates) == 3 and torch.equal(candidates[0].logits, best.logits)
    chosen = session.set_prompts(1, 0, [click], 2)
    assert torch.equal(chosen.logits, candidates[2].logits)
    assert not torch.equal(chosen.logits, best.logits)
    assert torch.equal(next(session.propagate("forward")).predictions[0].logits, chosen.logits)
    session.set_prompts(1, 0, [click])
    assert torch.equal(next(session.propagate("forward")).predictions[0].logits, best.logits)
    session.add_prompt(1, 0, PointPrompt([(42, 52)], [1]))
    assert len(session.candidates(1, 0)) == 1  # two clicks are no longer ambiguous
    with pytest.raises(KeyError, match="object 1 has no prompt on frame 3"):
        session.candidates(1, 3)


def test_what_was_followed_can_be_forgotten(session):
    click_both(session)
    first = collect(session.propagate())
    session.forget_tracked(1)
    again = collect(session.propagate_changes(object_ids=[1]))
    assert {i for i, _ in again} == {1}
    assert {t for _, t in again} == set(range(8))
    for key, prediction in again.items():
        torch.testing.assert_close(prediction.logits, first[key].logits, rtol=0, atol=1e-2)


def test_a_daughter_attends_to_her_mother_only_where_she_has_no_mask(session, known_frames):
    session.add_prompt(1, 0, PointPrompt([(40, 50)], [1]))
    collect(session.propagate("forward", frames=(0, 4)))
    session.inherit_memories(1, 3, (7, 8))
    assert session.prompted_frames(7) == () and known_frames(session, 7) == [0, 1, 2]
    click = PointPrompt([(40, 68)], [1])
    session.add_prompt(7, 3, click)
    daughter = collect(session.propagate("forward", object_ids=[7]))
    session.add_prompt(9, 3, click)
    fresh = collect(session.propagate("forward", object_ids=[9]))
    assert np.array_equal(daughter[7, 3].mask, fresh[9, 3].mask)  # the prompt is the truth
    assert not torch.equal(daughter[7, 4].logits, fresh[9, 4].logits)
    session.remove_object(1)
    again = collect(session.propagate("forward", object_ids=[7]))  # her memories are her own
    assert torch.equal(again[7, 4].logits, daughter[7, 4].logits)
    session.forget_tracked(7)
    assert known_frames(session, 7) == [0, 1, 2, 3]


def test_memories_are_inherited_from_known_objects_only(session):
    with pytest.raises(KeyError, match="object 1: expected one of"):
        session.inherit_memories(1, 3, (7, 8))
    with pytest.raises(IndexError, match="frame 99"):
        session.inherit_memories(1, 99, (7, 8))


def test_a_frame_is_segmented_without_making_an_object(session):
    click = PointPrompt([(40, 50)], [1])
    candidates = session.predict(0, click)
    assert len(candidates) == 3 and session.object_ids == ()
    prompted = session.add_prompt(1, 0, click)
    assert np.array_equal(prompted.mask, candidates[0].mask)
    for one, other in zip(session.candidates(1, 0), candidates, strict=True):
        assert np.array_equal(one.mask, other.mask)
    assert len(session.predict(0, BoxPrompt(20, 30, 60, 70))) == 1
    assert np.array_equal(session.candidates(1, 0)[0].mask, prompted.mask)
