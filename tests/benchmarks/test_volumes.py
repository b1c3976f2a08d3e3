"""The movie of stacks whose every voxel is known, and the objects that are clicked in it."""

import numpy as np
from volumes import TIMES, iou, make_movie, seeds


def test_nuclei_drift_and_stay_bright():
    image, labels = make_movie()
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
