import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_tracks import SHAPE, tracked_movies

from napari_sam2.annotation import object_edits, track_edits
from napari_sam2.annotation.daughters import Seeding, seed_prompts, split_mask
from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Action, History, Key, Kind, StoredMask
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.masks.masklets import pack
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask


def history_of(tracked: Tracked) -> History:
    history = History(6, SHAPE)
    changes = {}
    for object_id in tracked.masklets.object_ids:
        changes[Key(Kind.OBJECT, object_id)] = ObjectRecord(f"Object {object_id}")
        changes[Key(Kind.TRACK, object_id)] = tracked.lineage[object_id]
        for frame in tracked.masklets.frames(object_id):
            mask = tracked.masklets.get(object_id, frame)
            assert mask is not None
            changes[Key(Kind.MASK, object_id, frame)] = StoredMask(pack(mask))
        changes[Key(Kind.PROMPTS, object_id, tracked.masklets.frames(object_id)[0])] = DrawnPrompts(
            clicks=((1.0, 2.0, 1),)
        )
    history.record(Action.ADD_MASKS, changes)
    return history


def frames_of(history: History, object_id: int) -> list[int]:
    keys = (k for k in history.values if k.kind == Kind.MASK and k.object_id == object_id)
    return sorted(key.frame for key in keys)


def wide() -> SparseMask:
    return SparseMask.from_window(SHAPE, np.ones((4, 12)), (3, 2))


def clicked(halves: tuple[SparseMask, SparseMask]) -> dict[int, DrawnPrompts]:
    return dict(zip((7, 8), seed_prompts(Seeding.CLICKS, halves), strict=True))


@pytest.fixture
def history() -> History:
    """Objects 1 and 2 in the frames 0 to 5, each with a mask."""
    history, changes = History(6, SHAPE), {}
    for object_id in (1, 2):
        changes[Key(Kind.OBJECT, object_id)] = ObjectRecord(f"Object {object_id}")
        for frame in range(6):
            mask = SparseMask.from_window(SHAPE, np.ones((3, object_id)), (frame, 5 * object_id))
            changes[Key(Kind.MASK, object_id, frame)] = StoredMask(pack(mask))
    changes[Key(Kind.PROMPTS, 1, 0)] = DrawnPrompts(clicks=((1.0, 5.0, 1),))
    changes[Key(Kind.PROMPTS, 1, 4)] = DrawnPrompts(clicks=((5.0, 5.0, 1),))
    history.record(Action.ADD_MASKS, changes)
    return history


# how long it takes is measured in benchmarks
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tracked_movies(), st.data())
def test_every_operation_is_undone_and_done_again_exactly(
    tracked: Tracked, data: st.DataObject
) -> None:
    history = history_of(tracked)
    ids = tracked.masklets.object_ids
    new = max(ids) + 1
    one, other = (data.draw(st.sampled_from(ids)) for _ in range(2))
    frame, seeds = data.draw(st.integers(0, tracked.n_frames - 1)), split_mask(wide())
    marks = seed_prompts(data.draw(st.sampled_from(Seeding)), seeds, (0, 2))
    operation = data.draw(
        st.sampled_from(["divide", "split", "cut", "swap", "merge", "finish", "begin", "link"])
    )
    arguments = {
        "divide": (one, frame, dict(zip((new, new + 1), marks, strict=True)), SHAPE),
        "split": (one, frame, new, seeds),
        "cut": (one, frame, new, SHAPE),
        "swap": (one, other, frame, SHAPE),
        "merge": (one, other, SHAPE),
        "finish": (one, frame, SHAPE),
        "begin": (one, frame, SHAPE),
        "link": (one, other, frame, SHAPE),
    }[operation]
    before = dict(history.values)
    try:
        changes = getattr(track_edits, operation)(history.values, *arguments)
    except ValueError:
        return
    if history.record(Action.LINK, changes) is None:
        return
    after = dict(history.values)
    track_edits.lineage_of(after)  # whole
    history.undo()
    assert history.values == before
    history.redo()
    assert history.values == after


def test_a_division_takes_the_mother_away_and_clicks_into_each_daughter(history: History) -> None:
    seeds = split_mask(wide())
    changes = track_edits.divide(history.values, 1, 3, clicked(seeds), SHAPE)
    history.record(Action.DIVIDE, changes)
    lineage = track_edits.lineage_of(history.values)
    assert lineage == Lineage([Track(1, None, 2), Track(7, 3, None, 1), Track(8, 3, None, 1)])
    assert frames_of(history, 1) == [0, 1, 2]
    assert (
        Key(Kind.PROMPTS, 1, 4) not in history.values and Key(Kind.PROMPTS, 1, 0) in history.values
    )
    for daughter, own, sister in ((7, *seeds), (8, *reversed(seeds))):
        (y, x, label), (other_y, other_x, other_label) = object_edits.prompts_of(
            history.values, daughter, 3
        ).clicks
        assert (label, other_label) == (1, 0)
        assert own.to_dense()[int(y), int(x)] and sister.to_dense()[int(other_y), int(other_x)]
    assert object_edits.record_of(history.values, 7).name == "Object 1a"


def test_halves_are_the_daughters_masks_and_the_networks_choice_is_a_click(
    history: History,
) -> None:
    halves = split_mask(wide())
    painted = dict(zip((7, 8), seed_prompts(Seeding.HALVES, halves), strict=True))
    history.record(Action.DIVIDE, track_edits.divide(history.values, 1, 3, painted, SHAPE))
    for daughter, half in zip((7, 8), halves, strict=True):
        assert object_edits.prompts_of(history.values, daughter, 3) == DrawnPrompts(painted=half)
        assert frames_of(history, daughter) == [3]
    history.undo()
    one, other = seed_prompts(Seeding.NETWORK, halves, (0, 2))
    chosen = {7: one, 8: other}
    history.record(Action.DIVIDE, track_edits.divide(history.values, 1, 3, chosen, SHAPE))
    drawn = [object_edits.prompts_of(history.values, daughter, 3) for daughter in (7, 8)]
    assert [(len(marks.clicks), marks.choice) for marks in drawn] == [(1, None), (1, 2)]
    assert frames_of(history, 7) == []  # the network is to answer
    assert seed_prompts(Seeding.NETWORK, halves) == seed_prompts(Seeding.CLICKS, halves)


def test_a_cut_moves_masks_and_marks_and_prompts_the_new_object(history: History) -> None:
    history.record(Action.CUT, track_edits.cut(history.values, 1, 2, 9, SHAPE))
    assert (frames_of(history, 1), frames_of(history, 9)) == ([0, 1], [2, 3, 4, 5])
    assert object_edits.prompts_of(history.values, 9, 2).painted is not None
    assert object_edits.prompts_of(history.values, 9, 4).clicks == ((5.0, 5.0, 1),)
    assert not object_edits.prompts_of(history.values, 1, 4)


def test_swapped_objects_prompt_each_other_there(history: History) -> None:
    history.record(Action.SWAP, track_edits.swap(history.values, 1, 2, 3, SHAPE))
    painted = object_edits.prompts_of(history.values, 1, 3).painted
    assert painted is not None and painted.origin_yx == (3, 10)
    assert object_edits.prompts_of(history.values, 2, 4).clicks == ((5.0, 5.0, 1),)


def test_merged_masks_are_joined_and_the_second_object_is_gone(history: History) -> None:
    history.record(Action.MERGE, track_edits.merge(history.values, 1, 2, SHAPE))
    stored = object_edits.mask_of(history.values, 1, 3)
    assert stored is not None and len(frames_of(history, 1)) == 6
    assert not [key for key in history.values if key.object_id == 2]


def test_an_object_that_is_there_becomes_the_second_daughter(history: History) -> None:
    changes = track_edits.divide_into(history.values, 1, 3, (7, 2), SHAPE)
    history.record(Action.DIVIDE, changes)
    assert track_edits.lineage_of(history.values).parents == {2: 1, 7: 1}
    assert (frames_of(history, 1), frames_of(history, 2)) == ([0, 1, 2], [3, 4, 5])
    assert frames_of(history, 7) == [3, 4, 5]


def test_a_lineage_without_a_deleted_mother_and_with_a_copy_is_whole(history: History) -> None:
    daughters = clicked(split_mask(wide()))
    history.record(Action.DIVIDE, track_edits.divide(history.values, 1, 3, daughters, SHAPE))
    history.record(Action.DUPLICATE, object_edits.duplicate(history.values, 7, 9))
    assert track_edits.lineage_of(history.values).daughters(1) == (7, 8, 9)
    history.record(Action.DELETE, object_edits.delete(history.values, [1]))
    assert track_edits.lineage_of(history.values).parents == {}
