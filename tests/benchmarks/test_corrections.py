"""The corrections benchmark: which frame is corrected, and what counts."""

import numpy as np
import pytest

SHAPE = (40, 60)


def disc(x, radius=9):
    y, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y - 20) ** 2 + (columns - x) ** 2 <= radius**2


class Scripted:
    """A tracking whose masks drift away from an object that stands still, and clicks that help."""

    def __init__(self):
        self.log = []

    def click(self, frame, click):
        self.log.append((frame, click.points_yx[0].tolist(), int(click.labels[0])))
        return disc(20)

    def propagate(self, start):
        self.log.append(start)
        return {t: disc(20 + 2 * (t - start)) for t in range(start, 8)}


def test_the_worst_frame_is_corrected_and_propagated_from():
    from corrections import correct_movie

    truths = np.array([disc(20)] * 7 + [np.zeros(SHAPE, bool)])  # it leaves before frame 7
    tracking = Scripted()
    figures = list(correct_movie(tracking, truths))
    assert tracking.log[:2] == [(0, [20, 20], 1), 0]
    frames = [step[0] for step in tracking.log[2::2]]
    assert frames[0] == 6  # the farthest off in which the object is
    assert tracking.log[3::2] == frames
    values = [value for key, value in figures if key.startswith("miou")]
    assert len(values) == 4 and values == sorted(values)
    assert dict(figures)["emptied"] == dict(figures)["lowered"] == 0


def test_clicks_that_harm_are_counted():
    from corrections import changes

    from sam2_torch import PointPrompt

    truth, negative = disc(20), PointPrompt([(20, 26)], [0])
    found = dict(changes(truth, np.zeros(SHAPE, bool), truth, negative))
    assert found == {"change_negative": -1, "lowered": 1, "emptied": 1}


def test_a_rough_mask_is_about_as_good_as_a_hurried_hand():
    from corrections import rough_mask

    from sam2_torch.training.evaluation import iou

    ious = [iou(rough_mask(disc(30, 12), seed), disc(30, 12)) for seed in range(5)]
    assert 0.6 < min(ious) < max(ious) < 0.95
    assert np.mean(ious) == pytest.approx(0.8, abs=0.1)
