import pytest

from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage, Track


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        ([Track(1), Track(1)], "two of"),
        ([Track(2, 3, 4, parent=1)], "a parent that is there"),
        ([Track(1, 0, 3), Track(2, 3, 4, parent=1)], "after the end of its parent"),
        ([Track(1, 0), Track(2, 3, 4, parent=1)], "after the end of its parent"),
        ([Track(1, 0, 2, parent=1)], "after the end of its parent"),
    ],
)
def test_what_cannot_be_is_refused(tracks: list[Track], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Lineage(tracks)


def test_a_track_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Track(0)
    with pytest.raises(ValueError, match="found 2"):
        Track(1, 3, 2)


def test_resolved_follows_the_masks_within_the_bounds() -> None:
    lineage = lineage_operations.divide(Lineage(), 1, 3, (2, 3)).lineage
    frames = {1: [0, 1, 2, 3, 4], 2: [3, 4], 3: [4, 5], 7: [2], 8: []}
    assert lineage.resolved(frames) == Lineage(
        [Track(1, 0, 2), Track(2, 3, 4, 1), Track(3, 4, 5, 1), Track(7, 2, 2)]
    )
    assert lineage.resolved({2: [3]}) == Lineage([Track(2, 3, 3)])  # the mother has no mask
