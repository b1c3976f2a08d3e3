"""What the benchmark of objects without prompts counts."""

import automatic
import numpy as np
import pytest


def test_precision_counts_matches_misses_and_surplus():
    truth = np.zeros((20, 30), int)
    truth[0:10, 0:10], truth[0:10, 15:25] = 1, 2
    found = np.zeros((20, 30), int)
    found[0:10, 0:9] = 5  # IoU 0.9
    found[0:6, 15:25] = 6  # IoU 0.6
    found[15:18, 0:5] = 7  # nothing there
    assert automatic.precision(found, truth) == {"ap50": 2 / 3, "ap75": pytest.approx(1 / 4)}
    assert automatic.precision(truth, truth) == {"ap50": 1, "ap75": 1}
    assert automatic.precision(np.zeros_like(truth), truth) == {"ap50": 0, "ap75": 0}


def test_otsu_and_watershed_find_discs_bright_or_dark():
    y, x = np.mgrid[:60, :90]
    truth = 1 * ((y - 20) ** 2 + (x - 20) ** 2 < 100) + 2 * ((y - 40) ** 2 + (x - 60) ** 2 < 144)
    image = np.where(truth > 0, 200, 30).astype(np.uint8)
    assert automatic.precision(automatic.otsu_watershed(image), truth)["ap50"] == 1
    assert automatic.precision(automatic.otsu_watershed(255 - image), truth)["ap50"] == 1


def test_modalities_count_alike():
    figures = {"m.ap50.a": [1.0, 0.5], "m.ap50.b": [0.25], "m.score0.5.ap50.a": [0.4]}
    means = automatic.means_of(figures)
    assert means["m.ap50.a"] == 0.75 and means["m.ap50"] == 0.5
    assert means["m.score0.5.ap50"] == 0.4
