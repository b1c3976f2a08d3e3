from pathlib import Path

import divisions
import numpy as np
import propagated
import pytest

from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.masks.masklets import Confidence
from napari_sam2.movies.movie import Movie
from napari_sam2.sample_data import (
    coming_and_going_nuclei_with_truth,
    dividing_nuclei_with_truth,
)
from napari_sam2.tracks.suggestions import Kind
from sam2_torch.masks import SparseMask


def labels() -> np.ndarray:
    """Cell 1 divides into 2 and 3 in frame 2; 4 leaves with frame 2, and 5 comes far away."""
    movie = np.zeros((5, 60, 90), np.uint16)
    for frame, image in enumerate(movie):
        if frame < 2:
            image[20:30, 20:40] = 1
        else:
            image[20:30, 18 - frame : 28 - frame] = 2
            image[20:30, 32 + frame : 42 + frame] = 3
        image[45:55, 70:80] = 4 if frame < 3 else 5
    return movie


def test_divisions_are_read_off_the_true_masks() -> None:
    truth = tracked_labels(Movie(labels(), "TYX"))
    assert divisions.divisions_of(truth) == [divisions.Division(1, 2, (2, 3))]
    synthetic = tracked_labels(Movie(dividing_nuclei_with_truth(4)[1], "TYX"))
    expected = [divisions.Division(2, 7, (10, 11)), divisions.Division(5, 14, (12, 13))]
    assert divisions.divisions_of(synthetic) == expected
    synthetic = tracked_labels(Movie(coming_and_going_nuclei_with_truth(4)[1], "TYX"))
    expected = [divisions.Division(2, 7, (12, 13)), divisions.Division(5, 14, (14, 15))]
    assert divisions.divisions_of(synthetic) == expected


def test_what_happens_to_the_others_is_read_off_too() -> None:
    movie = labels()
    movie[3:, :10, 80:90] = 6  # comes in at the border, and goes when it is not there
    movie[4, :10, 80:90] = 0
    happened = divisions.happened_in(tracked_labels(Movie(movie, "TYX")))
    assert happened[Kind.DIVISION] == [(1, 2)] and happened[Kind.ENTRY] == [(6, 3)]
    assert happened[Kind.DEATH] == [(4, 3)] and happened[Kind.EXIT] == [(6, 4)]


def test_an_object_is_lost_where_its_mask_lies_elsewhere_for_good() -> None:
    truth = tracked_labels(Movie(labels(), "TYX"))
    found = labels()
    found[found == 4] = 0
    found[:, 45:55, 60:79] = 0
    found[2, 45:55, 60:70] = 4  # was never right
    found[3:, 45:55, 70:80] = 3  # jumps onto 5
    found[3:, :40][found[3:, :40] == 3] = 0
    masks = propagated.Propagated(tracked_labels(Movie(found, "TYX")).masklets, {})
    assert divisions.losses_in(masks, truth) == [(3, 3)]


def test_what_was_followed_is_kept_with_its_scores(tmp_path: Path) -> None:
    masklets = tracked_labels(Movie(labels(), "TYX")).masklets
    masklets.set(5, 1, SparseMask.empty((60, 90)))
    scores = {(1, 0): Confidence(0.5, 2.0), (5, 4): Confidence(0.25, -1.0)}
    propagated.save(tmp_path / "x.npz", propagated.Propagated(masklets, scores))
    read = propagated.load(tmp_path / "x.npz")
    keys = [(i, frame) for i in masklets.object_ids for frame in masklets.frames(i)]
    assert keys == [(i, f) for i in read.masklets.object_ids for f in read.masklets.frames(i)]
    assert all(masklets.packed(*key) == read.masklets.packed(*key) for key in keys)
    assert read.confidence == scores


def test_daughters_are_compared_in_the_order_that_fits() -> None:
    truth, division = labels(), divisions.Division(1, 2, (2, 3))
    masklets = tracked_labels(Movie(truth, "TYX")).masklets
    assert divisions._agreement(masklets, truth, division, 5) == (1, 1)
    swapped = np.array([0, 1, 3, 2, 4, 5], np.uint16)[truth]
    masklets = tracked_labels(Movie(swapped, "TYX")).masklets
    assert divisions._agreement(masklets, truth, division, 5) == (1, 1)
    half = np.where(np.arange(60)[:, None] < 25, truth, 0)
    masklets = tracked_labels(Movie(half, "TYX")).masklets
    assert divisions._agreement(masklets, truth, division, 5) == pytest.approx((0.5, 0.5))


def test_precision_and_recall_are_of_all_movies_together() -> None:
    def movie(said: int, right: int, true: int, found: int) -> dict:
        counts = {"said": said, "right": right, "true": true, "found": found}
        figures = {f"divisions.{name}": count for name, count in counts.items()}
        daughters = {"clicks.fresh": [[0.5, 0.8], [0.7, float("nan")]]}
        return {"divisions": 2, "daughters": daughters, "suggestions": {"mask0": figures}}

    jobs = {"synthetic/a": movie(4, 2, 2, 2), "real/b": movie(0, 0, 2, 0), "real/c": None}
    told = divisions.summary(jobs)
    assert told["all.suggestions.mask0.divisions.precision"] == 0.5
    assert told["all.suggestions.mask0.divisions.recall"] == 0.5
    assert "real.suggestions.mask0.divisions.precision" not in told  # nothing was said
    assert told["synthetic.daughters.clicks.fresh.first_iou"] == 0.6
    assert told["all.daughters.clicks.fresh.later_iou"] == 0.8
