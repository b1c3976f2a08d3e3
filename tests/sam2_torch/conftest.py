"""A small movie with known discs, and the embedded network, loaded once."""

import numpy as np
import pytest
from tests.embedded_network import cells_nano

CENTRES_YX = ((40.0, 50.0), (90.0, 150.0))  # in frame 0, of a disc that moves and one that stays
RADIUS = 14


@pytest.fixture(scope="session")
def model():
    """The embedded network on the CPU, with a smaller input: as good for discs, and faster."""
    return cells_nano(256)


@pytest.fixture(scope="session")
def movie():
    """(8, 128, 200) uint16 and its labels: object 1 moves to the right, 2 leaves after frame 4."""
    y, x = np.mgrid[:128, :200]
    frames, labels = [], []
    generator = np.random.default_rng(0)
    for t in range(8):
        label = np.zeros((128, 200), np.uint8)
        label[(y - CENTRES_YX[0][0]) ** 2 + (x - CENTRES_YX[0][1] - 6 * t) ** 2 < RADIUS**2] = 1
        if t < 5:
            label[(y - CENTRES_YX[1][0]) ** 2 + (x - CENTRES_YX[1][1]) ** 2 < RADIUS**2] = 2
        frames.append(500 + 3000 * (label > 0) + generator.normal(0, 100, label.shape))
        labels.append(label)
    return np.array(frames).astype(np.uint16), np.array(labels)


@pytest.fixture(scope="session")
def known_frames():
    """Return a function that lists the frames in which an object has a mask."""

    def list_frames(session, object_id):
        return [f for f in range(session.n_frames) if is_known(session, object_id, f)]

    def is_known(session, object_id, frame):
        try:
            return list(session.look_around(object_id, frame, reach=0)) == []
        except KeyError:
            return False

    return list_frames
