"""What is measured, on masks whose scores are known, and with the embedded network."""

import numpy as np
import pytest

from sam2_torch import load_sam2
from sam2_torch.training.data.labelled_movies import LabelledMovie
from sam2_torch.training.evaluation import (
    box_of,
    choose_objects,
    count_clicks,
    deepest_point,
    evaluate,
    iou,
    next_click,
)


def blank():
    return np.zeros((40, 60), bool)


def test_the_first_click_is_in_the_middle_and_the_next_in_the_larger_error():
    truth, mask = blank(), blank()
    truth[10:25, 20:35] = True
    assert deepest_point(truth).tolist() == [17, 27]
    mask[10:25, 20:31] = True  # four columns are missing
    assert next_click(mask, truth).labels.tolist() == [1]
    mask[26:39, 40:59] = True  # and more is in excess
    click = next_click(mask, truth)
    assert click.labels.tolist() == [0]
    assert mask[tuple(click.points_yx[0].astype(int))]


def test_iou_and_boxes():
    one, two = blank(), blank()
    assert iou(one, two) == 1
    one[0:10, 0:10] = two[0:10, 5:15] = True
    assert iou(one, two) == pytest.approx(1 / 3)
    box = box_of(two)
    assert (box.y0, box.x0, box.y1, box.x1) == (0, 5, 10, 15)


def test_objects_are_spread_and_specks_left_out():
    labels = np.zeros((40, 60), int)
    for i in range(12):
        labels[3 * i : 3 * i + 2, : 12 if i else 3] = i + 1
    assert len(choose_objects(labels)) == 8
    assert 1 not in choose_objects(labels)


def test_the_embedded_network_finds_discs_and_a_movie_counts_once():
    y, x = np.mgrid[:90, :120]
    labels = np.zeros((3, 90, 120), np.uint16)
    for t in range(3):
        labels[t][(y - 40) ** 2 + (x - 50 - 3 * t) ** 2 < 300] = 4
    noise = np.random.default_rng(0).normal(0, 100, labels.shape)
    images = (500 + 3000 * (labels > 0) + noise).astype(np.uint16)
    model = load_sam2("cells_nano", "cpu")
    told = []
    scores = evaluate(
        model,
        [LabelledMovie("discs", "a", "time", "f", images, labels)],
        lambda done, total: told.append((done, total)),
    )
    assert list(scores) == [
        *("image.3clicks", "image.box", "image.click", "sequence.box", "sequence.click")
    ]
    assert min(scores.values()) > 0.8
    assert told == [(1, 1)]
    assert list(count_clicks(model, images[0], labels[0])) == [1]
    assert next(iter(count_clicks(model, images[0], labels[0], good=1.1))) > 1
