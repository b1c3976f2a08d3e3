"""The movie of stacks whose every voxel is known, and the objects that are clicked in it."""

import numpy as np
from volumes import TIMES, iou, make_movie, neurites, seeds, write_movie

from napari_sam2.io.read import read_movie
from napari_sam2.sample_data import stack


def test_nuclei_drift_and_stay_bright():
    image, labels = make_movie(*stack.make(0), 12.0)
    assert image.shape == labels.shape and len(image) == TIMES
    for time in range(TIMES):
        assert image[time][labels[time] > 0].mean() > 1.5 * image[time][labels[time] == 0].mean()
    places = [np.argwhere(labels[time] == 6).mean(0) for time in range(TIMES)]
    steps = np.diff(places, axis=0)
    assert (np.hypot(*steps[:, 1:].T) > 1).all()  # pixels at each time point


def test_objects_are_clicked_where_they_are_largest():
    labels = np.zeros((7, 20, 20), np.uint8)
    labels[1:5, 3:9, 3:9] = 1
    labels[3, 3:10, 3:10] = 1
    labels[0:3, 12:15, 12:15] = 2  # cut off by the first plane
    assert seeds(labels, 5) == {1: 3}
    assert iou(labels == 1, labels == 1) == 1 and iou(labels == 1, labels == 2) == 0


def test_the_shell_is_given_a_movie_of_stacks(tmp_path):
    image = np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30)
    write_movie(tmp_path / "movie.ome.tif", image, stack.VOXEL_ZYX_UM)
    movie = read_movie(tmp_path / "movie.ome.tif")
    assert movie.n_planes == 3 and movie.n_frames == 6 and movie.plane_step_px == 4
    np.testing.assert_array_equal(movie[4], image[1, 1])


def test_neurites_are_long_and_of_all_sizes():
    labels = np.zeros((6, 20, 40), np.uint8)
    for label in range(1, 9):
        labels[: 2 + label % 2 * 2, 2 : 2 + label, 4 * label : 4 * label + 3] = label
    labels[1, :9, 28:31] = 7
    assert neurites(labels, 1) == {7: 1}  # the even ones are in two planes only
    assert list(neurites(labels, 2)) == [7]
