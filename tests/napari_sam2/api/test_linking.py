import numpy as np
import pytest

from napari_sam2.api.linking import Links, decide_links, link_labels
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from napari_sam2.sample_data import dividing_nuclei_with_truth
from sam2_torch import load_sam2
from sam2_torch.masks import SparseMask

SHAPE = (60, 90)


def box(y: int, x: int, height: int, width: int) -> SparseMask:
    return SparseMask.from_window(SHAPE, np.ones((height, width)), (y, x))


def test_what_fits_best_together_is_the_same() -> None:
    """Both objects fit label 5 best; taken together, one of them is label 6."""
    before = {1: box(10, 10, 10, 10), 2: box(10, 22, 10, 10)}
    proposed = {1: box(10, 14, 10, 10), 2: box(10, 18, 10, 10)}
    found = {5: box(10, 15, 10, 10), 6: box(10, 24, 10, 10)}
    assert decide_links(before, proposed, found) == Links({1: 5, 2: 6})


def test_two_of_about_half_the_size_around_the_middle_are_daughters() -> None:
    before = {1: box(20, 20, 12, 12)}
    proposed = {1: box(20, 14, 12, 8)}
    found = {3: box(20, 14, 12, 8), 4: box(20, 30, 12, 8)}
    assert decide_links(before, proposed, found) == Links({}, {1: (3, 4)})
    assert decide_links(before, proposed, found, divisions=False) == Links({1: 3})


@pytest.mark.parametrize(
    "other",
    [box(20, 48, 12, 8), box(20, 30, 2, 2), box(20, 33, 12, 12)],
    ids=["far away", "a speck", "a whole neighbour"],
)
def test_what_appears_beside_an_object_is_no_daughter(other: SparseMask) -> None:
    here = {1: box(20, 20, 12, 12)}
    assert decide_links(here, here, {3: here[1], 4: other}) == Links({1: 3})


def test_an_object_that_is_proposed_nowhere_ends() -> None:
    found = {3: box(40, 60, 9, 9)}
    assert decide_links({1: box(5, 5, 9, 9)}, {1: SparseMask.empty(SHAPE)}, found) == Links()
    assert decide_links({}, {}, found) == Links()


def test_a_label_movie_without_identities_becomes_tracks_with_divisions() -> None:
    """A nucleus divides in frame 7 of the sample; each frame's labels are shuffled."""
    pixels, truth = (array[4:9] for array in dividing_nuclei_with_truth())
    rng = np.random.default_rng(1)
    shuffled = np.zeros_like(truth)
    for frame, labels in enumerate(truth):
        ids = np.unique(labels)[1:]
        for old, new in zip(ids, rng.permutation(len(ids)) + 1, strict=True):
            shuffled[frame][labels == old] = new
    told: list[int] = []
    linked = link_labels(
        load_sam2("cells_nano", "cpu"),
        Movie(pixels, "TYX"),
        tracked_labels(Movie(shuffled, "TYX")),
        progress=lambda done, total: told.append(done),
    )
    assert told == [1, 2, 3, 4, 5]
    (mother,) = set(linked.lineage.parents.values())
    assert len(linked.lineage) == len(np.unique(truth)) - 1
    for object_id in linked.masklets.object_ids:  # each is one object of the truth throughout
        frames = linked.masklets.frames(object_id)
        masks = [linked.masklets.get(object_id, frame).to_dense() for frame in frames]
        ids = {i for f, m in zip(frames, masks, strict=True) for i in np.unique(truth[f][m])}
        assert len(ids) == 1
        if object_id == mother:
            assert ids == {2} and frames == (0, 1, 2)


def test_a_movie_of_another_shape_is_refused() -> None:
    labels = tracked_labels(Movie(np.zeros((2, 8, 9), np.uint8), "TYX"))
    with pytest.raises(ValueError, match="expected 3 frames of 8 x 9"):
        link_labels(None, Movie(np.zeros((3, 8, 9), np.uint8), "TYX"), labels)  # type: ignore[arg-type]


def test_a_movie_of_stacks_is_refused() -> None:
    stacks = np.zeros((2, 3, *SHAPE), np.uint16)
    movie = Movie(stacks, "TZYX")
    with pytest.raises(ValueError, match="link: expected a movie or a stack, found a movie of st"):
        link_labels(None, movie, tracked_labels(movie))  # type: ignore[arg-type]
