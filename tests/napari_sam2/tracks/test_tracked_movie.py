from random_tracks import SHAPE

from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask


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
