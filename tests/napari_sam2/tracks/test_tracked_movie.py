from hypothesis import given
from hypothesis import strategies as st
from random_tracks import SHAPE, same_masks, tracked_movies

from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.lineage_operations import Move
from napari_sam2.tracks.tracked_movie import Tracked, masks_after, masks_of, put_masks
from sam2_torch.predictions import SparseMask


@given(tracked_movies(overlapping=True), st.data())
def test_every_edit_of_masks_can_be_taken_back(tracked: Tracked, data: st.DataObject) -> None:
    before, after = Masklets(6, SHAPE), tracked.masklets
    ids = after.object_ids
    for object_id in ids:
        for frame in after.frames(object_id):
            before.set(object_id, frame, after.get(object_id, frame))  # type: ignore[arg-type]
    moves = [
        Move(
            data.draw(st.sampled_from(ids)),
            data.draw(st.sampled_from((0, 999, *ids))),
            *sorted((data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6)))),
        )
        for _ in range(data.draw(st.integers(1, 2)))
    ]
    table = masks_after(after, moves)
    undo = masks_of(after, table)
    put_masks(after, table)
    put_masks(after, undo)
    assert same_masks(before, after) and before.object_ids == after.object_ids


def test_swapped_masks_change_places_and_merged_ones_are_joined() -> None:
    masklets = Masklets(3, SHAPE)
    a, b = (SparseMask.from_window(SHAPE, [[1, 1]], (3, x)) for x in (2, 9))
    for frame in range(3):
        masklets.set(1, frame, a)
        masklets.set(2, frame, b)
    put_masks(masklets, masks_after(masklets, lineage_operations.swap(Lineage(), 1, 2, 1).moves))
    starts = [[masklets.get(i, frame).origin_yx[1] for frame in range(3)] for i in (1, 2)]  # type: ignore[union-attr]
    assert starts == [[2, 9, 9], [9, 2, 2]]
    put_masks(masklets, masks_after(masklets, lineage_operations.merge(Lineage(), 1, 2).moves))
    assert masklets.object_ids == (1,)
    assert [masklets.get(1, frame).area for frame in range(3)] == [4, 4, 4]  # type: ignore[union-attr]


def test_tracks_and_labels_keep_to_the_lineage() -> None:
    masklets = Masklets(4, SHAPE)
    for frame in range(4):
        masklets.set(1, frame, SparseMask.from_window(SHAPE, [[1]], (2, 3)))
    masklets.set(5, 0, SparseMask.empty(SHAPE))
    tracked = Tracked(masklets, Lineage([Track(1, 0, 2)]), names={1: "Anna"})
    assert tracked.tracks == Lineage([Track(1, 0, 2)])
    assert [len(tracked.objects_in(frame)) for frame in range(4)] == [1, 1, 1, 0]
    assert tracked.labels(2).any() and not tracked.labels(3).any()
    assert (tracked.name(1), tracked.name(5)) == ("Anna", "Object 5")
