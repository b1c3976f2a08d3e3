"""Find and link with the embedded network: discs that move, vanish for a frame and appear."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.embedded_network import Remembering, cells_nano

from napari_sam2.api.find_and_link import FindAndLink, TrackAll
from napari_sam2.api.linking import Linking
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from sam2_torch import SAM2, EverythingOptions, VideoSession
from sam2_torch.automatic import TrackEverything, TrackOptions
from sam2_torch.masks import SparseMask

DECODER = TrackOptions(EverythingOptions(by="decoder"))


@pytest.fixture(scope="module")
def model() -> SAM2:
    return cells_nano(kind=Remembering)


@pytest.fixture(scope="module")
def movie() -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(4, 100, 160): 1 moves right, 2 stays, 3 appears in frame 1."""
    y, x = np.mgrid[:100, :160]
    labels = np.zeros((4, 100, 160), np.uint8)
    for t in range(4):
        for number, (cy, cx) in {1: (28, 40 + 5 * t), 2: (70, 110), 3: (72, 40)}.items():
            if t or number < 3:
                labels[t][(y - cy) ** 2 + (x - cx) ** 2 < 12**2] = number
    noise = np.random.default_rng(0).normal(0, 100, labels.shape)
    return (500 + 3000 * (labels > 0) + noise).clip(0).astype(np.uint16), labels


def test_objects_are_found_and_keep_their_ids(
    model: SAM2, movie: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, labels = movie
    session = VideoSession(model, frames)
    known = {7: SparseMask.from_dense(labels[0] == 2)}  # 2 is there already, in frame 0
    ids = iter(range(20, 99))
    tracking = FindAndLink(
        session,
        frames,
        DECODER,
        new_id=lambda: next(ids),
        known=lambda frame: known if frame == 0 else {},
    )
    steps = list(tracking.run())
    assert steps[-1].done == steps[-1].total == 4 and set(steps[-1].masks) == set(tracking.objects)
    begins = {}
    for i, found in tracking.objects.items():
        covered = {
            int(np.bincount(labels[t][mask.to_dense()]).argmax())
            for (j, t), mask in tracking.masks.items()
            if i == j
        }
        assert len(covered) == 1
        begins[covered.pop()] = (found.begin, found.end)
        assert found.seed.sparse.equals(tracking.masks[i, found.begin])
    assert begins == {1: (0, 3), 2: (1, 3), 3: (1, 3)} and min(tracking.objects) == 20


@pytest.mark.parametrize("gap", [0, 2])
def test_a_missing_mask_is_predicted_where_the_object_comes_back(
    model: SAM2, movie: tuple[NDArray[np.uint16], NDArray[np.uint8]], gap: int
) -> None:
    frames, labels = movie
    given = labels.copy()
    given[2][labels[2] == 1] = 0  # not found in frame 2
    linking = Linking(VideoSession(model, frames), tracked_labels(Movie(given, "TYX")), gap=gap)
    filled_at = {}
    for done in linking.run():
        filled_at[done] = linking.filled
    first = next(track.object_id for track in linking.lineage if track.begin == 0)
    assert linking.masklets.frames(first) == ((0, 1, 2, 3) if gap else (0, 1))
    assert {done: set(masks) for done, masks in filled_at.items() if masks} == (
        {4: {(first, 2)}} if gap else {}
    )
    if gap:
        filled, truth = linking.masklets.get(first, 2).to_dense(), labels[2] == 1
        assert (filled & truth).sum() > 0.7 * (filled | truth).sum()


def test_the_way_depends_on_what_the_decoder_finds(
    model: SAM2, movie: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, _ = movie

    def way_of(options: TrackOptions, pixels: NDArray[np.uint16] = frames) -> object:
        alone = VideoSession(model, pixels)
        tracking = TrackAll(VideoSession(model, pixels), lambda: alone, pixels, options)
        run = tracking.run()
        next(run)
        run.close()  # type: ignore[attr-defined]
        return tracking.way

    assert isinstance(way_of(DECODER), FindAndLink)
    nothing_found = TrackOptions(EverythingOptions(min_score=1.0, by="decoder"))
    assert isinstance(way_of(nothing_found), TrackEverything)
